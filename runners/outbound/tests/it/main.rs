//! Outbound requests to real sockets.

mod origin;
mod proxied;
mod requests;
