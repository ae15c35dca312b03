//! An empty network namespace that all instances of a function share.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

use nix::sched::{CloneFlags, unshare};

/// A namespace, which a thread keeps open until this is dropped.
#[derive(Debug)]
pub(crate) struct Netns {
    /// Where containers find it.
    pub(crate) path: PathBuf,
    _open: Sender<()>,
}

impl Netns {
    /// Makes a namespace that has only a loopback, which is down.
    ///
    /// # Errors
    /// If this process may not make one.
    pub(crate) fn make() -> io::Result<Self> {
        let (made, is_made) = channel();
        let (open, closed) = channel::<()>();
        std::thread::Builder::new().name("netns".into()).spawn(move || {
            let namespace = unshare(CloneFlags::CLONE_NEWNET).map(|()| nix::unistd::gettid());
            let has_failed = namespace.is_err();
            let _ = made.send(namespace);
            if !has_failed {
                let _ = closed.recv();
            }
        })?;
        let thread = is_made.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
        let path = format!("/proc/{}/task/{thread}/ns/net", std::process::id()).into();
        Ok(Self { path, _open: open })
    }
}
