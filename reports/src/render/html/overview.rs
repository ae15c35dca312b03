//! The first section of the page: the headline figures.

use maud::{Markup, html};

use super::figure::{self, ChartFigure};
use super::rich;
use super::sections::settings;
use crate::charts::Executor;
use crate::charts::overview::at_a_glance;
use crate::figures::Summary;
use crate::render::reading;
use crate::words;

pub(super) fn render(executors: &[Executor], summary: &Summary) -> Markup {
    html! {
        section #overview {
            h2 { "Overview" }
            p.prose { (reading::subject(summary)) }
            p.prose { (rich(&reading::certainty(summary))) }
            @if let Some(glance) = glance(summary) { (figure::render(&glance, executors)) }
            @else { p.prose { "This run has no figure for start time, memory or requests per second." } }
        }
    }
}

fn glance(summary: &Summary) -> Option<ChartFigure> {
    let charts = at_a_glance(summary);
    let settings = settings(&summary.run);
    let directions: Vec<_> = charts
        .iter()
        .map(|(headline, _)| {
            let side = if headline.less_is_better() { "left" } else { "right" };
            format!("{}: further {side} is better", headline.title())
        })
        .collect();
    (!charts.is_empty()).then(|| ChartFigure {
        id: "glance".into(),
        title: "All functions and variants at a glance".into(),
        caption: format!(
            "One line for each function and variant, one mark for each executor. Scales are logarithmic: equal \
             distances are equal factors. {}.",
            words::capital(&directions.join("; "))
        ),
        settings: format!(
            "{settings}Requests/s in a closed loop at the number of connections with the highest rate. Memory is \
             the slope of the host's memory over live instances."
        ),
        is_secondary: false,
        charts: charts.into_iter().map(|(_, chart)| chart).collect(),
    })
}
