//! Compares published figures with a run of this lab.
//!
//! The claims are data. `reports/claims.toml` gives for each its publication, its conditions,
//! its number, and the figure of this lab that answers it, or the reason why none does. The
//! code knows no single claim.
//!
//! - [`all`] reads them;
//! - [`needs`] lists the cells and experiments that a run must have to check them;
//! - [`check`] compares them with a run, by the rule of [`Verdict`];
//! - [`tables`], [`markdown`], [`table`] and [`json`] show the outcome.

mod check;
mod claim;
mod export;
mod form;
mod needs;
mod quantity;
mod render;
mod tally;
mod verdict;

pub use check::{Checked, Measured, check};
pub use claim::{
    Answer, Better, Certainty, Claim, Obstacle, ObstacleKind, Published, PublishedUnit, Source, Statement,
};
pub use export::{ClaimsExport, json};
pub use form::{ClaimError, all, parse};
pub use needs::{Need, needs};
pub use quantity::Quantity;
pub use render::{markdown, table, tables};
pub use tally::ClaimTally;
pub use verdict::{Position, Verdict};
