//! Rows by what they are of, so that each chart finds its own quickly.

use std::collections::{BTreeMap, HashMap};

use super::Sampled;
use crate::rows::row::HOST;
use crate::rows::{Row, RunFolder};
use crate::statistics::quantile;
use crate::words;

/// All rows of a run, in order.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    /// The executors of the run.
    pub(crate) models: Vec<Model>,
    /// Functions and variants that were measured, by name.
    pub(crate) groups: Vec<Group<'a>>,
    /// What was measured of the machine itself.
    pub(crate) host: Vec<&'a Row>,
}

/// An executor of the run.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// In short form.
    pub(crate) name: String,
    /// Which isolation model it is.
    pub(crate) isolation: String,
    /// Whether it isolates nothing and is only there to compare with.
    pub(crate) is_baseline: bool,
    /// Its colour and marker, the same in every chart.
    pub(crate) slot: u8,
}

/// One function in one variant: what may be compared.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    function: &'a str,
    variant: &'a str,
    /// By place in [`Index::models`] and phase. Twins are left out: the summary has them.
    rows: HashMap<(usize, &'a str), Vec<&'a Row>>,
}

impl<'a> Index<'a> {
    pub(crate) fn of(folder: &'a RunFolder) -> Self {
        let executors = &folder.run.executors;
        let by_spec: HashMap<&str, usize> =
            executors.iter().enumerate().map(|(place, executor)| (executor.spec.as_str(), place)).collect();
        let mut groups: BTreeMap<(&str, &str), Group<'_>> = BTreeMap::new();
        let mut host = Vec::new();
        for row in &folder.rows {
            if row.executor == HOST {
                host.push(row);
            }
            let Some(model) = by_spec.get(row.executor.as_str()) else { continue };
            if row.twin == Some(true) {
                continue;
            }
            let group = groups.entry((&row.function, &row.variant)).or_insert_with(|| Group {
                function: &row.function,
                variant: &row.variant,
                rows: HashMap::new(),
            });
            group.rows.entry((*model, row.phase.as_str())).or_default().push(row);
        }
        let slots = slots(executors.iter().map(|executor| executor.name.as_str()));
        let models = executors.iter().zip(slots).map(|(executor, slot)| Model {
            name: executor.name.clone(),
            isolation: executor.model.clone(),
            is_baseline: executor.is_baseline(),
            slot,
        });
        Self { models: models.collect(), groups: groups.into_values().collect(), host }
    }

    /// The reuse policies that rows of a phase have: `fresh` first, then by name.
    pub(crate) fn reuses(&self, phase: &str) -> Vec<&'a str> {
        let rows = self.groups.iter().flat_map(|group| {
            group.rows.iter().filter(|((_, of), _)| *of == phase).flat_map(|(_, rows)| rows)
        });
        let mut reuses: Vec<_> = rows.filter_map(|row| row.reuse.as_deref()).collect();
        reuses.sort_unstable_by_key(|reuse| (*reuse != "fresh", *reuse));
        reuses.dedup();
        reuses
    }
}

/// Slots of names: the well-known ones have their own in every run, what else there is
/// takes the free ones in turn.
fn slots<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    const KNOWN: [&str; 5] = ["direct", "wasm", "v8", "docker", "process"];
    const LAST: u8 = 9;
    let mut free = (KNOWN.len() as u8 + 1..=LAST).cycle();
    let known = |name: &str| KNOWN.iter().position(|known| *known == name).map(|place| place as u8 + 1);
    names.map(|name| known(name).or_else(|| free.next()).unwrap_or(LAST)).collect()
}

impl<'a> Group<'a> {
    /// Function and variant, as a heading.
    pub(crate) fn title(&self) -> String {
        words::title(self.function, self.variant)
    }

    /// The rows of an executor's phase.
    pub(crate) fn rows(&self, model: usize, phase: &str) -> &[&'a Row] {
        // A key with the map's lifetime cannot be made of any `phase`; there are few keys.
        let found = self.rows.iter().find(|((of, name), _)| *of == model && *name == phase);
        found.map_or(&[], |(_, rows)| rows)
    }

    /// The names of a phase's laps, in the order in which they came.
    pub(crate) fn laps(&self, model: usize, phase: &str) -> Vec<&'a str> {
        let laps = self.rows.iter().filter(|((of, lap), _)| {
            *of == model && lap.strip_prefix(phase).is_some_and(|rest| rest.starts_with('.'))
        });
        // Rows lie in one slice, so their addresses tell their order.
        let mut laps: Vec<_> = laps.map(|((_, lap), rows)| (std::ptr::from_ref(rows[0]), *lap)).collect();
        laps.sort_unstable();
        laps.into_iter().map(|(_, lap)| lap).collect()
    }
}

/// The median of a metric over rows.
pub(crate) fn median<'a>(rows: impl IntoIterator<Item = &'a Row>, metric: &str) -> Option<Sampled> {
    let rows = rows.into_iter().filter(|row| row.metric == metric);
    Sampled::of(&rows.map(|row| row.value as f64).collect::<Vec<_>>())
}

impl Sampled {
    /// The median of `samples`; `None` of none.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self { value: quantile(&sorted, 0.5)?, samples: sorted.len() })
    }
}

/// The numbers of one window of a load, by metric.
#[derive(Debug, Default)]
pub(crate) struct Window<'a>(BTreeMap<&'a str, f64>);

impl Window<'_> {
    pub(crate) fn get(&self, metric: &str) -> Option<f64> {
        self.0.get(metric).copied()
    }

    /// Right answers in a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        let seconds = self.get("duration_ns")? / 1e9;
        Some(self.get("responses_count")? / seconds).filter(|rate| rate.is_finite())
    }
}

/// Rows by what tells loads apart, and then by window.
pub(crate) fn windows<'a>(
    rows: &[&'a Row],
    of: impl Fn(&Row) -> Option<u64>,
) -> BTreeMap<u64, Vec<Window<'a>>> {
    let mut found: BTreeMap<u64, BTreeMap<(u32, u64), Window<'a>>> = BTreeMap::new();
    for row in rows {
        if let Some(load) = of(row) {
            let window = found.entry(load).or_default().entry((row.repetition, row.sample)).or_default();
            window.0.insert(&row.metric, row.value as f64);
        }
    }
    found.into_iter().map(|(load, windows)| (load, windows.into_values().collect())).collect()
}

/// The median over windows of what each comes to.
pub(crate) fn over<'a>(
    windows: &[Window<'a>],
    figure: impl Fn(&Window<'a>) -> Option<f64>,
) -> Option<Sampled> {
    Sampled::of(&windows.iter().filter_map(figure).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::slots;

    #[test]
    fn an_executor_has_its_colour_in_every_run() {
        assert_eq!(slots(["docker", "wasm"].into_iter()), [4, 2]);
        assert_eq!(slots(["wasm:compiler=winch", "wasm", "v8:snapshot=off"].into_iter()), [6, 2, 7]);
    }
}
