//! The place where the host and a server meet.

use isolab_core::Cause;
use tokio::net::UnixStream;

use crate::server_socket::ServerSocket;
use crate::socket::HostSocket;

/// A socket on which one of them listens.
#[derive(Debug)]
pub enum Meeting {
    /// The host listens, and the server connects.
    Host(HostSocket),
    /// The server listens, and the host connects.
    Server(ServerSocket),
}

impl Meeting {
    /// The next connection with a process that `is_guest` knows.
    pub async fn connect(&self, is_guest: impl Fn(u32) -> bool) -> Result<UnixStream, Cause> {
        match self {
            Self::Host(socket) => socket.accept(is_guest).await,
            Self::Server(socket) => socket.connect(is_guest).await,
        }
    }
}

impl From<HostSocket> for Meeting {
    fn from(socket: HostSocket) -> Self {
        Self::Host(socket)
    }
}

impl From<ServerSocket> for Meeting {
    fn from(socket: ServerSocket) -> Self {
        Self::Server(socket)
    }
}
