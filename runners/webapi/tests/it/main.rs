//! The web API's conformance tests in other engines.

mod node;
