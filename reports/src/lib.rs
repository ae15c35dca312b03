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
//! folder::read ─► rows ─┬► summary (with statistics) ─┬► grids ─┬► markdown
//!                       │                             │         └► html
//!                       │                             ├► export ─► CSV, JSON
//!                       │                             └► compare, with another run
//!                       └► curves ─► chart (SVG) ───────► html
//! ```
//!
//! - [`row`], [`run`]: the two files. Their JSON Schemas lie in `reports/schema/`.
//! - [`folder`]: reading a run.
//! - [`Experiment`]: what can be measured.
//! - [`statistics`]: order statistics of samples, intervals, ratios, lines.
//! - [`summary`]: what a cell's rows come to: one list of figures.
//! - [`verdict`]: what a ratio says.
//! - [`grids`]: the tables that all renderings share, as [`grid`] defines them.
//! - [`markdown`], [`table`], [`export`]: pure functions from a summary to text; [`render`]
//!   picks one.
//! - `curves`, `chart`: pure functions from rows to points, and from points to SVG.
//! - [`html`]: one page with every chart and its table, which needs nothing else.
//! - `facts`, `unmeasured`: what Markdown and the page say of a run besides its figures.
//! - [`limits`]: what a reader must not take from the figures.
//! - [`compare`]: runs against each other, cell by cell.
//! - [`claims`]: what others published, against what a run measured.
//! - [`units`], `text`: numbers and words as people read them.

mod chart;
pub mod claims;
pub mod compare;
mod curves;
mod experiment;
pub mod export;
mod facts;
pub mod folder;
mod format;
pub mod grid;
pub mod grids;
pub mod html;
pub mod limits;
pub mod markdown;
pub mod row;
pub mod run;
pub mod statistics;
pub mod summary;
pub mod table;
mod text;
mod ticks;
pub mod units;
mod unmeasured;
pub mod verdict;

pub use experiment::Experiment;
pub use folder::{ReadError, RunFolder};
pub use format::{Format, render};
pub use row::Row;
pub use run::{Cell, ExecutorInfo, Run, RunStatus, Status};
pub use summary::Summary;
