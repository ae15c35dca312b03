//! The socket of a server that listens itself: the host connects to it.
//!
//! The server makes the socket, so its folder is the server's. A guest could put a link to another socket in its
//! place. The host therefore sends nothing before it knows who listens: the kernel tells it the process that called
//! `listen` (`SO_PEERCRED`, unix(7)).

use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use isolab_core::Cause;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use crate::socket;

/// The finest that the runtime's timer can do.
const CONNECT_POLL: Duration = Duration::from_millis(1);

/// A folder for a server's socket. Dropping it removes both.
#[derive(Debug)]
pub struct ServerSocket {
    folder: PathBuf,
}

impl ServerSocket {
    /// Makes the folder, for a server of this user and group.
    pub fn make(folder: PathBuf, (user, group): (u32, u32)) -> Result<Self, Cause> {
        let place = Self { folder };
        socket::check_length(&place.path())?;
        let made = DirBuilder::new().mode(0o700).create(&place.folder);
        let owned = made.and_then(|()| chown(&place.folder, Some(user), Some(group)));
        owned.map_err(|error| {
            Cause::Internal(format!(
                "no folder for a socket can be made at {}: {error}",
                place.folder.display()
            ))
        })?;
        Ok(place)
    }

    /// The folder, in which the server may make further files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path at which the server has to listen.
    pub fn path(&self) -> PathBuf {
        self.folder.join(socket::FILE)
    }

    /// Listens at another socket in the same folder, for outbound requests.
    pub fn listen_beside(&self, file: &str) -> Result<UnixListener, Cause> {
        socket::listen_in(&self.folder, file)
    }

    /// A new connection as soon as the server listens. Fails if a process listens that `is_guest` does not know.
    pub async fn connect(&self, is_guest: impl Fn(u32) -> bool) -> Result<UnixStream, Cause> {
        let failed = |error: io::Error| {
            Cause::Internal(format!("no connection to {}: {error}", self.path().display()))
        };
        let stream = loop {
            match connect(&self.path()) {
                // There is no socket yet, nobody listens at it yet, or too many connections wait.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::WouldBlock
                    ) =>
                {
                    tokio::time::sleep(CONNECT_POLL).await;
                }
                connected => break connected.map_err(failed)?,
            }
        };
        let process = stream.peer_cred().map_err(failed)?.pid().unwrap_or_default().unsigned_abs();
        if is_guest(process) {
            return Ok(stream);
        }
        Err(Cause::InvalidResponse(format!(
            "process {process} listens at its socket, and is not of the instance"
        )))
    }
}

impl Drop for ServerSocket {
    fn drop(&mut self) {
        socket::remove(&self.folder);
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket::refuse_descriptors(&socket)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    UnixStream::from_std(OwnedFd::from(socket).into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::unistd::{getegid, geteuid};

    use super::*;

    fn make() -> (ServerSocket, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let user = (geteuid().as_raw(), getegid().as_raw());
        let socket = ServerSocket::make(place.path().join("0"), user).unwrap();
        (socket, place)
    }

    fn is_this_process(process: u32) -> bool {
        process == std::process::id()
    }

    #[tokio::test]
    async fn a_connection_is_made_as_soon_as_the_server_listens() {
        let (socket, place) = make();
        let connecting = socket.connect(is_this_process);
        let listening = async {
            // The first try has found no socket then.
            tokio::task::yield_now().await;
            UnixListener::bind(socket.path()).unwrap()
        };
        let (connected, listener) = tokio::join!(connecting, listening);
        assert_eq!(socket::state(&connected.unwrap()), socket::State::Quiet);
        listener.accept().await.unwrap();
        drop(socket);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    /// A guest can put a link to the socket of another server in the place of its own.
    #[tokio::test]
    async fn a_server_outside_of_the_instance_is_refused() {
        let (socket, place) = make();
        let elsewhere = place.path().join("stranger");
        let listener = UnixListener::bind(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, socket.path()).unwrap();
        let refused = socket.connect(|_| false).await.unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} listens", std::process::id())), "{refused}");
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(socket::state(&stream), socket::State::Closed, "the host sent something to a stranger");
    }
}
