//! What others published, against what a run of this lab measured.
//!
//! The claims are data: `reports/claims.toml`, which says of each where it was published,
//! of which conditions, how much it was, and which figure of this lab answers it; or why
//! none does. Nothing about a claim is in code.
//!
//! - [`all`] reads them;
//! - [`needs`] says which cells and experiments a run must have to check them;
//! - [`check`] holds them against a run, by the rule that [`Reproduction`] states;
//! - [`tables`], [`markdown`], [`table`] and [`json`] show what came of it.

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
