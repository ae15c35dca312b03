//! The configuration of a container, `config.json` of the OCI runtime specification.
//!
//! It says what the executor `docker` asks of its engine: see `Confinement` there.

use std::path::{Path, PathBuf};

use isolab_core::Limits;
use isolab_core::function::Grants;
use isolab_guest::{environment, outbound, session, socket};
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxMemoryBuilder, LinuxNamespace,
    LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder, LinuxResourcesBuilder, Mount, MountBuilder,
    PosixRlimitBuilder, PosixRlimitType, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
    get_default_maskedpaths, get_default_mounts, get_default_readonly_paths,
};

use crate::settings::Settings;

/// Where a container sees the folder of the host's socket.
const FOLDER: &str = "/run/isolab";
/// The places of mounts that every container has.
pub(crate) const MOUNT_POINTS: [&str; 4] = ["/proc", "/dev", "/sys", FOLDER];
/// File systems of the default that a container does not get. The first two could be filled, and so could the last
/// one where `crun` makes it: with control groups of version 1 every user may write there.
const LEFT_OUT: [&str; 3] = ["/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"];

/// The variable that an engine sets. `libcontainer` runs no program without it.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The period over which the kernel gives a group its processor time, in microseconds: the engine's.
const PERIOD_US: u64 = 100_000;

/// Everything that one container differs in.
pub(crate) struct Container<'a> {
    pub(crate) rootfs: &'a Path,
    pub(crate) command: &'a [String],
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) grants: &'a Grants,
    /// The folder of its socket on the host.
    pub(crate) folder: &'a Path,
    /// The network namespace to join. With `None` the container gets a namespace of its own.
    pub(crate) network: Option<&'a Path>,
    /// The path of its control group.
    pub(crate) group: &'a Path,
    /// The processor to stay on. With `None` the container may use every processor.
    pub(crate) cpu: Option<usize>,
}

impl Container<'_> {
    pub(crate) fn spec(&self) -> Result<Spec, OciSpecError> {
        let (user, group) = session::user();
        let user = UserBuilder::default().uid(user).gid(group).build()?;
        let none = LinuxCapabilitiesBuilder::default()
            .bounding([])
            .effective([])
            .inheritable([])
            .permitted([])
            .ambient([])
            .build()?;
        // A core dump takes longer than the rest of a crash. A message queue is a file.
        let limits = [PosixRlimitType::RlimitCore, PosixRlimitType::RlimitMsgqueue];
        let limits: Result<Vec<_>, _> = limits
            .into_iter()
            .map(|kind| PosixRlimitBuilder::default().typ(kind).soft(0_u64).hard(0_u64).build())
            .collect();
        let process = ProcessBuilder::default()
            .terminal(false)
            .user(user)
            .args(self.command.iter().chain(&self.grants.args).cloned().collect::<Vec<_>>())
            .env(self.environment())
            .cwd("/")
            .capabilities(none)
            .rlimits(limits?)
            .no_new_privileges(true)
            .build()?;
        let root = RootBuilder::default().path(self.rootfs).readonly(true).build()?;
        let is_kept = |mount: &Mount| LEFT_OUT.iter().all(|place| mount.destination() != Path::new(place));
        let mut mounts: Vec<_> = get_default_mounts().into_iter().filter(is_kept).collect();
        mounts.push(bind(self.folder, FOLDER, false)?);
        for folder in &self.grants.folders {
            mounts.push(bind(&folder.path, &folder.at, folder.is_writable)?);
        }
        let linux = LinuxBuilder::default()
            .namespaces(self.namespaces()?)
            .cgroups_path(self.group)
            .resources(
                LinuxResourcesBuilder::default()
                    .memory(self.memory()?)
                    .cpu(self.processors()?)
                    // A native server has a thread for each request at the same time.
                    .pids(
                        LinuxPidsBuilder::default()
                            .limit((self.settings.pids + self.settings.concurrency - 1).cast_signed())
                            .build()?,
                    )
                    .build()?,
            )
            .masked_paths(get_default_maskedpaths())
            .readonly_paths(get_default_readonly_paths())
            .build()?;
        SpecBuilder::default()
            .version("1.0.2")
            .process(process)
            .root(root)
            .hostname("isolab")
            .mounts(mounts)
            .linux(linux)
            .build()
    }

    fn environment(&self) -> Vec<String> {
        let mut environment = environment::granted(self.grants);
        environment.push(PATH.to_owned());
        environment.push(format!("ISOLAB_SOCKET={FOLDER}/{}", socket::FILE));
        environment.push(environment::limited(&self.limits));
        if !self.grants.hosts.is_empty() {
            environment.push(format!("{}={FOLDER}/{}", outbound::VARIABLE, outbound::FILE));
        }
        environment.extend(environment::concurrent(self.settings.concurrency));
        environment
    }

    fn namespaces(&self) -> Result<Vec<LinuxNamespace>, OciSpecError> {
        use LinuxNamespaceType::{Ipc, Mount, Network, Pid, Uts};

        let mut namespaces = Vec::new();
        for kind in [Pid, Ipc, Uts, Mount, Network] {
            let builder = LinuxNamespaceBuilder::default().typ(kind);
            namespaces.push(match self.network.filter(|_| kind == Network) {
                Some(path) => builder.path(path).build()?,
                None => builder.build()?,
            });
        }
        Ok(namespaces)
    }

    fn memory(&self) -> Result<oci_spec::runtime::LinuxMemory, OciSpecError> {
        let bytes = self.limits.memory_bytes.cast_signed();
        // Memory and swap together: the guest gets no swap.
        LinuxMemoryBuilder::default().limit(bytes).swap(bytes).build()
    }

    fn processors(&self) -> Result<oci_spec::runtime::LinuxCpu, OciSpecError> {
        let quota_us = (self.settings.cpus * PERIOD_US).cast_signed();
        let builder = LinuxCpuBuilder::default().period(PERIOD_US).quota(quota_us);
        match self.cpu {
            Some(cpu) => builder.cpus(cpu.to_string()).build(),
            None => builder.build(),
        }
    }
}

fn bind(source: &Path, destination: &str, is_writable: bool) -> Result<Mount, OciSpecError> {
    let access = if is_writable { "rw" } else { "ro" };
    MountBuilder::default()
        .typ("bind")
        .source(source)
        .destination(PathBuf::from(destination))
        // The guest sees nothing that is mounted inside of the folder on the host.
        .options(["bind", access, "nosuid", "nodev"].map(str::to_owned).to_vec())
        .build()
}
