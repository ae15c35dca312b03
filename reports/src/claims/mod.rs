//! Compares published figures with a run of this lab.
//!
//! The claims are data. `reports/claims.toml` gives for each its publication, its conditions,
//! its number, and the figure of this lab that answers it, or the reason why none does. The
//! code knows no single claim.
//!
//! - [`all`] reads them;
//! - [`needs`] lists the cells and experiments that a run must have to check them;
//! - [`check`] compares them with a run, by the rule of [`Reproduction`];
//! - [`tables`], [`markdown`], [`table`] and [`json`] show the outcome.

mod check;
mod data;
mod needs;
mod quantity;
mod render;

pub use check::{Checked, Measured, Reproduction, check};
pub use data::{
    Answer, Certainty, Claim, ClaimError, Published, PublishedUnit, Source, Statement, all, parse,
};
pub use needs::{Need, needs};
pub use quantity::Quantity;
pub use render::{ClaimTally, json, markdown, table, tables};
