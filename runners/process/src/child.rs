//! One process: the command that runs it, and its surroundings.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use async_trait::async_trait;
use isolab_core::Cause;
use isolab_guest::bounds;
use isolab_guest::child::{self, Surroundings};
use isolab_guest::socket::HostSocket;

use crate::artifact::Server;
use crate::confine::{Confinement, Group, Line};
use crate::shared::Shared;

/// A process with its socket.
pub(crate) type Child = child::Child<Kin>;

/// The processes of one instance.
pub(crate) struct Kin {
    /// Whether the process that the host has started only waits for its child, which is the server.
    pub(crate) is_wrapped: bool,
    /// The control group, if the instance has one of its own.
    pub(crate) group: Option<Group>,
}

impl Kin {
    /// All processes of an instance; the last one is the server.
    pub(crate) fn processes(&self, child: u32) -> Vec<u32> {
        let children = if self.is_wrapped { children(child) } else { Vec::new() };
        [child].into_iter().chain(children).collect()
    }
}

#[async_trait(?Send)]
impl Surroundings for Kin {
    fn includes(&self, child: u32, process: u32) -> bool {
        is_server(child, self.is_wrapped, process)
    }

    fn status(&self, status: ExitStatus) -> ExitStatus {
        if self.is_wrapped { child::status_of_waited(status) } else { status }
    }

    fn kill(&self) {
        self.group.iter().for_each(Group::kill);
    }

    async fn remove(&self) -> io::Result<()> {
        match &self.group {
            Some(group) => group.remove().await,
            None => Ok(()),
        }
    }
}

/// Whether a process is the server of an instance.
pub(crate) fn is_server(child: u32, is_wrapped: bool, process: u32) -> bool {
    if is_wrapped { children(child).contains(&process) } else { process == child }
}

/// The processes that the main thread of a process has started.
fn children(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Environment variables.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// Runs a server that will connect to `socket`.
pub(crate) async fn spawn(
    shared: &Shared,
    server: &Server,
    variables: Variables,
    socket: HostSocket,
) -> Result<Child, Cause> {
    let line = shared.confinement.line(server, shared.limits)?;
    let is_wrapped = matches!(*shared.confinement, Confinement::Bubblewrap(_));
    let kin = Kin { is_wrapped, group: line.group() };
    let command = command(shared, server, variables, line, Some(socket.folder()));
    Child::spawn(command, kin, socket, shared.limits).await
}

/// The command that runs a server behind its line. A zygote has no socket.
pub(crate) fn command(
    shared: &Shared,
    server: &Server,
    variables: Variables,
    mut line: Line,
    socket: Option<&Path>,
) -> Command {
    let Shared { confinement, limits, grants, guest_cpu, .. } = shared;
    let (program, mut arguments) = match &**confinement {
        Confinement::Bubblewrap(bubblewrap) => bubblewrap.command_line(server, socket, &grants.folders),
        _ => (server.program.clone(), Vec::new()),
    };
    arguments.extend(server.arguments.iter().cloned().chain(grants.args.iter().map(OsString::from)));
    // A control group bounds all memory of its processes.
    let is_bounded = matches!(line, Line::Cgroup(_));
    let bytes = (!is_bounded).then(|| limits.memory_bytes.saturating_add(server.extra_bytes));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables).current_dir("/");
    bounds::set(&mut command, bytes, *guest_cpu);
    // SAFETY: between fork and exec the closure only makes system calls: it takes no lock and no memory.
    unsafe { command.pre_exec(move || line.enter()) };
    command
}
