//! The host's socket for one instance: the host listens, and the guest connects.
//!
//! The host therefore follows no path that a guest could replace. The guest sees the
//! socket's folder read-only. The host takes a connection only from a process of
//! the instance; the kernel says which process connected (`SO_PEERCRED`,
//! unix(7)).

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use isolab_core::Cause;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// The socket's name in its folder.
pub const FILE: &str = "socket";

/// How many connections may wait until the host takes them. A server needs one; the
/// kernel makes a guest that opens more of them wait, at no cost to the host.
const BACKLOG: i32 = 1;

/// The same for outbound requests: as many as the host takes. Node does not try again.
const OUTBOUND_BACKLOG: i32 = 256;

/// After how many useless connections the host gives up on a guest.
const MAX_USELESS: u32 = 16;

/// The longest path of a socket, in bytes: `sockaddr_un` has 108, the final zero
/// included (unix(7)).
const MAX_PATH_BYTES: usize = 107;

/// A listening socket, in a folder that only the host can write. Dropping it removes both.
#[derive(Debug)]
pub struct HostSocket {
    listener: UnixListener,
    folder: PathBuf,
}

impl HostSocket {
    /// Makes the folder, and listens in it.
    pub fn listen(folder: PathBuf) -> Result<Self, Cause> {
        let path = folder.join(FILE);
        check_length(&path)?;
        let made = make_folder(&folder).and_then(|()| make(&path, BACKLOG));
        let listener = made.map_err(|error| failed(&path, &error))?;
        Ok(Self { listener, folder })
    }

    /// Listens at another socket in the same folder, for outbound requests. Dropping this socket
    /// removes that one's file too.
    pub fn listen_beside(&self, file: &str) -> Result<UnixListener, Cause> {
        listen_in(&self.folder, file)
    }

    /// The folder, which the instance is shown.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The next usable connection of a process that `is_guest` knows.
    pub async fn accept(&self, is_guest: impl Fn(u32) -> bool) -> Result<UnixStream, Cause> {
        let failed = |error| Cause::Internal(format!("the host's socket failed: {error}"));
        let mut last = String::new();
        for _ in 0..MAX_USELESS {
            let (stream, _) = self.listener.accept().await.map_err(failed)?;
            let process = stream.peer_cred().map_err(failed)?.pid().unwrap_or_default().unsigned_abs();
            last = match (process, state(&stream)) {
                (0, _) => return Err(unseen()),
                (_, State::Closed) => "it was closed".to_owned(),
                (_, State::Unasked) => "it carried bytes before a request was sent".to_owned(),
                (process, State::Quiet) if is_guest(process) => return Ok(stream),
                (process, State::Quiet) => {
                    tracing::warn!(process, "refused a connection from outside of the instance");
                    format!("it came from process {process}, which is not of the instance")
                }
            };
        }
        Err(Cause::InvalidResponse(format!(
            "its server made {MAX_USELESS} connections, and none could be used; of the last: {last}"
        )))
    }
}

impl Drop for HostSocket {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Listens at a socket for outbound requests.
pub(crate) fn listen_in(folder: &Path, file: &str) -> Result<UnixListener, Cause> {
    let path = folder.join(file);
    check_length(&path)?;
    make(&path, OUTBOUND_BACKLOG).map_err(|error| failed(&path, &error))
}

/// Removes a folder with the sockets in it.
pub fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "a folder of sockets could not be removed");
    }
}

/// The container's user may enter the folder. The session's folder around it keeps out everybody
/// else. The mode is set apart from the making, so that no umask changes it.
fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o711))
}

/// The container's user may connect to the socket.
fn make(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    refuse_descriptors(&socket)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(OwnedFd::from(socket).into())
}

/// Has the kernel refuse the file descriptors that a guest sends along (`SCM_RIGHTS`,
/// unix(7)); whether it can. The host takes none, so it would close each while it reads,
/// and for as long as the guest likes: `close` waits for a TCP connection with `SO_LINGER`
/// (socket(7)). Linux can do this since 6.16; the connections inherit it.
pub(crate) fn refuse_descriptors(socket: &Socket) -> io::Result<bool> {
    /// From include/uapi/asm-generic/socket.h.
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    // SAFETY: the pointer and the length are those of `off`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            size_of_val(&off) as libc::socklen_t,
        )
    };
    match io::Error::last_os_error() {
        _ if result == 0 => Ok(true),
        error if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(false),
        error => Err(error),
    }
}

fn failed(path: &Path, error: &io::Error) -> Cause {
    Cause::Internal(format!("no socket could be made at {}: {error}", path.display()))
}

pub(crate) fn check_length(socket: &Path) -> Result<(), Cause> {
    let len = socket.as_os_str().len();
    if len <= MAX_PATH_BYTES {
        return Ok(());
    }
    Err(Cause::Unavailable(format!(
        "{} has {len} bytes, and a socket's path may have {MAX_PATH_BYTES}: set TMPDIR to a shorter folder",
        socket.display()
    )))
}

/// The kernel names no process of a process namespace that this one cannot see.
fn unseen() -> Cause {
    Cause::Unavailable(
        "the processes of a container cannot be seen from here, so that it cannot be checked which one \
         connects: run isolab in the process namespace of the engine (`docker run --pid=host`), or use \
         `docker:network=bridge`"
            .into(),
    )
}

