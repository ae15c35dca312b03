//! This crate from outside, one module a subject.

mod agreement;
mod boundaries;
mod claims;
mod conclusion;
mod first_byte;
mod fixture;
mod gate;
mod page;
mod paired;
mod statistics;
mod support;
mod waiting;
