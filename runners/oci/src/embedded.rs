//! The runtime `libcontainer`: the library of that name in a process of its own.
//!
//! The library changes the current folder of its process, and forks. So the executor starts the lab's own binary as
//! the runtime, which is then the parent of its container, as the other runtimes are. It takes the commands that
//! the executor gives to those: `--root STATE run --bundle BUNDLE ID` and `--root STATE delete --force ID`.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolab_guest::child::SIGNALLED;
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Runs or deletes a container. The exit code is that of a shell.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_str().unwrap_or_default()).collect();
    let ended = match texts[..] {
        ["--root", root, "run", "--bundle", bundle, id] => run(Path::new(root), Path::new(bundle), id),
        ["--root", root, "delete", "--force", id] => delete(&Path::new(root).join(id)),
        _ => Err("usage: --root STATE (run --bundle BUNDLE | delete --force) ID".to_owned()),
    };
    ended.unwrap_or_else(|reason| {
        eprintln!("{reason}");
        1
    })
}

/// Runs a container to its end, and removes it. Its exit code.
fn run(root: &Path, bundle: &Path, id: &str) -> Result<u8, String> {
    let make = || -> Result<Container, LibcontainerError> {
        let mut container = ContainerBuilder::new(id.to_owned(), SyscallType::default())
            .with_root_path(root)?
            .as_init(PathBuf::from(bundle))
            .with_systemd(false)
            .with_detach(false)
            .build()?;
        container.start()?;
        Ok(container)
    };
    let mut container = make().map_err(|error| told("make a container", &error))?;
    let process = container.pid().ok_or("the container has no process")?;
    let ended = waitpid(Pid::from_raw(process.as_raw()), None);
    container.delete(true).map_err(|error| told("remove a container", &error))?;
    let code = match ended.map_err(|error| format!("the container's end is not known: {error}"))? {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => SIGNALLED + signal as i32,
        other => return Err(format!("the container has ended in an unknown way: {other:?}")),
    };
    u8::try_from(code).map_err(|_| format!("the container has ended with the code {code}"))
}

fn delete(state: &Path) -> Result<u8, String> {
    let mut container =
        Container::load(state.to_owned()).map_err(|error| told("find a container", &error))?;
    container.delete(true).map_err(|error| told("remove a container", &error))?;
    Ok(0)
}

/// An error with all of its causes: the first one alone says little.
fn told(action: &str, error: &LibcontainerError) -> String {
    let first: &(dyn Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |&error| error.source());
    format!("cannot {action}: {}", causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
