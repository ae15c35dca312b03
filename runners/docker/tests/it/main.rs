//! Containers of a real engine. Without one these tests are skipped, unless
//! `ISOLAB_REQUIRE` names `docker`.

mod conformance;
mod handlers;
mod support;
mod lifecycle;
