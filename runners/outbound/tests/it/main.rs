//! Outbound requests to real sockets.

mod origin;
mod requests;
