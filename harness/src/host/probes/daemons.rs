//! The daemons of a container engine, and the processes that they start for an instance: shims
//! and runtimes. Those come and go with instances that are used once, so their CPU time must
//! be counted by something that stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::ProcResult;
use procfs::process::Process;

use super::{cgroup, process};

/// The counter of the CPU time of helpers that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Control groups that hold the daemons, the processes that they start, and nothing else.
    Groups(Vec<PathBuf>),
    /// The process that adopts helpers when their parent ends: the kernel adds the time of a
    /// process that has ended, and of its own ended children, to that of its parent (`cutime`
    /// and `cstime` of proc(5)). This includes the first process of a container, which its
    /// control group counts too, and every other process that is adopted meanwhile.
    Adopter(u32),
}

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

    /// The counter of helpers such as these, which are live.
    ///
    /// # Errors
    /// The reason, if nothing does.
    pub fn counter(&self, helpers: &[u32]) -> Result<Counter, String> {
        let first = helpers.first().ok_or("an instance has no helper that can be seen from here")?;
        let known = self.pids.iter().chain(helpers);
        let groups: Result<Option<Vec<_>>, _> = known.map(|pid| group(*pid)).collect();
        if let Ok(Some(mut groups)) = groups {
            groups.sort();
            groups.dedup();
            if groups.iter().all(|group| is_exclusive(group, &|pid| self.is_own(pid))) {
                return Ok(Counter::Groups(groups));
            }
        }
        let parent = Process::new(first.cast_signed()).and_then(|helper| helper.stat());
        let parent =
            parent.map_err(|error| format!("the parent of helper {first} cannot be read: {error}"))?;
        Ok(Counter::Adopter(parent.ppid.cast_unsigned()))
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

impl Counter {
    /// CPU time of helpers until now, as far as it is counted. Only differences mean something.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, daemons: &[u32]) -> Result<Duration> {
        match self {
            Self::Groups(groups) => {
                let mut total = Duration::ZERO;
                for folder in groups {
                    let time = cgroup::cpu_time(folder)
                        .with_context(|| format!("CPU time of control group {}", folder.display()))?;
                    total += time.unwrap_or_default().total;
                }
                let own = daemons.iter().map(|pid| process::cpu_time(*pid)).sum::<Result<Duration>>()?;
                Ok(total.saturating_sub(own))
            }
            Self::Adopter(adopter) => {
                let mut parents = daemons.to_vec();
                parents.push(*adopter);
                parents.sort_unstable();
                parents.dedup();
                parents.iter().map(|pid| process::children_cpu_time(*pid)).sum()
            }
        }
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

    /// A shell stands in for a daemon: it starts helpers that burn, end, and are waited for.
    #[test]
    fn helpers_that_are_gone_are_counted_by_their_parent() {
        use std::io::{BufRead, BufReader, Write};
        let mut daemon = std::process::Command::new("sh")
            .args(["-c", "while read line; do sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; echo gone; done"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let (mut requests, mut answers) =
            (daemon.stdin.take().unwrap(), BufReader::new(daemon.stdout.take().unwrap()));
        let counter = Counter::Adopter(daemon.id());
        let mut burn = || {
            requests.write_all(b"\n").unwrap();
            answers.read_line(&mut String::new()).unwrap();
            counter.read(&[]).unwrap()
        };
        let (own, first) = (process::cpu_time(daemon.id()).unwrap(), burn());
        let second = burn();
        let own = process::cpu_time(daemon.id()).unwrap().saturating_sub(own);
        drop(requests);
        daemon.wait().unwrap();
        // Twice the same work, in steps of the kernel's clock tick.
        let tick = Duration::from_millis(1_000 / procfs::ticks_per_second());
        assert!(first > tick && second >= first + first.saturating_sub(tick) / 2, "{first:?} {second:?}");
        assert!(own < second / 2, "the daemon itself spent {own:?}, its helpers {second:?}");
    }

    #[test]
    fn a_process_below_a_daemon_is_its_own() {
        let own = std::process::id();
        let daemons = Daemons { pids: vec![own], helper_names: &["containerd-shim"] };
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(daemons.is_own(own) && daemons.is_own(child.id()));
        assert!(!daemons.is_own(1));
        let found = daemons.counter(&[child.id()]).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        // The test's own group holds other processes too, unless it runs in one of its own.
        assert!(
            matches!(found, Counter::Adopter(parent) if parent == own) || matches!(found, Counter::Groups(_))
        );
        assert!(daemons.counter(&[]).is_err());
    }
}
