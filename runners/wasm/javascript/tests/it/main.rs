//! The JavaScript engine as it runs natively.

mod engine;
