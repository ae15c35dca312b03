//! Two sides, measured together: executor specs, builds of the lab, or functions.
//!
//! ```text
//! request ─► survey: answers, artifacts ─► pair: two servers ─► quad: A B B A ─► window ─► rows
//!                                           └──────── until settled, or out of time
//! ```
//!
//! [`isolab_reports::paired`] says why, and turns the rows into a finding.
//!
//! - [`request`]: the two sides, and the reasons to refuse them.
//! - [`side`]: one side: its build, its spec and its function.
//! - [`survey`]: the first server of each side, before any measurement.
//! - [`pair`]: two servers and their quads; [`window`]: one window of one server.
//! - [`record`]: the run folder of a comparison.
//! - [`session`]: one comparison from its beginning to its end.
//! - [`callgrind`]: instructions without hardware counters.

pub mod callgrind;
pub mod pair;
pub mod record;
pub mod request;
pub mod session;
pub mod side;
pub mod survey;
pub mod window;
