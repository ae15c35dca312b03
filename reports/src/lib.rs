//! From the rows of a run to something that a person reads.
//!
//! A run is a folder. The harness writes two files into it, and everything else can
//! be made from them again, long after:
//!
//! - `rows.jsonl`: one [`Row`] a line, one number each, raw;
//! - `run.json`: one [`Run`]: what was asked, on which machine, what came of it.
//!
//! The way through this crate:
//!
//! ```text
//! folder::read ─► rows ─► summary (with statistics) ─► markdown, table
//!                   └───► curves ─► chart (SVG) ─────────► html
//! ```
//!
//! - [`row`], [`run`]: the two files. Their JSON Schemas lie in `reports/schema/`.
//! - [`folder`]: reading a run.
//! - [`statistics`]: order statistics of samples, and intervals for medians.
//! - [`summary`]: what a cell's rows come to.
//! - [`markdown`], [`table`]: pure functions from a summary to text.
//! - `curves`, `chart`: pure functions from rows to points, and from points to SVG.
//! - [`html`]: one page with every chart and its table, which needs nothing else.
//! - [`units`]: numbers as people read them.

mod chart;
mod curves;
pub mod folder;
pub mod grid;
pub mod html;
pub mod markdown;
pub mod row;
pub mod run;
pub mod statistics;
pub mod summary;
pub mod table;
pub mod units;

pub use folder::{ReadError, RunFolder};
pub use row::Row;
pub use run::{Cell, ExecutorInfo, Run, RunStatus, Status};
pub use summary::Summary;
