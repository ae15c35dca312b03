//! What a model costs the host, read from outside of it.
//!
//! - [`process`]: the memory and the CPU time of one process.
//! - [`cgroup`]: those of a control group, which is how a container is seen.
//! - [`energy`]: the processor packages.
//! - [`places`]: the sum over the child, its control groups and their helpers.

pub mod cgroup;
pub mod energy;
pub mod places;
pub mod process;
