//! HTTP/1.1: connections, bodies, errors and the headers of responses.

pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod outgoing;
pub(crate) mod problem;
mod stream;
pub(crate) mod timing;
