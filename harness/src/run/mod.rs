//! One execution of the lab: its request, its plan, and its record.
//!
//! - [`request`]: what it is asked to measure.
//! - [`availability`]: what of that this machine can run.
//! - [`plan`] and [`preset`]: which cells, in which order, and how much of each.
//! - [`record`] and [`folder`]: what it writes; [`utc`] for its times. `resume` continues it.

pub mod availability;
pub mod folder;
pub mod plan;
pub mod preset;
pub mod record;
pub mod request;
mod resume;
pub mod utc;
