//! The executors of one group side by side, with verdicts.

use super::cells::{bare_ratio, verdict};
use super::code;
use super::memory::after;
use super::{NONE, Section, Table};
use crate::figures::{Comparison, Figure, Figures, Group, Verdict};
use crate::rows::row::Cold;

/// Finds the figure of a column.
type Pick = fn(&Figures) -> Option<&Figure>;

/// The column whose head names a count of invocations.
const MEMORY: &str = "memory per live instance";

/// The figures that compare executors.
const COLUMNS: [(&str, Pick); 6] = [
    ("start", Figures::start),
    ("first answer", |executor| executor.cold_answer(Cold::Instance, None)),
    (MEMORY, Figures::memory),
    ("requests/s, fresh", |executor| executor.best_rate("fresh")),
    ("requests/s, warm", |executor| executor.best_rate("warm")),
    ("CPU per request, warm", |executor| {
        let rate = executor.best_rate("warm")?;
        executor.figure("load_cpu", &rate.settings)
    }),
];

/// The overviews of all groups.
pub(super) fn section(groups: &[Group]) -> Section {
    let tables: Vec<Table> = groups.iter().map(table).filter(|table| !table.lines.is_empty()).collect();
    let mut lead = COLUMNS_EXPLAINED.to_owned();
    if groups.iter().flat_map(comparisons).any(|comparison| comparison.verdict != Verdict::Unknown) {
        lead.push_str(VERDICTS);
    }
    Section { title: "All functions side by side".into(), lead, tables }
}

const COLUMNS_EXPLAINED: &str = "`start` is the time until a new instance of a prepared function can answer. \
`first answer` is what a client waits for such an instance and its answer. `memory per live instance` is what the \
host pays for one more instance. Executors are compared after the same count of invocations, which the head names. `requests/s` counts right answers \
at the number of connections with the highest rate: `fresh` starts an instance for each request, `warm` uses \
instances again. `CPU per request` is that of the server, its containers and their helpers. Each cell holds the \
median and its ratio to the best executor that isolates (in bold). The tables further below have the intervals.";

const VERDICTS: &str = " A verdict stands behind each ratio.";

fn table(group: &Group) -> Table {
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|(_, pick)| group.executors.iter().any(|executor| pick(executor).is_some()))
        .collect();
    let best: Vec<Option<&Figure>> = columns.iter().map(|(_, pick)| group.best(pick)).collect();
    let line = |executor: &Figures| {
        let cells = columns.iter().zip(&best).map(|((_, pick), best)| cell(group, pick(executor), *best));
        std::iter::once(code(executor)).chain(cells).collect()
    };
    Table {
        name: "overview",
        title: super::title(group),
        head: std::iter::once("executor")
            .map(str::to_owned)
            .chain(
                columns.iter().map(
                    |(name, _)| {
                        if *name == MEMORY { after(name, &[group]) } else { (*name).to_owned() }
                    },
                ),
            )
            .collect(),
        names: 1,
        lines: if columns.is_empty() { Vec::new() } else { group.executors.iter().map(line).collect() },
        note: String::new(),
        is_detail: false,
    }
}

/// All comparisons of the overview.
pub(super) fn comparisons(group: &Group) -> impl Iterator<Item = Comparison> {
    COLUMNS
        .iter()
        .flat_map(move |(_, pick)| {
            let best = group.best(pick);
            let others =
                group.executors.iter().filter_map(pick).filter_map(move |figure| Some((figure, best?)));
            others.filter(|(figure, best)| !std::ptr::eq(*figure, *best))
        })
        .filter_map(move |(figure, best)| group.compare(figure, best))
}

fn cell(group: &Group, figure: Option<&Figure>, best: Option<&Figure>) -> String {
    let Some(figure) = figure else { return NONE.into() };
    let value = figure.show(figure.estimate.value);
    let Some(best) = best else { return value };
    if std::ptr::eq(figure, best) {
        return format!("**{value}**");
    }
    match group.compare(figure, best) {
        None => value,
        Some(comparison) if comparison.verdict == Verdict::Unknown => {
            format!("{value}, {}", bare_ratio(comparison.ratio))
        }
        Some(comparison) if comparison.verdict == Verdict::NoDifference => {
            format!("{value}, {}", verdict(&comparison))
        }
        Some(comparison) => {
            format!("{value}, {} {}", bare_ratio(comparison.factor()), comparison.words())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::against;
    use super::*;
    use crate::figures::Unit;
    use crate::figures::comparison::tests::figure;

    #[test]
    fn a_factor_points_where_its_word_does() {
        let of = |name, unit, values: [f64; 2]| {
            let [value, best] = values.map(|value| figure(name, unit, value));
            let group = Group {
                function: "hello".into(),
                variant: "rust".into(),
                executors: Vec::new(),
                level: 0.05,
            };
            [cell(&group, Some(&value), Some(&best)), against(&group, Some(&value), Some(&best))]
        };
        assert_eq!(
            of("start_p50", Unit::Nanoseconds, [500.0, 20_000.0]),
            ["500 ns, 40.0× faster", "40.0× [40.0, 40.0] faster"]
        );
        assert_eq!(
            of("start_p50", Unit::Nanoseconds, [20_000.0, 500.0]),
            ["20.0 µs, 40.0× slower", "40.0× [40.0, 40.0] slower"]
        );
        assert_eq!(
            of("load_rate", Unit::PerSecond, [50.0, 2_000.0]),
            ["50.0, 40.0× slower", "40.0× [40.0, 40.0] slower"]
        );
        assert_eq!(
            of("load_rate", Unit::PerSecond, [2_000.0, 50.0]),
            ["2,000, 40.0× faster", "40.0× [40.0, 40.0] faster"]
        );
        assert_eq!(
            of("memory_slope", Unit::Bytes, [1024.0, 4096.0]),
            ["1.00 KiB, 4.00× less", "4.00× [4.00, 4.00] less"]
        );
    }
}
