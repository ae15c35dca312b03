//! Tables.

use maud::{Markup, html};

use super::rich;
use crate::tables::Grid;

/// A table with its title and its note.
pub(super) fn grid(grid: &Grid) -> Markup {
    html! {
        @if !grid.title.is_empty() { h4 { (rich(&grid.title)) } }
        (table(grid))
        @if !grid.note.is_empty() { p.note { (rich(&grid.note)) } }
    }
}

/// The table alone, in a box of its own that scrolls where the page is too narrow.
pub(super) fn table(grid: &Grid) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(if grid.title.is_empty() { "Table" } else { &grid.title }) {
            table {
                thead {
                    tr { @for (place, name) in grid.head.iter().enumerate() { th scope="col" class=[class(grid, place)] { (rich(name)) } } }
                }
                tbody {
                    @for line in &grid.lines {
                        tr { @for (place, cell) in line.iter().enumerate() { (self::cell(grid, place, cell)) } }
                    }
                }
            }
        }
    }
}

fn cell(grid: &Grid, place: usize, text: &str) -> Markup {
    html! {
        @if place == 0 { th scope="row" { (rich(text)) } }
        @else { td class=[class(grid, place)] { (rich(text)) } }
    }
}

fn class(grid: &Grid, place: usize) -> Option<&'static str> {
    (place >= grid.names).then_some("figure")
}
