//! Makes reports from the rows of a run.
//!
//! A run is a folder. The harness writes two files into it; everything else can be made
//! from them again at any later time:
//!
//! - `rows.jsonl`: one [`Row`] a line, one raw number each;
//! - `run.json`: one [`Run`]: the command, the machine, the outcome of every cell.
//!
//! The data flow, each arrow being a pure function:
//!
//! ```text
//! rows ─► figures ─┬► tables ─┬► render: Markdown, page, terminal
//!                  │          ├► compare, claims
//!                  ├► charts ─┴► render: SVG in the page
//!                  └───────────► render: CSV, JSON
//! ```
//!
//! A number is computed once, as a figure. Tables, charts, exports, comparisons and claims
//! all read the same list.
//!
//! - [`rows`]: reads a run. The JSON Schemas of its files are in `reports/schema/`.
//! - [`statistics`]: order statistics, intervals, ratios, lines.
//! - [`figures`]: reduces rows to figures, and compares two figures.
//! - [`conclusion`]: the five sentences and the table that a report begins with.
//! - [`tables`]: the tables that all renderings share.
//! - `charts`: points, bars and dots, not yet drawn.
//! - [`mod@render`]: turns those into text.
//! - [`compare`]: compares runs cell by cell.
//! - [`paired`]: compares two sides that were measured together.
//! - [`claims`]: compares published figures with a run.
//! - [`words`]: formats numbers, facts and words for people.

mod charts;
pub mod claims;
pub mod compare;
pub mod conclusion;
pub mod figures;
pub mod paired;
pub mod render;
pub mod rows;
pub mod statistics;
pub mod tables;
pub mod words;

pub use figures::Summary;
pub use render::{Format, render};
pub use rows::{
    Cell, ExecutorInfo, Experiment, Latencies, ReadError, Row, Run, RunFolder, RunStatus, Status, folder,
    row, run,
};
