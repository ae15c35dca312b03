//! The host's cost of a model, read from outside of the model.
//!
//! | figure | source | why not `sysinfo` |
//! |---|---|---|
//! | CPU time of a process | its CPU clock | it counts in milliseconds |
//! | proportional and private memory | `procfs`, `smaps_rollup` | it knows resident memory, which counts shared pages in every process |
//! | page tables of a process | `procfs`, `status` | it has none of these |
//! | instructions, cycles, branches, cache misses | `perf_event_open` | it has none of these |
//! | time that a process waited for a processor | `procfs`, `schedstat` of its threads | it has none |
//! | page faults, context switches, user and system time | `procfs`, `stat` and `status` | it has none of these |
//! | memory and CPU time of a control group | the group's files | it knows memory limits only |
//! | time that a hypervisor took (`condition`) | `procfs`, `/proc/stat` | it counts this time as use |
//! | processes by name; facts of the machine (`machine`) | `sysinfo` | |
//!
//! - [`process`]: the memory and the CPU time of one process.
//! - [`cgroup`]: those of a control group, which is how a container is seen.
//! - [`daemons`]: those of a container engine, and their helpers that come and go.
//! - [`counters`]: the processor's counters of one process.
//! - [`energy`]: the processor packages.
//! - [`places`]: the sum over the child, its control groups and their helpers.

pub mod cgroup;
pub mod counters;
pub mod daemons;
pub mod energy;
pub mod places;
pub mod process;