/// The state of a connection on which no response is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can carry a request.
    Quiet,
    /// The peer has closed it, or it is broken.
    Closed,
    /// The peer has sent bytes that nobody asked for.
    Unasked,
}

/// Looks at a connection without taking anything from it.
pub fn state(stream: &impl AsFd) -> State {
    match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => State::Quiet,
        Ok(0) | Err(_) => State::Closed,
        Ok(_) => State::Unasked,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Read, Write};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream as Peer;

    use socket2::MsgHdr;

    use super::*;

    /// A socket in a folder of its own.
    fn listen() -> (HostSocket, PathBuf, tempfile::TempDir) {
        let place = tempfile::tempdir().unwrap();
        let socket = HostSocket::listen(place.path().join("0")).unwrap();
        let path = socket.folder().join(FILE);
        (socket, path, place)
    }

    fn is_this_process(process: u32) -> bool {
        process == std::process::id()
    }

    #[tokio::test]
    async fn the_first_quiet_connection_of_the_guest_is_taken() {
        let (socket, path, _place) = listen();
        let mut peer = Peer::connect(&path).unwrap();
        let taken = socket.accept(is_this_process).await.unwrap();
        assert_eq!(state(&taken), State::Quiet);
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert_eq!(state(&taken), State::Unasked);
    }

    #[tokio::test]
    async fn stale_half_open_and_talkative_connections_are_passed_over() {
        let spoil: [fn(&mut Peer); 3] = [
            |peer| peer.shutdown(Shutdown::Both).unwrap(),
            |peer| peer.shutdown(Shutdown::Write).unwrap(),
            |peer| peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap(),
        ];
        for spoil in spoil {
            let (socket, path, _place) = listen();
            let mut spoilt = Peer::connect(&path).unwrap();
            spoil(&mut spoilt);
            let mut good = Peer::connect(&path).unwrap();
            let taken = socket.accept(is_this_process).await.unwrap();
            taken.try_write(b"request").unwrap();
            let mut seen = [0; 7];
            good.read_exact(&mut seen).unwrap();
            assert_eq!(&seen, b"request");
        }
    }

    #[tokio::test]
    async fn a_peer_outside_of_the_instance_is_refused() {
        let (socket, path, _place) = listen();
        let stranger = std::thread::spawn(move || {
            // Ends when the host has given up and its socket is gone.
            let streams: Vec<_> = std::iter::from_fn(|| Peer::connect(&path).ok()).collect();
            // Each was closed by the host without a byte.
            streams.into_iter().all(|mut stream| matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)))
        });
        let refused = socket.accept(|_| false).await.unwrap_err();
        drop(socket);
        let text = refused.to_string();
        let pid = std::process::id().to_string();
        assert!(text.contains("16 connections") && text.contains(&pid), "{text}");
        assert!(text.contains("not of the instance"), "{text}");
        assert!(stranger.join().unwrap(), "the host sent something to a stranger");
    }

    #[tokio::test]
    async fn more_connections_than_the_backlog_wait_in_the_guest() {
        let (socket, path, _place) = listen();
        let connect = || {
            let peer = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            peer.set_nonblocking(true).unwrap();
            peer.connect(&SockAddr::unix(&path).unwrap()).map(|()| peer)
        };
        let waiting: Vec<_> = (0..100).map(|_| connect()).collect();
        let made = waiting.iter().filter(|result| result.is_ok()).count();
        // Linux lets one more in than it is told.
        assert_eq!(made, BACKLOG as usize + 1);
        drop(socket);
    }

    /// A guest that sends a lingering TCP connection would decide how long the host waits.
    #[tokio::test]
    async fn file_descriptors_are_not_passed_to_the_host() {
        let (socket, path, _place) = listen();
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        if !refuse_descriptors(&probe).unwrap() {
            eprintln!("skipped: the kernel is older than Linux 6.16");
            return;
        }
        let peer = Socket::from(OwnedFd::from(Peer::connect(&path).unwrap()));
        let _taken = socket.accept(is_this_process).await.unwrap();
        // struct cmsghdr (cmsg(3)), then the descriptor: length 20, SOL_SOCKET, SCM_RIGHTS.
        let mut control = 20_usize.to_ne_bytes().to_vec();
        for part in [1, 1, peer.as_raw_fd(), 0] {
            control.extend_from_slice(&part.to_ne_bytes());
        }
        let payload = [IoSlice::new(b"x")];
        let sent = peer.sendmsg(&MsgHdr::new().with_buffers(&payload).with_control(&control), 0);
        assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::EPERM));
    }

    #[tokio::test]
    async fn the_folder_goes_with_the_socket_and_no_umask_closes_it() {
        let (socket, path, place) = listen();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(socket.folder()), mode(&path)), (0o711, 0o666));
        drop(socket);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_refused_with_what_to_do() {
        assert_eq!(check_length(Path::new("/tmp/socket")), Ok(()));
        let Err(Cause::Unavailable(reason)) = check_length(Path::new(&"/x".repeat(54))) else {
            panic!("taken")
        };
        assert!(reason.contains("108 bytes") && reason.contains("TMPDIR"), "{reason}");
    }
}
