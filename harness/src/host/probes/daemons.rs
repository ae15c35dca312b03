//! The daemons of a container engine, and the processes that they start for an instance: shims
//! and runtimes. Those come and go with instances that are used once, so their CPU time must
//! be counted by something that stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::ProcResult;
use procfs::process::Process;

use super::{cgroup, process};

/// Counts the CPU time of helpers that come and go: control groups that hold the daemons, the
/// processes that they start, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperGroups(Vec<PathBuf>);

/// The daemons of an engine.
#[derive(Clone, Debug, Default)]
pub struct Daemons {
    /// Their process ids.
    pub pids: Vec<u32>,
    /// Command names of their helpers, as the kernel cuts them: 15 bytes.
    pub helper_names: &'static [&'static str],
}

impl Daemons {
    /// The running daemons with these names.
    pub fn find(names: &[&str], helper_names: &'static [&'static str]) -> Self {
        Self { pids: names.iter().flat_map(|name| process::named(name)).collect(), helper_names }
    }

    /// The control groups that count helpers such as these, which are live.
    ///
    /// # Errors
    /// The reason, if no group counts them alone.
    pub fn helper_groups(&self, helpers: &[u32]) -> Result<HelperGroups, String> {
        if helpers.is_empty() {
            return Err("an instance has no helper that can be seen from here".into());
        }
        let known = self.pids.iter().chain(helpers);
        let groups: ProcResult<Option<Vec<_>>> = known.map(|pid| group(*pid)).collect();
        let mut groups = groups.map_err(|error| format!("their control group cannot be read: {error}"))?;
        if let Some(groups) = &mut groups {
            groups.sort();
            groups.dedup();
        }
        let is_exclusive = |group: &PathBuf| is_exclusive(group, &|pid| self.is_own(pid));
        groups.filter(|groups| groups.iter().all(is_exclusive)).map(HelperGroups).ok_or_else(|| {
            "the engine shares its control group with other processes; start the engine as a service, or in a \
             control group of its own"
                .into()
        })
    }

    /// Whether a process is a daemon, a helper, or one that a daemon has started.
    fn is_own(&self, pid: u32) -> bool {
        let mut pid = pid;
        while pid > 1 {
            if self.pids.contains(&pid) {
                return true;
            }
            // A process that has ended meanwhile costs nothing from now on.
            let Ok(stat) = Process::new(pid.cast_signed()).and_then(|process| process.stat()) else {
                return true;
            };
            if self.helper_names.contains(&stat.comm.as_str()) {
                return true;
            }
            pid = stat.ppid.cast_unsigned();
        }
        false
    }
}

/// The folder of a process's control group that counts CPU time; none if that is the root,
/// which counts everything.
fn group(pid: u32) -> ProcResult<Option<PathBuf>> {
    let groups: Vec<_> = Process::new(pid.cast_signed())?.cgroups()?.into_iter().collect();
    let mounts: Vec<_> = Process::myself()?
        .mountinfo()?
        .into_iter()
        .map(|mount| Mount {
            kind: mount.fs_type,
            root: mount.root,
            point: mount.mount_point,
            options: mount.super_options.into_keys().collect(),
        })
        .collect();
    let groups: Vec<_> =
        groups.iter().map(|group| (&group.controllers[..], group.pathname.as_str())).collect();
    Ok(folder(&groups, &mounts))
}

/// A mounted file system.
struct Mount {
    kind: String,
    root: String,
    point: PathBuf,
    options: Vec<String>,
}

/// The folder of the group that counts CPU time: that of the controller `cpuacct` in version 1,
/// else that of version 2. Each group is its controllers and its path (cgroups(7)).
fn folder(groups: &[(&[String], &str)], mounts: &[Mount]) -> Option<PathBuf> {
    const CONTROLLER: &str = "cpuacct";
    let has = |names: &[String]| names.iter().any(|name| name == CONTROLLER);
    let of_version_1 = groups.iter().find(|(controllers, _)| has(controllers));
    let (path, mount) = if let Some((_, path)) = of_version_1 {
        (path, mounts.iter().find(|mount| mount.kind == "cgroup" && has(&mount.options))?)
    } else {
        let (_, path) = groups.iter().find(|(controllers, _)| controllers.iter().all(String::is_empty))?;
        (path, mounts.iter().find(|mount| mount.kind == "cgroup2")?)
    };
    let below = Path::new(path).strip_prefix(&mount.root).ok()?;
    (below.components().next().is_some()).then(|| mount.point.join(below))
}

/// Whether a group and all groups below it hold no other processes than these. A group without
/// processes that can be read counts as shared.
fn is_exclusive(folder: &Path, is_own: &dyn Fn(u32) -> bool) -> bool {
    let Ok(text) = std::fs::read_to_string(folder.join("cgroup.procs")) else { return false };
    let is_listed = text.lines().all(|line| line.trim().parse().is_ok_and(is_own));
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let mut below = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    is_listed && below.all(|folder| is_exclusive(&folder, is_own))
}

