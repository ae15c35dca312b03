//! The first screen: five sentences and one table.

use maud::{Markup, html};

use super::{rich, table};
use crate::conclusion::{self, Conclusion};
use crate::figures::Summary;

pub(super) fn render(summary: &Summary) -> Markup {
    html! {
        section #conclusion {
            h2 { "Conclusion" }
            ul.conclusion {
                @for sentence in &Conclusion::of(summary).sentences {
                    li { strong { (sentence.subject.title()) "." } " " (rich(&sentence.text())) }
                }
            }
            @if let Some(table) = conclusion::table(summary) {
                p.note { (rich(&conclusion::key(summary))) }
                (table::bare(&table))
            }
        }
    }
}
