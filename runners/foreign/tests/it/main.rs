//! The executors `workerd` and `deno`. Each is skipped where its program is missing, unless `ISOLAB_REQUIRE` names it.

mod conformance;
mod handlers;
mod lifecycle;
mod support;
