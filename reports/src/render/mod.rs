//! Renders a run: pure functions from figures, tables and charts to text.

pub mod csv;
pub mod html;
pub mod json;
pub mod markdown;
mod reading;
pub(crate) mod svg;
pub mod terminal;

use crate::figures::Summary;

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A report to read, and to paste into an article.
    Markdown,
    /// One page with charts.
    Html,
    /// One figure a line, for a spreadsheet.
    Csv,
    /// The same figures with a schema, for programs.
    Json,
}

impl Format {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Markdown, Self::Html, Self::Csv, Self::Json];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// The name of its file in a run's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Markdown => "report.md",
            Self::Html => "report.html",
            Self::Csv => "report.csv",
            Self::Json => "report.json",
        }
    }
}

/// Renders the figures of a run.
pub fn render(summary: &Summary, format: Format) -> String {
    match format {
        Format::Markdown => markdown::render(summary),
        Format::Html => html::render(summary),
        Format::Csv => csv::render(summary),
        Format::Json => json::render(summary),
    }
}
