//! The executor `oci`.

mod conformance;
mod lifecycle;
mod support;
