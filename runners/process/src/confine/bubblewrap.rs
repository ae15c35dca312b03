//! Namespaces of a process's own, made by the program `bwrap`.
//!
//! It runs as the process's user, in a user namespace. The process sees the files of its server and the folder of
//! its socket, all of them read-only, the folders that it is granted, and no network. It is the first process of its process namespace, so every
//! process that it starts ends with it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolab_core::function::Folder;
use isolab_guest::{folders, program, session};

use crate::artifact::{self, Server};

const PROGRAM: &str = "bwrap";

/// The program.
pub(crate) struct Bubblewrap {
    program: PathBuf,
    pub(crate) version: String,
}

impl Bubblewrap {
    /// Looks for it, and has it run something.
    ///
    /// # Errors
    /// The reason, if it is missing or may not make namespaces.
    pub(crate) fn find() -> Result<Self, String> {
        // A server's environment has no PATH to look for the program.
        let program = program::find(PROGRAM, "bubblewrap")?;
        let failed = |error| format!("`{PROGRAM}` cannot be run: {error}");
        let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output().map_err(failed)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_ascii_whitespace().last().unwrap_or("unknown").to_owned();
        let mut probe = Command::new(&program);
        probe.args(["--unshare-all", "--ro-bind", "/", "/", "true"]).current_dir("/").stdin(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            let (user, group) = session::user();
            probe.uid(user).gid(group);
        }
        let output = probe.output().map_err(failed)?;
        if output.status.success() {
            return Ok(Self { program, version });
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!("`{PROGRAM}` may make no namespaces here: {words}"))
    }

    /// Fails if a folder cannot be shown, with the reason as a sentence without a full stop.
    pub(crate) fn check(granted: &[Folder]) -> Result<(), String> {
        folders::check(granted)?;
        folders::check_reach(granted)?;
        let own: Vec<_> = artifact::libraries().chain([std::env::temp_dir()]).collect();
        let overlaps = |at: &Path| own.iter().any(|own| at.starts_with(own) || own.starts_with(at));
        match granted.iter().find(|folder| overlaps(Path::new(&folder.at))) {
            Some(folder) => Err(format!("`{}` in these namespaces belongs to the server", folder.at)),
            None => Ok(()),
        }
    }

    /// The command line that runs a server whose socket is in `socket`, up to the server's own arguments.
    pub(crate) fn command_line(
        &self,
        server: &Server,
        socket: Option<&Path>,
        granted: &[Folder],
    ) -> (PathBuf, Vec<OsString>) {
        // Its processes end with it, and it with the host.
        let namespaces = ["--unshare-all", "--die-with-parent", "--as-pid-1"];
        let mut arguments: Vec<OsString> = namespaces.map(OsString::from).into();
        let folders =
            [server.program.parent(), socket].into_iter().flatten().map(|folder| ("--ro-bind", folder));
        let read = server.reads.iter().map(|path| ("--ro-bind-try", Path::new(path)));
        // A folder within another one must come after it.
        for (how, path) in read.chain(folders) {
            arguments.extend([how.into(), path.into(), path.into()]);
        }
        for folder in granted {
            let how = if folder.is_writable { "--bind" } else { "--ro-bind" };
            arguments.extend([how.into(), folder.path.clone().into(), folder.at.clone().into()]);
        }
        arguments.extend(["--proc", "/proc", "--dev", "/dev"].map(OsString::from));
        // Both are file systems of its own, which the process could fill.
        arguments.extend(["--remount-ro", "/dev", "--remount-ro", "/", "--"].map(OsString::from));
        arguments.push(server.program.clone().into());
        (self.program.clone(), arguments)
    }
}
