//! The engines and features that the lab leaves out.

use super::{Table, head};
use crate::rows::Run;
use crate::words::left_out;

/// The heading of the table.
pub(crate) const TITLE: &str = "What the lab leaves out";

/// One line for each.
pub(crate) fn table(run: &Run) -> Table {
    Table {
        name: "left_out",
        head: head(&["left out", "reason"]),
        names: 2,
        lines: left_out::all(run).map(|one| vec![one.name.to_owned(), one.reason.to_owned()]).collect(),
        ..Table::default()
    }
}
