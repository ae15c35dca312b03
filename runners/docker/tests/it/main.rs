//! Containers of a real engine. Without one these tests are skipped, unless
//! `ISOLAB_REQUIRE` names `docker`.

mod conformance;
mod escape;
mod granted;
mod handlers;
mod in_flight;
mod lifecycle;
mod streams;
mod support;
