//! The machine of a run, and the build of its binary.
//!
//! `sysinfo` serves what it knows; `procfs` the processor's flags; the kernel's own files
//! under `/sys` the rest, which neither knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use isolab_core::guest;
use procfs::{CpuInfo, Current};
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::host::probes::energy::Packages;

/// Facts about the machine that explain its figures.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Logical processors of the machine.
    pub cpus_count: u64,
    /// Cores, of which each may be several logical processors.
    pub cores_count: u64,
    /// Logical processors that the lab may use.
    pub usable_cpus: Vec<usize>,
    /// Main memory.
    pub memory_bytes: u64,
    /// Main memory that programs could still get before the run.
    pub available_memory_bytes: u64,
    /// Swap space.
    pub swap_bytes: u64,
    /// The kernel's version.
    pub kernel: String,
    /// The distribution and its version.
    pub os: String,
    /// Time since the machine was started.
    pub uptime_s: u64,
    /// Version of control groups whose memory controller is in use: 1 or 2.
    pub cgroup_version: u8,
    /// Whether the processor says that a hypervisor runs below.
    pub is_virtual: bool,
    /// The way in which a virtual machine would run.
    pub virtualisation: Virtualisation,
    /// The frequency governor, where there is one.
    pub governor: Option<String>,
    /// Whether the processors boost their frequency, where the kernel shows it.
    pub is_boosting: Option<bool>,
    /// Whether two logical processors share a core, where the kernel shows it.
    pub has_smt: Option<bool>,
    /// The kernel's clock source.
    pub clock: Option<String>,
    /// The kernel's mitigations of processor flaws, by flaw.
    pub mitigations: BTreeMap<String, String>,
    /// Whether energy is counted, or why it is not.
    pub energy: String,
    /// Policy of transparent huge pages, as the kernel shows it.
    pub huge_pages: Option<String>,
    /// Load averages over 1, 5 and 15 minutes before the run.
    pub load_average: [f64; 3],
}

impl Machine {
    /// Asks the kernel.
    pub fn look() -> Self {
        let system = system();
        let of_memory = |bytes: fn(&System) -> u64| system.as_ref().map_or(0, bytes);
        let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
        let governor = line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        Self {
            cpu: cpus.first().map(|cpu| cpu.brand().to_owned()).unwrap_or_default(),
            cpus_count: cpus.len() as u64,
            cores_count: System::physical_core_count().map_or(0, |cores| cores as u64),
            usable_cpus: crate::host::affinity::usable(),
            memory_bytes: of_memory(System::total_memory),
            available_memory_bytes: of_memory(System::available_memory),
            swap_bytes: of_memory(System::total_swap),
            kernel: System::kernel_version().unwrap_or_default(),
            os: [System::name(), System::os_version()].into_iter().flatten().collect::<Vec<_>>().join(" "),
            uptime_s: System::uptime().unwrap_or_default(),
            cgroup_version: cgroup_version(Path::new("/sys/fs/cgroup")),
            is_virtual: has_flag(&["hypervisor"]),
            virtualisation: Virtualisation::look(),
            governor,
            is_boosting: is_boosting(),
            has_smt: line("/sys/devices/system/cpu/smt/active").map(|text| text == "1"),
            clock: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
            energy: Packages::find().map_or_else(|reason| reason, |_| "counted, by package".into()),
            huge_pages: line("/sys/kernel/mm/transparent_hugepage/enabled"),
            load_average: System::load_average()
                .map(|load| [load.one, load.five, load.fifteen])
                .unwrap_or_default(),
        }
    }
}

/// The way in which a virtual machine runs on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Virtualisation {
    /// There is no `/dev/kvm`, so only by emulation.
    None,
    /// There is one, and the processor shows no instructions for it: guests must know their hypervisor.
    Paravirtual,
    /// By the processor.
    Hardware,
}

impl Virtualisation {
    fn look() -> Self {
        match (Path::new("/dev/kvm").exists(), has_flag(&["vmx", "svm"])) {
            (false, _) => Self::None,
            (true, false) => Self::Paravirtual,
            (true, true) => Self::Hardware,
        }
    }
}

