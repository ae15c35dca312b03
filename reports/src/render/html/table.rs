//! Tables.

use maud::{Markup, html};

use super::rich;
use crate::tables::Table;

/// A table with its title and its note.
pub(super) fn titled(table: &Table) -> Markup {
    html! {
        @if !table.title.is_empty() { h4 { (rich(&table.title)) } }
        (bare(table))
        @if !table.note.is_empty() { p.note { (rich(&table.note)) } }
    }
}

/// The table alone, in a box that scrolls where the page is too narrow.
pub(super) fn bare(table: &Table) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(if table.title.is_empty() { "Table" } else { &table.title }) {
            table {
                thead {
                    tr { @for (place, name) in table.head.iter().enumerate() { th scope="col" class=[class(table, place)] { (rich(name)) } } }
                }
                tbody {
                    @for line in &table.lines {
                        tr { @for (place, cell) in line.iter().enumerate() { (self::cell(table, place, cell)) } }
                    }
                }
            }
        }
    }
}

fn cell(table: &Table, place: usize, text: &str) -> Markup {
    html! {
        @if place == 0 { th scope="row" { (rich(text)) } }
        @else { td class=[class(table, place)] { (rich(text)) } }
    }
}

fn class(table: &Table, place: usize) -> Option<&'static str> {
    (place >= table.names).then_some("figure")
}