impl HelperGroups {
    /// CPU time of helpers until now: that of the groups without that of the daemons.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, daemons: &[u32]) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for folder in &self.0 {
            let time = cgroup::cpu_time(folder)
                .with_context(|| format!("CPU time of control group {}", folder.display()))?;
            total += time.unwrap_or_default().total;
        }
        let own = daemons.iter().map(|pid| process::cpu_time(*pid)).sum::<Result<Duration>>()?;
        Ok(total.saturating_sub(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: &str, point: &str, options: &[&str]) -> Mount {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Mount { kind: kind.to_owned(), root: "/".to_owned(), point: point.into(), options }
    }

    fn controllers(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    /// Writes the recorded files of control groups below a folder.
    fn tree(groups: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, processes) in groups {
            let folder = root.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("cgroup.procs"), processes).unwrap();
        }
        root
    }

    /// Version 1, daemons started by hand: their group is the root, which counts the host.
    #[test]
    fn the_root_group_counts_nobody_alone() {
        let mounts = [
            mount("tmpfs", "/sys/fs/cgroup", &[]),
            mount("cgroup", "/sys/fs/cgroup/memory", &["rw", "memory"]),
            mount("cgroup", "/sys/fs/cgroup/cpu,cpuacct", &["rw", "cpu", "cpuacct"]),
            mount("cgroup2", "/sys/fs/cgroup/unified", &["rw"]),
        ];
        let (memory, cpu, unified) = (controllers("memory"), controllers("cpu,cpuacct"), controllers(""));
        let root = [(&memory[..], "/process_api"), (&cpu[..], "/"), (&unified[..], "/user.slice")];
        assert_eq!(folder(&root, &mounts), None);
        let service = [(&memory[..], "/"), (&cpu[..], "/system.slice/docker.service")];
        let expected = "/sys/fs/cgroup/cpu,cpuacct/system.slice/docker.service";
        assert_eq!(folder(&service, &mounts), Some(expected.into()));
    }

    /// Version 2 with systemd: the services of the engine hold daemons, shims and runtimes only;
    /// `system.slice` holds every service of the host.
    #[test]
    fn the_services_of_an_engine_count_its_helpers_and_system_slice_does_not() {
        let mounts = [mount("cgroup2", "/sys/fs/cgroup", &["rw", "nsdelegate"])];
        let unified = controllers("");
        let found = folder(&[(&unified[..], "/system.slice/containerd.service")], &mounts);
        assert_eq!(found, Some("/sys/fs/cgroup/system.slice/containerd.service".into()));

        let root = tree(&[
            ("system.slice", ""),
            ("system.slice/containerd.service", "700\n810\n811\n"),
            ("system.slice/docker.service", "720\n"),
            ("system.slice/ssh.service", "500\n"),
        ]);
        let is_own = |pid| [700, 720, 810, 811].contains(&pid);
        assert!(is_exclusive(&root.path().join("system.slice/containerd.service"), &is_own));
        assert!(is_exclusive(&root.path().join("system.slice/docker.service"), &is_own));
        assert!(!is_exclusive(&root.path().join("system.slice"), &is_own));
    }

    /// Version 2 with `cgroupfs`: daemons started by hand share the group of a user's session.
    #[test]
    fn a_session_with_other_processes_is_shared() {
        let root = tree(&[("user.slice/session-1.scope", "700\n720\n42\n")]);
        let scope = root.path().join("user.slice/session-1.scope");
        assert!(!is_exclusive(&scope, &|pid| [700, 720].contains(&pid)));
        assert!(is_exclusive(&scope, &|pid| [700, 720, 42].contains(&pid)));
        assert!(!is_exclusive(&root.path().join("gone"), &|_| true));
    }

    /// A shell stands in for a daemon. Its helpers burn and are gone; the group's files are recorded.
    #[test]
    fn helpers_that_are_gone_are_the_groups_time_without_that_of_the_daemons() {
        let group = tempfile::tempdir().unwrap();
        let set = |ms: u64| {
            for file in ["cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys"] {
                std::fs::write(group.path().join(file), (ms * 1_000_000).to_string()).unwrap();
            }
        };
        let groups = HelperGroups(vec![group.path().to_owned()]);
        let mut daemon =
            std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let burn = |until: Duration| while process::cpu_time(daemon.id()).unwrap() < until {};
        burn(Duration::from_millis(20));
        set(10_000);
        let before = groups.read(&[daemon.id()]).unwrap();
        burn(Duration::from_millis(40) + process::cpu_time(daemon.id()).unwrap());
        set(10_300);
        let after = groups.read(&[daemon.id()]).unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        let own = Duration::from_millis(20);
        assert!(before + own <= Duration::from_secs(10), "the daemon's own time is left out: {before:?}");
        assert!(after + own < before + Duration::from_millis(300), "{before:?} {after:?}");
    }

    #[test]
    fn a_process_below_a_daemon_is_its_own() {
        let own = std::process::id();
        let daemons = Daemons { pids: vec![own], helper_names: &["containerd-shim"] };
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(daemons.is_own(own) && daemons.is_own(child.id()));
        assert!(!daemons.is_own(1));
        let found = daemons.helper_groups(&[child.id()]);
        drop(child.stdin.take());
        child.wait().unwrap();
        // The test's own group holds other processes too, unless it runs in one of its own.
        assert!(found.is_ok() || found.is_err_and(|reason| reason.contains("shares its control group")));
        assert!(daemons.helper_groups(&[]).is_err());
    }
}
