//! A table before it is rendered: what Markdown, the page and the exports share.

/// What stands where there is no figure.
pub(crate) const NONE: &str = "–";

/// A titled table of text, its figures rounded already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// A name for machines that stays the same, such as `startup`.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// The names of the columns; the first ones name things, all others hold figures.
    pub head: Vec<String>,
    /// How many columns at the left name things.
    pub names: usize,
    /// The lines, each as long as the head.
    pub lines: Vec<Vec<String>>,
    /// What must be known to read it, in whole sentences; empty if nothing.
    pub note: String,
    /// Whether it explains others and can be folded away.
    pub is_detail: bool,
}

/// Tables that belong together, under one title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What they are about.
    pub title: String,
    /// The tables; none of them is without lines.
    pub grids: Vec<Grid>,
}

/// The head of a table.
pub(crate) fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
