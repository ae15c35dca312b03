//! Asking a server: a request written once, and a blocking connection for all that
//! is asked once. What a message looks like is [`isolab_core::http1`]'s matter.
//!
//! - [`request`]: a request as bytes.
//! - [`Receiver`]: an answer, out of a reused buffer.
//! - [`client`]: one blocking connection.

pub mod client;
pub mod request;

pub use client::{Client, ClientError};
pub use isolab_core::http1::Receiver;
pub use request::Wire;
