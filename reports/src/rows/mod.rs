//! A run as it lies in its folder: rows, what the run was, and reading both.

mod experiment;
pub mod folder;
pub mod row;
pub mod run;

pub use experiment::Experiment;
pub use folder::{ReadError, RunFolder};
pub use row::Row;
pub use run::{Cell, ExecutorInfo, Run, RunStatus, Status};
