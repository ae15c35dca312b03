//! What a run is.
//!
//! - [`request`]: what it is to measure, from the command line or from a run that was
//!   interrupted.
//! - [`plan`] and [`preset`]: which cells, in which order, what and how much of each.
//! - [`record`] and [`folder`]: what is known of it, and what it leaves behind; [`prices`]
//!   for the column that is derived, [`utc`] for its times.

pub mod folder;
pub mod plan;
pub mod preset;
pub mod prices;
pub mod record;
pub mod request;
pub mod utc;
