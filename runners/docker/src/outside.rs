//! The parts of a container outside of this process: its control groups and its shim.
//!
//! They are read from `/proc`, which is faster than to ask the engine. A shim carries the
//! container's id on its command line, and its children are in the container's groups.

use std::collections::BTreeSet;
use std::fs;

use isolab_core::Outside;
use isolab_guest::hierarchy;

use crate::group::RunGroup;

/// The name of every shim's command. The kernel cuts it to 15 bytes; the rest would name
/// the runtime.
const SHIM: &str = "containerd-shim";

/// The control groups and the shim of a container. There are none where the engine's
/// processes cannot be seen, as in another process namespace.
pub(crate) fn of_container(id: &str, group: &RunGroup) -> Outside {
    let shims: Vec<u32> = processes().filter(|process| is_shim_of(*process, id)).collect();
    let mounts = hierarchy::mounts();
    let mut cgroups = BTreeSet::new();
    for child in shims.iter().flat_map(|shim| children(*shim)) {
        let membership = fs::read_to_string(format!("/proc/{child}/cgroup")).unwrap_or_default();
        cgroups.extend(hierarchy::folders(&membership, &mounts));
    }
    let around: BTreeSet<_> = cgroups.iter().filter_map(|folder| group.around(folder)).collect();
    // A group that counts CPU time must not be missing beside one that counts memory.
    let around = if around.len() == cgroups.len() { around } else { BTreeSet::new() };
    Outside { cgroups: cgroups.into_iter().collect(), around: around.into_iter().collect(), helpers: shims }
}

/// Whether a process is in the control group of the container `id`. A guest can neither
/// leave nor rename its control group.
pub(crate) fn is_in_container(process: u32, id: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|membership| names(&membership, id))
}

/// Whether a control group of `membership` (`/proc/PID/cgroup`) is that of the container
/// `id`: `ID`, or `docker-ID.scope` where systemd manages the groups.
fn names(membership: &str, id: &str) -> bool {
    let paths = membership.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).any(|group| {
        let scope = group.strip_suffix(".scope").and_then(|scope| scope.rsplit_once('-'));
        group == id || scope.is_some_and(|(_, name)| name == id)
    })
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn is_shim_of(process: u32, id: &str) -> bool {
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    read("comm").trim_end() == SHIM && read("cmdline").split('\0').any(|argument| argument == id)
}

/// The children of all threads of a process.
fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4be7d9a0c6";

    #[test]
    fn a_container_is_known_by_its_whole_id() {
        for membership in [
            format!("4:memory:/docker/{ID}\n0::/\n"),
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("0::/../{ID}/below\n"),
        ] {
            assert!(names(&membership, ID), "{membership}");
        }
        for membership in [
            String::new(),
            "0::/\n".to_owned(),
            format!("0::/docker/{ID}0\n"),
            format!("0::/docker/0{ID}\n"),
            format!("0::/system.slice/docker-{ID}0.scope\n"),
            format!("1:name={ID}:/\n"),
        ] {
            assert!(!names(&membership, ID), "{membership}");
        }
        assert!(!is_in_container(std::process::id(), ID));
    }
}
