//! An HTTP/1.1 client: requests that are serialised once, and a blocking connection for single
//! requests. [`isolab_core::http1`] parses and writes the messages.
//!
//! - [`request`]: a request as bytes.
//! - [`Receiver`]: an answer, read into a reused buffer.
//! - [`client`]: one blocking connection.

pub mod client;
pub mod request;

pub use client::{Client, ClientError};
pub use isolab_core::http1::Receiver;
pub use request::Wire;
