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
//! rows ─┬► figures (with statistics) ─┬► tables ─┬► render: Markdown, page, terminal
//!       │                             │          │
//!       │                             ├► compare, claims
//!       │                             └► render: CSV, JSON
//!       └► charts ─────────────────────► render: SVG in the page
//! ```
//!
//! - [`rows`]: reading a run. The JSON Schemas of its files lie in `reports/schema/`.
//! - [`statistics`]: order statistics of samples, intervals, ratios, lines.
//! - [`figures`]: what a cell's rows come to: one list of figures, and what they say
//!   against each other.
//! - [`tables`]: the tables that all renderings share.
//! - `charts`: pure functions from rows to points, bars and dots.
//! - [`mod@render`]: pure functions from those to text.
//! - [`compare`]: runs against each other, cell by cell.
//! - [`claims`]: what others published, against what a run measured.
//! - [`words`]: numbers, facts and words as people read them.

mod charts;
pub mod claims;
pub mod compare;
pub mod figures;
pub mod render;
pub mod rows;
pub mod statistics;
pub mod tables;
pub mod words;

pub use figures::Summary;
pub use render::{Format, render};
pub use rows::{
    Cell, ExecutorInfo, Experiment, ReadError, Row, Run, RunFolder, RunStatus, Status, folder, row, run,
};
