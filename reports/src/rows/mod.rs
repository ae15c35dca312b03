//! A run on disk: its rows, its `run.json`, and reading both.

mod experiment;
pub mod folder;
pub(crate) mod latencies;
pub mod row;
pub mod run;

pub use experiment::Experiment;
pub use folder::{ReadError, RunFolder};
pub use latencies::{BadLatencies, Latencies};
pub use row::Row;
pub use run::{Cell, ExecutorInfo, Run, RunStatus, Status};
