//! The answers first.

use maud::{Markup, html};

use super::figure::{self, Figure};
use super::legend::swatch;
use crate::curves::overview::{Headline, at_a_glance, spokesman};
use crate::curves::{Group, Index};
use crate::grid::NONE;
use crate::{text, units};

pub(super) fn render(index: &Index<'_>, settings: &str) -> Markup {
    html! {
        section #overview {
            h2 { "Overview" }
            @if let Some(group) = spokesman(index) { (tiles(index, group)) }
            @else { p.prose { "None of the headline figures was measured in this run." } }
            @if let Some(glance) = glance(index, settings) { (figure::render(&glance, index)) }
        }
    }
}

fn tiles(index: &Index<'_>, group: &Group<'_>) -> Markup {
    let measured: Vec<_> = (0..index.models.len())
        .filter(|model| Headline::ALL.iter().any(|headline| headline.of(group, *model).is_some()))
        .collect();
    html! {
        p.prose {
            strong { (group.title()) } ", medians. Small figures compare with the best model that isolates; "
            "the baseline isolates nothing and shows what the front end itself costs."
        }
        div.tiles {
            @for model in measured {
                div.tile {
                    h3 { (swatch(&index.models[model])) (index.models[model].name) }
                    p.note { (isolation(index, model)) }
                    dl {
                        @for headline in Headline::ALL { (tile_line(index, group, model, headline)) }
                    }
                }
            }
        }
    }
}

fn isolation(index: &Index<'_>, model: usize) -> String {
    let model = &index.models[model];
    if model.is_baseline { "no isolation, the baseline".into() } else { model.isolation.clone() }
}

fn tile_line(index: &Index<'_>, group: &Group<'_>, model: usize, headline: Headline) -> Markup {
    let isolating = index.models.iter().enumerate().filter(|(_, model)| !model.is_baseline);
    let values = isolating.filter_map(|(model, _)| headline.of(group, model).map(|figure| figure.value));
    let best = if headline.less_is_better() { values.reduce(f64::min) } else { values.reduce(f64::max) };
    let value = headline.of(group, model).map(|figure| figure.value);
    html! {
        div {
            dt { (headline.title()) }
            dd class=[(value.is_some() && value == best).then_some("best")] {
                @match value {
                    Some(value) => (headline.quantity().show(value)),
                    None => (NONE),
                }
                @if let Some((value, best)) = value.zip(best.filter(|best| *best > 0.0)) { span.ratio { (times(value / best)) } }
            }
        }
    }
}

/// A ratio that can be read at a glance: as a fraction where it is small, in groups of
/// digits where it is large.
fn times(ratio: f64) -> String {
    match ratio {
        small if small > 0.0 && small < 0.1 => format!("1/{}", units::rate((1.0 / small).round())),
        large if large >= 1000.0 => format!("{}×", units::rate(large)),
        usual => units::ratio(usual),
    }
}

fn glance(index: &Index<'_>, settings: &str) -> Option<Figure> {
    let charts = at_a_glance(index);
    let directions: Vec<_> = charts
        .iter()
        .map(|(headline, _)| {
            let side = if headline.less_is_better() { "left" } else { "right" };
            format!("{}: further {side} is better", headline.title())
        })
        .collect();
    (!charts.is_empty()).then(|| Figure {
        id: "glance".into(),
        title: "All functions and variants at a glance".into(),
        caption: format!(
            "One line for each function and variant, one mark for each executor, on logarithmic scales: equal \
             distances are equal factors. {}.",
            text::capital(&directions.join("; "))
        ),
        settings: format!(
            "{settings}Requests/s at the number of connections with the highest rate, in a closed loop; memory as \
             the slope of the host's memory over live instances."
        ),
        is_secondary: false,
        charts: charts.into_iter().map(|(_, chart)| chart).collect(),
    })
}
