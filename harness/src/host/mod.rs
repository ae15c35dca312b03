//! The host that is measured on, and what measuring it reads.
//!
//! - [`machine`]: what it is; [`condition`]: whether it is a good one to measure on.
//! - [`affinity`]: which processor runs what.
//! - [`calibration`]: whether its speed drifts.
//! - [`canaries`]: whether a guest reached it.
//! - [`probes`]: what a model costs it.

pub mod affinity;
pub mod calibration;
pub mod canaries;
pub mod condition;
pub mod machine;
pub mod probes;
pub mod virtual_machine;
