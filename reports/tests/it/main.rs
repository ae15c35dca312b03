//! This crate from outside, one module a subject.

mod claims;
mod fixture;
mod page;
mod statistics;
mod support;