/// Whether the first processor has one of these flags.
fn has_flag(wanted: &[&str]) -> bool {
    let processors = CpuInfo::current().ok();
    let flags = processors.as_ref().and_then(|processors| processors.flags(0));
    flags.is_some_and(|flags| flags.iter().any(|flag| wanted.contains(flag)))
}

/// The build of this binary: figures of a debug build would be worth little.
#[derive(Clone, Debug, Serialize)]
pub struct Build {
    /// Cargo's profile family: `debug` for `dev` too, hence the next field.
    pub profile: &'static str,
    /// Level of optimisation.
    pub opt_level: &'static str,
    /// The target.
    pub target: &'static str,
    /// The compiler.
    pub rustc: &'static str,
    /// Version of the lab.
    pub version: &'static str,
    /// Commit of the checkout, with `-dirty` if files differ from it; none outside of a checkout.
    pub commit: Option<String>,
}

impl Build {
    /// Of this binary.
    pub fn look() -> Self {
        Self {
            profile: env!("ISOLAB_PROFILE"),
            opt_level: env!("ISOLAB_OPT_LEVEL"),
            target: env!("ISOLAB_TARGET"),
            rustc: env!("ISOLAB_RUSTC"),
            version: env!("CARGO_PKG_VERSION"),
            commit: commit(),
        }
    }

    /// In a few words, for every row.
    pub fn summary(&self) -> String {
        let assertions = if cfg!(debug_assertions) { ", debug assertions" } else { "" };
        format!("{}, opt-level {}{assertions}, {}", self.profile, self.opt_level, self.rustc)
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])
        .current_dir(guest::workspace())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Processors and memory, without the usage that only two looks could tell.
fn system() -> Option<System> {
    let (cpu, memory) = (CpuRefreshKind::nothing(), MemoryRefreshKind::everything());
    System::new_with_specifics(RefreshKind::nothing().with_cpu(cpu).with_memory(memory)).ok()
}

fn line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// With a hybrid mount the memory controller belongs to version 1.
fn cgroup_version(mount: &Path) -> u8 {
    if mount.join("cgroup.controllers").exists() { 2 } else { 1 }
}

/// Flaws of the processor and their mitigations.
fn mitigations(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).ok()?.trim().to_owned();
        (text != "Not affected").then(|| (entry.file_name().to_string_lossy().into_owned(), text))
    };
    entries.filter_map(read).collect()
}

fn is_boosting() -> Option<bool> {
    let no_turbo = line("/sys/devices/system/cpu/intel_pstate/no_turbo").map(|text| text == "0");
    no_turbo.or_else(|| line("/sys/devices/system/cpu/cpufreq/boost").map(|text| text == "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_processor_and_memory() {
        let machine = Machine::look();
        assert!(!machine.cpu.is_empty() && !machine.kernel.is_empty(), "{machine:?}");
        assert!(machine.cpus_count > 0 && !machine.usable_cpus.is_empty(), "{machine:?}");
        assert!(machine.memory_bytes > 64 << 20, "{machine:?}");
        assert!(!machine.os.is_empty() && machine.uptime_s > 0, "{machine:?}");
        assert!((1..=machine.cpus_count).contains(&machine.cores_count), "{machine:?}");
        assert!(machine.available_memory_bytes < machine.memory_bytes, "{machine:?}");
    }

    /// A run is resumed on the same machine only, and tells that by these facts.
    #[test]
    fn sizes_and_names_are_those_of_the_kernel() {
        let machine = Machine::look();
        let memory = procfs::Meminfo::current().unwrap();
        assert_eq!((machine.memory_bytes, machine.swap_bytes), (memory.mem_total, memory.swap_total));
        let cpu = CpuInfo::current().unwrap();
        assert_eq!(machine.cpus_count, cpu.num_cores() as u64);
        assert_eq!(Some(machine.cpu.as_str()), cpu.model_name(0));
        assert_eq!(Some(machine.kernel), line("/proc/sys/kernel/osrelease"));
    }

    #[test]
    fn versions_of_control_groups_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cgroup_version(folder.path()), 1);
        fs::write(folder.path().join("cgroup.controllers"), "cpu memory").unwrap();
        assert_eq!(cgroup_version(folder.path()), 2);
    }

    #[test]
    fn a_build_says_how_it_was_optimised() {
        let summary = Build::look().summary();
        assert!(summary.contains("opt-level") && summary.contains("rustc"), "{summary}");
    }
}
