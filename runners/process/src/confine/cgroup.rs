//! A control group for each process, with limits of memory and of processes (cgroups(7)).
//!
//! A process enters its group before it becomes its server. So the group counts all that the server costs, as
//! that of a container does. The crates for control groups add a process that runs already.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use isolab_core::Limits;
use isolab_guest::session::SessionName;
use isolab_guest::{group, hierarchy};

/// The kind of these groups.
const KIND: &str = "process";

/// The controllers that limit or count something.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpuacct"];
/// Version 2 counts the time of processors in every group.
const OF_VERSION_2: [&str; 2] = ["memory", "pids"];

/// The most processes and threads of an instance, as in a container.
const PIDS: u64 = 64;

/// How long the kernel may take to end the processes of a group.
const END_TIMEOUT: Duration = Duration::from_secs(2);
const END_POLL: Duration = Duration::from_millis(1);

/// The group of an executor, in each hierarchy that is used.
pub(crate) struct Groups {
    /// The controllers of each folder.
    folders: BTreeMap<PathBuf, Vec<&'static str>>,
    next: AtomicU64,
}

impl Groups {
    /// Makes the group of a session, and sweeps those of sessions that are gone.
    ///
    /// # Errors
    /// The reason, if this host has no control groups, or this process may not make one.
    pub(crate) fn open(session: &SessionName) -> Result<Self, String> {
        let mut folders = BTreeMap::<_, Vec<_>>::new();
        for (root, controller) in roots()? {
            folders.entry(root.join(group::path(KIND, session))).or_default().push(controller);
        }
        sweep();
        for (folder, controllers) in &folders {
            make(folder, controllers)
                .map_err(|error| format!("no control group can be made at {}: {error}", folder.display()))?;
        }
        Ok(Self { folders, next: AtomicU64::new(0) })
    }

    /// Makes the group of an instance.
    pub(crate) fn make(self: &Arc<Self>, limits: Limits) -> Result<Group, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let mut group = Group { groups: Arc::clone(self), folders: Vec::new(), doors: Vec::new() };
        for (around, controllers) in &self.folders {
            let folder = around.join(&number);
            group.folders.push(folder.clone());
            fs::create_dir(&folder)
                .and_then(|()| limit(&folder, controllers, limits))
                .and_then(|()| File::options().write(true).open(folder.join("cgroup.procs")))
                .map(|door| group.doors.push(door))
                .map_err(|error| format!("no control group can be made at {}: {error}", folder.display()))?;
        }
        Ok(group)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.folders.keys().for_each(|folder| group::remove_all(folder));
    }
}

/// The controllers with the roots of their hierarchies.
fn roots() -> Result<Vec<(PathBuf, &'static str)>, String> {
    let mounts = hierarchy::mounts();
    let root = |controller: &str| hierarchy::root(controller, &mounts);
    let missing = |controller| format!("this host has no control groups with the controller `{controller}`");
    let memory = root(OF_VERSION_2[0]).ok_or_else(|| missing(OF_VERSION_2[0]))?;
    let controllers =
        if memory.join("cgroup.controllers").is_file() { &OF_VERSION_2[..] } else { &CONTROLLERS[..] };
    controllers
        .iter()
        .map(|controller| root(controller).map(|root| (root, *controller)).ok_or_else(|| missing(controller)))
        .collect()
}

/// Makes a group with all groups around it.
fn make(folder: &Path, controllers: &[&str]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // In version 2 a group has the controllers that the one around it passes on.
    for around in [folder.ancestors().nth(2), folder.parent(), Some(folder)].into_iter().flatten() {
        let file = around.join("cgroup.subtree_control");
        if file.is_file() {
            let wanted: Vec<_> = controllers.iter().map(|controller| format!("+{controller}")).collect();
            fs::write(file, wanted.join(" "))?;
        }
    }
    Ok(())
}

/// Sets the limits of an instance's group.
fn limit(folder: &Path, controllers: &[&str], limits: Limits) -> io::Result<()> {
    let bytes = limits.memory_bytes.to_string();
    let set = |files: &[&str], value: &str| {
        let file = files.iter().map(|file| folder.join(file)).find(|file| file.is_file());
        file.map_or(Err(io::ErrorKind::NotFound.into()), |file| fs::write(file, value))
    };
    if controllers.contains(&"memory") {
        set(&["memory.max", "memory.limit_in_bytes"], &bytes)?;
        // A process gets no swap. Kernels that count none have no such file.
        let swap = if folder.join("memory.max").is_file() { "0" } else { &bytes };
        match set(&["memory.swap.max", "memory.memsw.limit_in_bytes"], swap) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if controllers.contains(&"pids") {
        set(&["pids.max"], &PIDS.to_string())?;
    }
    Ok(())
}

/// The control group of one process and of those that it starts.
pub(crate) struct Group {
    groups: Arc<Groups>,
    folders: Vec<PathBuf>,
    /// The files that a process is written to.
    doors: Vec<File>,
}

impl Group {
    /// Has the calling process enter.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        self.doors.iter_mut().try_for_each(|door| door.write_all(b"0"))
    }

    /// The files that a process is written to.
    pub(crate) fn into_doors(self) -> impl Iterator<Item = OwnedFd> {
        self.doors.into_iter().map(OwnedFd::from)
    }

    /// The same group for the host, which does not enter.
    pub(crate) fn host_side(&self) -> Self {
        Self { groups: Arc::clone(&self.groups), folders: self.folders.clone(), doors: Vec::new() }
    }

    /// Its folders that count something, and those around them.
    pub(crate) fn counting(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let counts = |around: &&PathBuf| self.groups.folders[*around].iter().any(|it| *it != "pids");
        let around: Vec<_> = self.groups.folders.keys().filter(counts).cloned().collect();
        let is_within = |folder: &&PathBuf| around.iter().any(|around| folder.starts_with(around));
        (self.folders.iter().filter(is_within).cloned().collect(), around)
    }

    /// Kills every process in it, also those that have left their process group.
    pub(crate) fn kill(&self) {
        self.folders.iter().for_each(|folder| group::kill_all(folder));
    }

    /// Kills its processes and removes it, on a thread that may wait.
    pub(crate) fn end(&self) {
        self.kill();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        if let Err(error) = runtime.and_then(|runtime| runtime.block_on(self.remove())) {
            tracing::warn!(%error, "the control group of a zygote could not be removed");
        }
    }

    /// Removes it as soon as its processes are gone.
    pub(crate) async fn remove(&self) -> io::Result<()> {
        let begun = Instant::now();
        for folder in &self.folders {
            loop {
                match fs::remove_dir(folder) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) if begun.elapsed() > END_TIMEOUT => return Err(error),
                    Err(_) => {
                        group::kill_all(folder);
                        tokio::time::sleep(END_POLL).await;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Removes the groups of sessions whose process is gone, and counts the sessions.
pub(crate) fn sweep() -> usize {
    group::sweep(KIND)
}
