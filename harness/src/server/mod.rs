//! The server that is measured.
//!
//! - [`child`]: it is this binary again, as a process of its own.
//! - [`control`]: the pages by which experiments steer and read it.
//! - [`origin`]: the host to which its functions send requests.

pub mod child;
pub mod control;
pub mod origin;
