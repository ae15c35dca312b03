//! A run as one page that needs nothing else: no script, no request, no font.
//!
//! Charts come first and are drawn as SVG; each has its table folded below it. Colours
//! come from the style sheet alone, which follows the reader's theme or the page's own
//! switch. A policy in the page's head forbids every request, so that a browser itself
//! sees to it.

mod data;
mod figure;
mod head;
mod legend;
mod overview;
mod sections;
mod settings;
mod table;
mod words;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::RunFolder;
use crate::curves::Index;
use crate::grid::Grid;

const STYLE: &str = include_str!("page.css");

/// Everything that a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The run with its rows, of which the charts are made.
    pub folder: &'a RunFolder,
    /// The tables that other renderings have too.
    pub tables: &'a Tables,
    /// What the numbers do not say, one paragraph each.
    pub limits: &'a [&'a str],
}

/// Tables in the order of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Under one heading each.
    pub sections: Vec<TableSection>,
}

/// Tables under one heading, such as those of one function and variant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSection {
    /// The heading.
    pub title: String,
    /// What stands below it.
    pub grids: Vec<Grid>,
}

/// Renders a page.
pub fn render(page: &Page<'_>) -> String {
    let run = &page.folder.run;
    let index = Index::of(page.folder);
    let sections = sections::all(&index, run);
    html! {
        (DOCTYPE)
        html lang="en" {
            (head::meta(run, STYLE))
            body {
                (head::header(run))
                (head::banner(run))
                div.columns {
                    (contents(&sections, page))
                    main {
                        (overview::render(&index, &sections::settings(run)))
                        @for section in &sections { (figure::section(section, &index)) }
                        (tables(page.tables))
                        (settings::absent(run))
                        (settings::settings(run))
                        (limits(page.limits))
                    }
                }
            }
        }
    }
    .into_string()
}

fn contents(sections: &[figure::Section], page: &Page<'_>) -> Markup {
    html! {
        nav aria-label="Contents" {
            ol {
                li { a href="#overview" { "Overview" } }
                @for section in sections { li { a href={ "#" (section.id) } { (section.title) } } }
                @if !page.tables.sections.is_empty() { li { a href="#figures" { "All figures" } } }
                li { a href="#absent" { "Not measured" } }
                li { a href="#settings" { "Settings" } }
                @if !page.limits.is_empty() { li { a href="#limits" { "Limits" } } }
            }
        }
    }
}

fn tables(tables: &Tables) -> Markup {
    html! {
        @if !tables.sections.is_empty() {
            section #figures {
                h2 { "All figures" }
                @for section in &tables.sections {
                    details open {
                        summary { h3 { (words::rich(&section.title)) } }
                        @for grid in &section.grids { (table::grid(grid)) }
                    }
                }
            }
        }
    }
}

fn limits(limits: &[&str]) -> Markup {
    html! {
        @if !limits.is_empty() {
            section #limits {
                h2 { "What the numbers do not say" }
                ul.prose { @for limit in limits { li { (words::rich(limit)) } } }
            }
        }
    }
}

/// SVG as the chart library wrote it, its texts escaped already.
fn drawn(elements: &str) -> PreEscaped<&str> {
    PreEscaped(elements)
}
