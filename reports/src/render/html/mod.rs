//! A run as one self-contained page: no script, no request, no font.
//!
//! Charts come first and are drawn as SVG; each has its table folded below it. Colours come
//! only from the style sheet, which follows the reader's theme or the page's own switch. A
//! policy in the page's head makes the browser refuse every request.

mod conclusion;
mod data;
mod figure;
mod head;
mod legend;
mod overview;
mod sections;
mod settings;
mod table;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::charts;
use crate::figures::Summary;
use crate::tables::{self, Section, Table};
use crate::words::limits::LIMITS;

const STYLE: &str = include_str!("page.css");

/// The content of a page.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The figures of the run, of which charts and tables are made.
    pub summary: &'a Summary,
    /// The tables that other renderings have too.
    pub sections: &'a [Section],
    /// The limits of the numbers, one paragraph each.
    pub limits: &'a [&'a str],
}

/// Renders a run.
pub fn render(summary: &Summary) -> String {
    Page { summary, sections: &tables::sections(summary), limits: LIMITS }.render()
}

impl Page<'_> {
    /// The page as text.
    pub fn render(&self) -> String {
        render_page(self)
    }
}

fn render_page(page: &Page<'_>) -> String {
    let run = &page.summary.run;
    let executors = charts::executors(run);
    let sections = sections::all(page.summary);
    html! {
        (DOCTYPE)
        html lang="en" {
            (head::meta(run, STYLE))
            body {
                (head::header(run))
                (head::banner(page.summary))
                div.columns {
                    (contents(&sections, page))
                    main {
                        (conclusion::render(page.summary))
                        (overview::render(&executors, page.summary))
                        @for section in &sections { (figure::section(section, &executors)) }
                        (tables(page.sections))
                        (settings::absent(run))
                        (settings::left_out(run))
                        (settings::settings(run))
                        (limits(page.limits))
                    }
                }
            }
        }
    }
    .into_string()
}

fn contents(sections: &[figure::ChartSection], page: &Page<'_>) -> Markup {
    html! {
        nav aria-label="Contents" {
            ol {
                li { a href="#conclusion" { "Conclusion" } }
                li { a href="#overview" { "Overview" } }
                @for section in sections { li { a href={ "#" (section.id) } { (section.title) } } }
                @if !page.sections.is_empty() { li { a href="#figures" { "All figures" } } }
                li { a href="#absent" { "Not measured" } }
                li { a href="#left-out" { "Left out" } }
                li { a href="#settings" { "Settings" } }
                @if !page.limits.is_empty() { li { a href="#limits" { "Limits" } } }
            }
        }
    }
}

fn tables(sections: &[Section]) -> Markup {
    html! {
        @if !sections.is_empty() {
            section #figures {
                h2 { "All figures" }
                @for section in sections {
                    details open {
                        summary { h3 { (rich(&section.title)) } }
                        @if !section.lead.is_empty() { p.note { (rich(&section.lead)) } }
                        @for table in section.tables.iter().filter(|table| !table.is_detail) { (table::titled(table)) }
                        (details(&section.tables))
                    }
                }
            }
        }
    }
}

/// The tables that explain others, folded away.
fn details(tables: &[Table]) -> Markup {
    let details: Vec<_> = tables.iter().filter(|table| table.is_detail).collect();
    html! {
        @if !details.is_empty() {
            details {
                summary { "In detail" }
                @for table in details { (table::titled(table)) }
            }
        }
    }
}

fn limits(limits: &[&str]) -> Markup {
    html! {
        @if !limits.is_empty() {
            section #limits {
                h2 { "What these numbers do not say" }
                ul.prose { @for limit in limits { li { (rich(limit)) } } }
            }
        }
    }
}

/// SVG from the chart library, which has escaped its texts.
fn drawn(elements: &str) -> PreEscaped<&str> {
    PreEscaped(elements)
}

/// Text with `code` between backticks, and no other markup.
fn rich(text: &str) -> Markup {
    let parts: Vec<_> = text.split('`').collect();
    // A backtick without its partner is a plain character.
    if parts.len().is_multiple_of(2) {
        return bold(text);
    }
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (bold(part)) }
        }
    }
}

fn bold(text: &str) -> Markup {
    let parts: Vec<_> = text.split("**").collect();
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (place, part) in parts.iter().enumerate() {
            @if place % 2 == 1 { strong { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_make_code_and_asterisks_bold_in_pairs() {
        assert_eq!(rich("a `b<` c").into_string(), "a <code>b&lt;</code> c");
        assert_eq!(rich("it`s").into_string(), "it`s");
        assert_eq!(rich("**7 µs**, `**`").into_string(), "<strong>7 µs</strong>, <code>**</code>");
        assert_eq!(rich("2 ** 3").into_string(), "2 ** 3");
    }
}
