//! The control group around the containers of a run.
//!
//! Where nobody says otherwise, an engine puts containers beside other containers, and under
//! systemd beside every service of the host. A group of the run's own holds its containers and
//! nothing else. It also counts containers that are gone.
//!
//! With the driver `cgroupfs` each run has a group, which is removed with the run. Where this
//! process may not remove it, all runs share the group `isolab`: one for each run would pile up.
//! With `systemd` they share the slice `isolab.slice`, which systemd keeps when it is empty.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bollard::models::SystemInfoCgroupDriverEnum as Driver;
use isolab_guest::hierarchy;
use nix::unistd::{AccessFlags, access};

/// The group of all runs.
const ALL: &str = "isolab";
/// The files of version 1 that say where a group's processes may run (cpuset(7)).
const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];
/// The slice of all runs.
const SLICE: &str = "isolab.slice";

/// The group around a run's containers; none if the engine makes no control groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunGroup {
    /// Its end of the path, below the hierarchy's root.
    end: Option<PathBuf>,
}

impl RunGroup {
    /// The group of a run, for an engine that makes groups in this way. `is_removable` says
    /// whether this process may remove it.
    pub(crate) fn of(driver: Option<Driver>, run_id: &str, is_removable: bool) -> Self {
        let end = match driver {
            Some(Driver::CGROUPFS) if is_removable => Some(of_run(run_id)),
            Some(Driver::CGROUPFS) => Some(PathBuf::from(ALL)),
            Some(Driver::SYSTEMD) => Some(PathBuf::from(SLICE)),
            _ => None,
        };
        Self { end }
    }

    /// Makes the group of a run in the hierarchy of processors of version 1, with the processors
    /// of the groups around it. A new group has none there. `runc` and `crun` mend that for the
    /// parents of a container; `runsc` does not, and the kernel refuses to start its containers.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn make(&self, roots: &[PathBuf]) -> io::Result<()> {
        let Some(end) = self.end.as_ref().filter(|end| end.starts_with(ALL) && *end != Path::new(ALL)) else {
            return Ok(());
        };
        // Only version 1 has the file `tasks`.
        let has = |root: &&PathBuf| ["tasks", CPUSET[0]].iter().all(|file| root.join(file).is_file());
        for root in roots.iter().filter(has) {
            let mut folder = root.clone();
            for name in end {
                let around = folder.clone();
                folder.push(name);
                fs::create_dir_all(&folder)?;
                inherit(&around, &folder)?;
            }
        }
        Ok(())
    }

    /// The parent of its containers, as the engine takes it: a path, or a slice's name.
    pub(crate) fn parent(&self) -> Option<String> {
        let end = self.end.as_ref()?.display().to_string();
        Some(if end == SLICE { end } else { format!("/{end}") })
    }

    /// The folder around a container's `folder`, if the engine has made it as it was told.
    pub(crate) fn around(&self, folder: &Path) -> Option<PathBuf> {
        let parent = folder.parent()?;
        self.end.as_ref().filter(|end| parent.ends_with(end)).map(|_| parent.to_owned())
    }
}

/// Gives a group the processors and memory nodes of the one around it, unless it has its own.
fn inherit(around: &Path, folder: &Path) -> io::Result<()> {
    for file in CPUSET {
        if fs::read_to_string(folder.join(file)).is_ok_and(|own| !own.trim().is_empty()) {
            continue;
        }
        fs::write(folder.join(file), fs::read_to_string(around.join(file))?)?;
    }
    Ok(())
}

fn of_run(run_id: &str) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    Path::new(ALL).join(run_id.replace(|c| !is_plain(c), "_"))
}

/// Whether this process may remove groups.
pub(crate) fn is_removable() -> bool {
    let roots = hierarchy::roots();
    !roots.is_empty() && roots.iter().all(|root| access(root, AccessFlags::W_OK).is_ok())
}

/// Removes the empty groups of a run, in every hierarchy. The kernel keeps a group that has
/// processes or groups in it.
pub(crate) fn remove(run_id: &str) {
    let run = of_run(run_id);
    for root in hierarchy::roots() {
        // Most hierarchies of most hosts have no such group.
        let _ = fs::remove_dir(root.join(&run)).and_then(|()| fs::remove_dir(root.join(ALL)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_cgroupfs_belongs_to_its_run() {
        let group = RunGroup::of(Some(Driver::CGROUPFS), "2026-11-26 a/..", true);
        assert_eq!(group.parent().unwrap(), "/isolab/2026-11-26_a___");
        for root in ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"] {
            let run = Path::new(root).join("isolab/2026-11-26_a___");
            assert_eq!(group.around(&run.join("4be7d9a0c6")), Some(run));
        }
        assert_eq!(group.around(Path::new("/sys/fs/cgroup/isolab/other/4be7d9a0c6")), None);
        assert_eq!(group.around(Path::new("/sys/fs/cgroup/memory/docker/4be7d9a0c6")), None);
    }

    #[test]
    fn a_new_group_has_the_processors_of_those_around_it() {
        let [version_1, version_2] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for file in ["tasks", "cpuset.cpus", "cpuset.mems"] {
            fs::write(version_1.path().join(file), "0-1\n").unwrap();
        }
        fs::write(version_2.path().join("cpuset.cpus"), "0-1\n").unwrap();
        let group = RunGroup::of(Some(Driver::CGROUPFS), "a", true);
        let roots = [&version_1, &version_2].map(|root| root.path().to_owned());
        group.make(&roots).unwrap();
        let folder = version_1.path().join("isolab/a");
        assert_eq!(fs::read_to_string(folder.join("cpuset.mems")).unwrap(), "0-1\n");
        fs::write(folder.join("cpuset.cpus"), "1\n").unwrap();
        group.make(&roots).unwrap();
        assert_eq!(fs::read_to_string(folder.join("cpuset.cpus")).unwrap(), "1\n");
        assert!(!version_2.path().join("isolab").exists());
    }

    #[test]
    fn runs_that_cannot_remove_their_group_share_one() {
        let group = RunGroup::of(Some(Driver::CGROUPFS), "a-b", false);
        assert_eq!(group.parent().unwrap(), "/isolab");
        let folder = Path::new("/sys/fs/cgroup/isolab/4be7d9a0c6");
        assert_eq!(group.around(folder), Some("/sys/fs/cgroup/isolab".into()));
    }

    #[test]
    fn a_slice_of_systemd_is_never_that_of_the_services() {
        let group = RunGroup::of(Some(Driver::SYSTEMD), "a-b", true);
        assert_eq!(group.parent().unwrap(), "isolab.slice");
        let scope = Path::new("/sys/fs/cgroup/isolab.slice/docker-4be7d9a0c6.scope");
        assert_eq!(group.around(scope), Some("/sys/fs/cgroup/isolab.slice".into()));
        assert_eq!(group.around(Path::new("/sys/fs/cgroup/system.slice/docker-4be7d9a0c6.scope")), None);
    }

    #[test]
    fn an_engine_without_groups_has_none() {
        for driver in [None, Some(Driver::NONE)] {
            let group = RunGroup::of(driver, "a", true);
            assert_eq!((group.parent(), group.around(Path::new("/a/b"))), (None, None));
        }
    }
}
