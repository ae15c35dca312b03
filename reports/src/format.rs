//! What a run can be rendered as.

use crate::{Summary, export, markdown};

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// For people, and to paste into an article.
    Markdown,
    /// For a spreadsheet: one figure a line.
    Csv,
    /// For programs: the same, with a schema.
    Json,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Csv, Self::Json];

    /// The name of its file in a run's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Markdown => "report.md",
            Self::Csv => "report.csv",
            Self::Json => "report.json",
        }
    }
}

/// Renders a run.
pub fn render(summary: &Summary, format: Format) -> String {
    match format {
        Format::Markdown => markdown::render(summary),
        Format::Csv => export::csv(summary),
        Format::Json => export::json(summary),
    }
}
