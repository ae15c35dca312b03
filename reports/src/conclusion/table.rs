//! The one table below the sentences: the headline function's executors by the same figures.

use super::ranking::{Lead, Metric, Ranking, drift};
use super::sentence::One;
use crate::figures::{Figures, Group, Summary};
use crate::tables::cells::bare_ratio;
use crate::tables::memory::after;
use crate::tables::{NONE, Table};

/// The head of a figure's column.
fn head(metric: Metric) -> &'static str {
    match metric {
        Metric::Start => "start",
        Metric::Memory => "memory per live instance",
        Metric::Fresh => "requests/s, fresh",
        Metric::Warm => "requests/s, warm",
    }
}

/// The meaning of the columns, for a reader who has not seen them before; empty without a table.
pub(crate) fn key(summary: &Summary) -> String {
    let groups = summary.headline();
    let columns = columns(&groups);
    let Some(group) = groups.first().filter(|_| !columns.is_empty()) else { return String::new() };
    let explained = columns.iter().map(|metric| match metric {
        Metric::Start => "`start` is the time until a new instance of a prepared function can answer.",
        Metric::Memory => "`memory per live instance` is what the host pays for one more live instance, after the same count of invocations for \
         all executors of a variant.",
        Metric::Fresh => "`fresh` means a new instance for each request.",
        Metric::Warm => "`warm` means that instances are used again.",
    });
    let explained: Vec<&str> = explained.collect();
    let marks = if summary.repetitions > 1 {
        " A figure in bold is the best of its variant among the executors that isolate, or does not differ \
          visibly from it."
    } else {
        ""
    };
    format!(
        "Medians of `{}`. {} Rates are those at the best number of connections. Parentheses hold the \
         ratio to the best.{marks}",
        group.function,
        explained.join(" ")
    )
}

/// The table; `None` if the run has nothing for it.
pub(crate) fn table(summary: &Summary) -> Option<Table> {
    let groups = summary.headline();
    let columns = columns(&groups);
    let first = groups.first().filter(|_| !columns.is_empty())?;
    let lines = groups.iter().flat_map(|group| {
        let rankings: Vec<Ranking<'_>> =
            columns.iter().map(|metric| Ranking::of(summary, group, *metric)).collect();
        let columns = &columns;
        group.executors.iter().map(move |executor| {
            let names = [format!("`{}`", executor.name), group.variant.clone()];
            let cells = columns.iter().zip(&rankings).map(|(metric, ranking)| {
                cell(ranking, executor, metric.of(executor).is_some(), drift(summary))
            });
            names.into_iter().chain(cells).collect::<Vec<String>>()
        })
    });
    Some(Table {
        name: "conclusion",
        title: format!("`{}` at a glance", first.function),
        lines: lines.collect(),
        head: ["executor", "variant"]
            .into_iter()
            .map(str::to_owned)
            .chain(columns.iter().map(|metric| match metric {
                Metric::Memory => after(head(*metric), &groups),
                metric => head(*metric).to_owned(),
            }))
            .collect(),
        names: 2,
        ..Table::default()
    })
}

fn columns(groups: &[&Group]) -> Vec<Metric> {
    let executors = || groups.iter().flat_map(|group| &group.executors);
    Metric::ALL.into_iter().filter(|metric| executors().any(|one| metric.of(one).is_some())).collect()
}

fn cell(ranking: &Ranking<'_>, executor: &Figures, is_there: bool, drift: Option<f64>) -> String {
    let is_of = |one: &&One<'_>| one.executor.spec == executor.spec;
    let Some(one) = ranking.isolating.iter().chain(&ranking.baseline).find(is_of) else {
        let why = ranking.absent.iter().find(|(name, _)| *name == executor.name);
        return why.filter(|_| is_there).map_or(NONE, |(_, why)| *why).to_owned();
    };
    let value = one.figure.show(one.figure.estimate.value);
    let Some(best) = ranking.isolating.first().filter(|_| !executor.is_baseline) else { return value };
    let is_best = best.executor.spec == executor.spec;
    let is_proved =
        ranking.isolating[1..].iter().all(|other| !matches!(Lead::of(best, other, drift), Lead::Unproved));
    match Lead::of(best, one, drift) {
        _ if is_best && is_proved && ranking.isolating.len() > 1 => format!("**{value}**"),
        _ if is_best => value,
        Lead::Shown(ratio) => format!("{value} ({})", bare_ratio(ratio)),
        Lead::Unseen | Lead::Drowned(_) => format!("**{value}**"),
        Lead::Unproved => one
            .against(best)
            .map_or(value.clone(), |comparison| format!("{value} ({})", bare_ratio(comparison.ratio))),
    }
}
