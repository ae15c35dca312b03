//! The first section of the page: the headline figures.

use maud::{Markup, html};

use super::figure::{self, ChartFigure};
use super::legend::swatch;
use super::sections::settings;
use crate::charts::Executor;
use crate::charts::overview::{Headline, at_a_glance, is_measured, spokesman};
use crate::figures::{Figures, Group, Summary};
use crate::tables::cells;
use crate::words::{self, units};

pub(super) fn render(executors: &[Executor], summary: &Summary) -> Markup {
    html! {
        section #overview {
            h2 { "Overview" }
            @if let Some(group) = spokesman(summary) { (tiles(executors, group)) }
            @else { p.prose { "None of the headline figures was measured in this run." } }
            @if let Some(glance) = glance(summary) { (figure::render(&glance, executors)) }
        }
    }
}

fn tiles(executors: &[Executor], group: &Group) -> Markup {
    html! {
        p.prose {
            strong { (words::title(&group.function, &group.variant)) }
            ", medians. Small figures compare with the best model that isolates; "
            "the baseline isolates nothing and shows what the front end itself costs."
        }
        div.tiles {
            @for figures in group.executors.iter().filter(|figures| is_measured(figures)) {
                @let executor = &executors[figures.place];
                div.tile {
                    h3 { (swatch(executor)) (figures.name) }
                    p.note { (isolation(executor)) }
                    dl {
                        @for headline in Headline::ALL { (tile_line(group, figures, headline)) }
                    }
                }
            }
        }
    }
}

fn isolation(executor: &Executor) -> &str {
    if executor.is_baseline { "no isolation, the baseline" } else { &executor.model }
}

fn tile_line(group: &Group, figures: &Figures, headline: Headline) -> Markup {
    let best = group.best(|figures| headline.of(figures));
    let figure = headline.of(figures);
    let is_best = figure.zip(best).is_some_and(|(figure, best)| std::ptr::eq(figure, best));
    html! {
        div {
            dt { (headline.title()) }
            dd class=[is_best.then_some("best")] {
                (cells::value(figure))
                @if let Some((figure, best)) = figure.zip(best.filter(|best| best.estimate.value > 0.0)) {
                    span.ratio { (times(figure.estimate.value / best.estimate.value)) }
                }
            }
        }
    }
}

/// A ratio that can be read at a glance: a fraction if it is small, digits in groups if it is
/// large.
fn times(ratio: f64) -> String {
    match ratio {
        small if small > 0.0 && small < 0.1 => format!("1/{}", units::rate((1.0 / small).round())),
        large if large >= 1000.0 => format!("{}×", units::rate(large)),
        usual => units::ratio(usual),
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
            "One line for each function and variant, one mark for each executor, on logarithmic scales: equal \
             distances are equal factors. {}.",
            words::capital(&directions.join("; "))
        ),
        settings: format!(
            "{settings}Requests/s at the number of connections with the highest rate, in a closed loop; memory as \
             the slope of the host's memory over live instances."
        ),
        is_secondary: false,
        charts: charts.into_iter().map(|(_, chart)| chart).collect(),
    })
}
