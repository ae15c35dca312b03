//! The process that containers belong to, and the folder of their sockets.
//!
//! A session is one opened executor. Its name consists of boot, process namespace,
//! process, start time and a number, so that anyone can tell whether its process is gone.
//! Containers carry the name as a label; the folder is named by it.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use isolab_core::Cause;

use crate::server_socket::ServerSocket;
use crate::socket::{self, HostSocket};

/// The name of every session's folder begins with this.
const PREFIX: &str = "isolab-";

/// The user `nobody` of Debian. An image `FROM scratch` knows no users, and takes any number.
const NOBODY: u32 = 65_534;

/// The name of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName {
    boot: String,
    namespace: String,
    process: u32,
    /// Clock ticks from boot until the process began. A process id alone is used again.
    began: u64,
    number: u64,
}

impl SessionName {
    /// A new name for this process.
    fn next() -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let began = began(process).ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        Ok(Self {
            boot: boot()?,
            namespace: namespace()?,
            process,
            began,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// Whether the process that holds the session is gone. A process from before the last
    /// boot is. A process of another namespace cannot be seen from here, and counts as
    /// alive.
    pub fn is_gone(&self) -> io::Result<bool> {
        Ok(self.boot != boot()?
            || (self.namespace == namespace()? && began(self.process) != Some(self.began)))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { boot, namespace, process, began, number } = self;
        write!(f, "{boot}-{namespace}-{process}-{began}-{number}")
    }
}

impl FromStr for SessionName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<_> = text.split('-').collect();
        let [boot, namespace, process, began, number] = parts[..] else { return Err(()) };
        Ok(Self {
            boot: boot.to_owned(),
            namespace: namespace.to_owned(),
            process: process.parse().map_err(|_| ())?,
            began: began.parse().map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

fn boot() -> io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.chars().take_while(|digit| *digit != '-').collect())
}

/// The number in `pid:[4026531836]`.
fn namespace() -> io::Result<String> {
    let link = fs::read_link("/proc/self/ns/pid")?;
    Ok(link.to_string_lossy().chars().filter(char::is_ascii_digit).collect())
}

/// When a process began; `None` if it has ended, also if its parent does not know yet.
fn began(process: u32) -> Option<u64> {
    parse_began(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Field 22 of `/proc/PID/stat` (proc(5)), unless field 3 says that the process is a
/// zombie or dead. Fields are counted behind the command, which is in parentheses and may
/// itself hold any character.
fn parse_began(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.nth(18)?.parse().ok()).flatten()
}

/// The users that may enter the folder of a session. Nobody but its user may list or change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its user: servers see the folder of their socket at another path.
    Owner,
    /// Every user: servers reach their socket by its path on the host.
    Everybody,
}

/// The modes of a session's folder.
const OWNER: u32 = 0o700;
const EVERYBODY: u32 = 0o711;

/// One opened executor. Dropping it removes its folder.
#[derive(Debug)]
pub struct Session {
    /// Its name.
    pub name: SessionName,
    folder: PathBuf,
    next: AtomicU64,
}

impl Session {
    /// Opens a session with a folder of its own.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] if no folder can be made.
    pub fn open(access: Access) -> Result<Self, Cause> {
        Self::make(access).map_err(|error| {
            let place = std::env::temp_dir();
            Cause::Unavailable(format!("no folder for sockets can be made in {}: {error}", place.display()))
        })
    }

    fn make(access: Access) -> io::Result<Self> {
        let name = SessionName::next()?;
        let folder = std::env::temp_dir().join(format!("{PREFIX}{name}"));
        DirBuilder::new().mode(OWNER).create(&folder)?;
        if access == Access::Everybody {
            fs::set_permissions(&folder, Permissions::from_mode(EVERYBODY))?;
        }
        Ok(Self { name, folder, next: AtomicU64::new(0) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A socket for one instance.
    pub fn socket(&self) -> Result<HostSocket, Cause> {
        HostSocket::listen(self.next())
    }

    /// A place for the socket of one instance whose server listens itself.
    pub fn server_socket(&self) -> Result<ServerSocket, Cause> {
        ServerSocket::make(self.next(), user())
    }

    /// A new path in the folder.
    fn next(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.folder.join(number.to_string())
    }

    /// Removes the folder. Instances that were never stopped may keep the session from
    /// being dropped.
    pub fn close(&self) {
        socket::remove(&self.folder);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

/// The user and group of a container: nobody, or this user where that is not root.
pub fn user() -> (u32, u32) {
    let user = nix::unistd::geteuid();
    if user.is_root() { (NOBODY, NOBODY) } else { (user.as_raw(), nix::unistd::getegid().as_raw()) }
}

/// Removes the folders of sessions whose process is gone.
pub fn sweep_folders() -> io::Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())?.flatten() {
        let name = entry.file_name();
        let session = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<SessionName>().ok());
        let Some(session) = session else { continue };
        // A folder is removed only if its name and its mode are those of a session's.
        let is_sessions = entry
            .metadata()
            .is_ok_and(|it| it.is_dir() && [OWNER, EVERYBODY].contains(&(it.permissions().mode() & 0o777)));
        if is_sessions && session.is_gone()? {
            socket::remove(&entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_tells_whether_its_process_is_gone() {
        let mine = SessionName::next().unwrap();
        assert_eq!(mine.to_string().parse(), Ok(mine.clone()));
        assert!(!mine.is_gone().unwrap());
        let earlier = SessionName { began: mine.began - 1, ..mine.clone() };
        let other_boot = SessionName { boot: "0".into(), ..mine.clone() };
        assert!(earlier.is_gone().unwrap() && other_boot.is_gone().unwrap());
        let unseen = SessionName { namespace: "1".into(), ..earlier };
        assert!(!unseen.is_gone().unwrap());
        for text in ["", "a-b-c", "a-b-c-d-e", "a-1-1-1-1-1"] {
            assert_eq!(text.parse::<SessionName>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        let stat = |state| format!("7 (a) b) {state} 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0\n");
        assert_eq!(parse_began(&stat("S")), Some(4242));
        assert_eq!((parse_began(&stat("Z")), parse_began(&stat("X"))), (None, None));
    }

    #[test]
    fn folders_are_removed_with_their_session_and_socket() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let session = Session::open(Access::Owner).unwrap();
        let socket = session.socket().unwrap();
        let (outer, inner) = (session.folder.clone(), socket.folder().to_owned());
        assert!(inner.is_dir());
        drop(socket);
        assert!(!inner.exists() && outer.is_dir());
        drop(session);
        assert!(!outer.exists());
    }

    #[test]
    fn the_folder_of_a_dead_process_is_swept_and_a_live_one_is_not() {
        let session = Session::open(Access::Owner).unwrap();
        let dead = SessionName { began: session.name.began - 1, ..session.name.clone() };
        let left = std::env::temp_dir().join(format!("{PREFIX}{dead}"));
        DirBuilder::new().mode(0o700).create(&left).unwrap();
        sweep_folders().unwrap();
        assert!(!left.exists() && session.folder.is_dir());
    }
}
