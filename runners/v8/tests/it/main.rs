//! The executor `v8` from outside.

mod conformance;
mod instances;
mod support;
