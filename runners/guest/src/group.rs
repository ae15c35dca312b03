//! The control groups of a session.
//!
//! Each executor that makes groups by itself has one around them, in every hierarchy that it uses:
//! `isolab/KIND-SESSION`. The name tells whether its process is gone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::hierarchy;
use crate::session::SessionName;

/// The group around the groups of all runs, as for an engine's containers.
const ALL: &str = "isolab";

/// The path of a session's group below the root of a hierarchy.
pub fn path(kind: &str, session: &SessionName) -> PathBuf {
    Path::new(ALL).join(format!("{kind}-{session}"))
}

/// Makes a session's group for processors, with those of the group around it: the kernel gives a new group none (cpuset(7),
/// version 1). runc and crun do the same for a container; gVisor does not, if it is told which processor to use.
///
/// # Errors
/// If the group cannot be made.
pub fn inherit_processors(path: &Path) -> io::Result<()> {
    let root = hierarchy::root("cpuset", &hierarchy::mounts());
    let Some(mut around) = root.filter(|root| root.join("cpuset.cpus").is_file()) else { return Ok(()) };
    fs::create_dir_all(around.join(path))?;
    for part in path {
        let group = around.join(part);
        for name in ["cpuset.cpus", "cpuset.mems"] {
            if fs::read(group.join(name))?.trim_ascii().is_empty() {
                fs::write(group.join(name), fs::read(around.join(name))?)?;
            }
        }
        around = group;
    }
    Ok(())
}

/// Kills every process of a group.
pub fn kill_all(folder: &Path) {
    // A process that ends meanwhile is not there to be killed.
    for process in processes(folder) {
        let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL);
    }
}

/// The processes of a group. A group that does not exist has no processes.
pub fn processes(folder: &Path) -> Vec<u32> {
    let list = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|process| process.parse().ok()).collect()
}

/// Removes a session's group with the groups in it. The kernel keeps a group that has processes.
pub fn remove_all(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            let _ = fs::remove_dir(entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
    // The last session removes the group of all.
    let _ = folder.parent().map(fs::remove_dir);
}

/// Removes the groups of this kind whose session is gone, and counts the sessions.
pub fn sweep(kind: &str) -> usize {
    let mut swept = BTreeSet::new();
    for root in hierarchy::roots() {
        for entry in fs::read_dir(root.join(ALL)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let session = name
                .to_str()
                .and_then(|name| name.strip_prefix(kind)?.strip_prefix('-')?.parse::<SessionName>().ok());
            if session.is_some_and(|session| session.is_gone().unwrap_or(false)) {
                remove_all(&entry.path());
                swept.insert(name);
            }
        }
    }
    swept.len()
}
