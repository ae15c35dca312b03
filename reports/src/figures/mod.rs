//! Reduces the rows of a run to figures.
//!
//! Every figure has a name, settings and a unit, and is in one list for each executor,
//! function and variant. Tables, charts, exports and comparisons all read that list. It has no
//! figures of experiments without rows.

pub(crate) mod comparison;
mod confinement;
mod cost;
mod family;
mod figure;
mod headline;
mod host;
mod latency;
mod loads;
mod memory;
mod phases;
mod samples;
mod saturation;
mod validity;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

pub(crate) use comparison::of_chance;
pub use comparison::{Comparison, ComparisonTally, Verdict};
pub use confinement::{Outcome, Outcomes};
pub use cost::FORMULA as PRICE_FORMULA;
pub(crate) use figure::MISFIT;
pub use figure::{DENSITY, Figure, HANDLES, MEMORY_HELD, MEMORY_SLOPE, Settings, Unit};
pub use host::{Calibration, DRIFT};
pub use saturation::SATURATED;
pub use validity::{InvalidCell, LATE_PART, LATENESS_PART, Validity, WINDOWS_PART, Watched};

use crate::rows::row::{Cold, HOST, Limit};
use crate::rows::run::Prices;
use crate::rows::{Row, Run, RunFolder};
use crate::statistics::discoveries::FALSE_DISCOVERIES;
use crate::statistics::{Bootstrap, Misfit};
use samples::Sorted;

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The content of `run.json`.
    pub run: Run,
    /// One group for each function and variant, by name.
    pub groups: Vec<Group>,
    /// The drift of the host; `None` if it was not watched.
    pub calibration: Option<Calibration>,
    /// Whether the load generator was in time.
    pub validity: Validity,
    /// The number of repetitions in the rows.
    pub repetitions: usize,
    /// Whether the rows keep whole distributions of latencies, which runs of older versions do not.
    pub has_distributions: bool,
}

/// The executors that ran one variant of one function: these may be compared.
#[derive(Clone, Debug)]
pub struct Group {
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// One entry for each executor that was measured, in the run's order.
    pub executors: Vec<Figures>,
    /// The greatest chance that counts as a difference in this run: see
    /// [`discoveries`](crate::statistics::discoveries).
    pub level: f64,
}

/// The figures of one executor in one group.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The executor, in short form.
    pub name: String,
    /// The spec with all its settings.
    pub spec: String,
    /// Its place among the executors of the run.
    pub place: usize,
    /// Whether it isolates nothing and serves only as a baseline.
    pub is_baseline: bool,
    /// Every figure, in the order of phases and experiments.
    pub figures: Vec<Figure>,
    /// The figures of the second, identical cell of an A/A pair; empty if there was none.
    pub twins: Vec<Figure>,
    /// The laps that were marked, each once, as `phase.lap` and in the order in which they came.
    pub laps: Vec<String>,
    /// The limits that ended the search for density, each once.
    pub limits: Vec<Limit>,
    /// The outcomes of its guests' attempts to reach the host; empty if they did not try.
    pub confinement: Outcomes,
    /// The highest count of invocations at which memory is compared: all executors of the group
    /// that have a slope have one there.
    pub invocations: Option<u64>,
}

impl Summary {
    /// Reduces the rows of a run.
    pub fn of(folder: &RunFolder) -> Self {
        let mut blocks: BTreeMap<(&str, &str, &str), Vec<&Row>> = BTreeMap::new();
        for row in folder.rows.iter().filter(|row| row.executor != HOST) {
            blocks.entry((&row.function, &row.variant, &row.executor)).or_default().push(row);
        }
        // The draws of a bootstrap do not depend on earlier draws: any number of them gives the
        // same figures.
        let figures =
            blocks.par_iter().map_init(Bootstrap::default, |bootstrap, ((function, variant, spec), rows)| {
                let place = folder.run.executors.iter().position(|executor| executor.spec == *spec)?;
                Some(((*function, *variant), Figures::of(&folder.run, place, rows, bootstrap)))
            });
        let mut groups: BTreeMap<(&str, &str), Vec<Figures>> = BTreeMap::new();
        for (group, figures) in figures.collect::<Vec<_>>().into_iter().flatten() {
            groups.entry(group).or_default().push(figures);
        }
        let groups = groups.into_iter().map(|((function, variant), mut executors)| {
            executors.sort_by_key(|figures| figures.place);
            let invocations = shared_invocations(&executors);
            for figures in &mut executors {
                figures.compare_memory(invocations, &folder.run.prices);
            }
            Group { function: function.to_owned(), variant: variant.to_owned(), executors, level: 0.0 }
        });
        let mut groups: Vec<Group> = groups.collect();
        let level = family::level(&groups);
        for group in &mut groups {
            group.level = level;
        }
        Self {
            groups,
            run: folder.run.clone(),
            calibration: Calibration::of(&folder.rows),
            has_distributions: folder.rows.iter().any(|row| row.histogram.is_some()),
            validity: Validity::of(&folder.rows),
            repetitions: folder.rows.iter().map(|row| row.repetition as usize + 1).max().unwrap_or_default(),
        }
    }

    /// The greatest chance that counts as a difference: see
    /// [`discoveries`](crate::statistics::discoveries).
    pub fn level(&self) -> f64 {
        self.groups.first().map_or(FALSE_DISCOVERIES, |group| group.level)
    }

    /// Reasons to distrust the run: a late load generator, the host's condition before the run,
    /// and its drift.
    pub fn host_warnings(&self) -> impl Iterator<Item = String> {
        let drift = self.calibration.as_ref().and_then(Calibration::warning);
        let generator = self.validity.warning(&self.run);
        generator.into_iter().chain(self.run.host_warnings.iter().cloned()).chain(drift)
    }

    /// The short name of an executor that is given by its full spec.
    pub fn short_name<'a>(&'a self, spec: &'a str) -> &'a str {
        self.run.short_name(spec)
    }
}

impl Group {
    /// Compares two figures of this group, as one of the run's many comparisons.
    pub fn compare(&self, figure: &Figure, other: &Figure) -> Option<Comparison> {
        Some(Comparison::of(figure, other)?.at(self.level))
    }

    /// The best of a figure among the executors that isolate.
    pub fn best<'a>(&'a self, pick: impl Fn(&'a Figures) -> Option<&'a Figure>) -> Option<&'a Figure> {
        let isolating = self.executors.iter().filter(|executor| !executor.is_baseline);
        isolating.filter_map(pick).min_by(|a, b| {
            let (a, b, is_less_better) = (a.estimate.value, b.estimate.value, a.is_less_better());
            if is_less_better { a.total_cmp(&b) } else { b.total_cmp(&a) }
        })
    }
}

impl Figures {
    fn of(run: &Run, place: usize, rows: &[&Row], bootstrap: &mut Bootstrap) -> Self {
        let executor = &run.executors[place];
        let (twins, firsts): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.twin == Some(true));
        let mut limits: Vec<Limit> = firsts.iter().filter_map(|row| row.limit).collect();
        limits.sort_unstable();
        limits.dedup();
        let confinement = confinement::outcomes(&firsts);
        let mut of_firsts = figures(&firsts, bootstrap);
        of_firsts.extend(confinement::figures(&confinement));
        Self {
            name: executor.name.clone(),
            spec: executor.spec.clone(),
            place,
            is_baseline: executor.is_baseline(),
            figures: of_firsts,
            twins: figures(&twins, bootstrap),
            laps: laps(&firsts),
            limits,
            confinement,
            invocations: None,
        }
    }

    /// Adds what depends on the count of invocations at which the group's memory is compared.
    fn compare_memory(&mut self, invocations: Option<u64>, prices: &Prices) {
        self.invocations = invocations;
        for figures in [&mut self.figures, &mut self.twins] {
            let prices = cost::figures(figures, invocations, prices);
            figures.extend(prices);
        }
    }

    /// The figure of this name and exactly these settings.
    pub fn figure(&self, name: &str, settings: &Settings) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name && figure.settings == *settings)
    }

    /// All figures of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Figure> {
        self.figures.iter().filter(move |figure| figure.name == name)
    }

    /// The median of `start`.
    pub fn start(&self) -> Option<&Figure> {
        self.figure("start_p50", &Settings::default())
    }

    /// The median of `prepare`, with the artifact cached or with nothing cached.
    pub fn prepare(&self, is_cached: bool) -> Option<&Figure> {
        self.figure("prepare_p50", &Settings { cached: Some(is_cached), ..Settings::default() })
    }

    /// The size of the artifact, which does not depend on whether it was cached.
    pub fn artifact(&self) -> Option<&Figure> {
        let cached = |is_cached| Settings { cached: Some(is_cached), ..Settings::default() };
        [true, false].iter().find_map(|it| self.figure("prepare_artifact_p50", &cached(*it)))
    }

    /// The median of cold responses, as a client sees them.
    pub fn cold_answer(&self, cold: Cold, cached: Option<bool>) -> Option<&Figure> {
        self.figure("response_p50", &Settings::cold(cold, cached))
    }

    /// The median of warm responses, as a client sees them.
    pub fn warm_answer(&self) -> Option<&Figure> {
        self.figure("response_p50", &Settings { reuse: Some("warm".into()), ..Settings::default() })
    }

    /// Every headline figure of an A/A pair: that of the first cell, that of the second, and the
    /// second compared with the first.
    pub fn pairs(&self) -> impl Iterator<Item = (&Figure, &Figure, Comparison)> {
        self.figures.iter().filter(|figure| figure.is_headline()).filter_map(|first| {
            let is_twin = |second: &&Figure| second.name == first.name && second.settings == first.settings;
            let second = self.twins.iter().find(is_twin)?;
            Some((first, second, Comparison::of(second, first)?))
        })
    }

    /// The host's memory for one more live instance, after as many invocations as all executors of
    /// the group share.
    pub fn memory(&self) -> Option<&Figure> {
        let invocations = self.invocations.filter(|_| self.named(MEMORY_SLOPE).next().is_some());
        self.figure(MEMORY_SLOPE, &Settings { invocations: Some(invocations?), ..Settings::default() })
    }

    /// How far the line of memory after this count of invocations lies from its points, and at how
    /// many live instances.
    pub fn misfit(&self, invocations: Option<u64>) -> Option<Misfit> {
        let residual = self.named(MISFIT).find(|figure| figure.settings.invocations == invocations)?;
        let chance = self.figure("memory_misfit_chance", &residual.settings);
        Some(Misfit {
            at: residual.settings.live_instances? as f64,
            part: residual.estimate.value,
            chance: chance.map(|chance| chance.estimate.value),
        })
    }

    /// The highest rate under a reuse policy.
    pub fn best_rate(&self, reuse: &str) -> Option<&Figure> {
        let rates = self.named("load_rate").filter(|figure| figure.settings.reuse.as_deref() == Some(reuse));
        rates.max_by(|a, b| a.estimate.value.total_cmp(&b.estimate.value))
    }
}

/// The laps of all phases, each once, in the order in which they came.
fn laps(rows: &[&Row]) -> Vec<String> {
    let mut laps: Vec<&str> = Vec::new();
    for lap in rows.iter().map(|row| row.phase.as_str()).filter(|phase| phase.contains('.')) {
        if !laps.contains(&lap) {
            laps.push(lap);
        }
    }
    laps.into_iter().map(Into::into).collect()
}

/// The highest count of invocations after which every executor with a slope of memory has one.
fn shared_invocations(executors: &[Figures]) -> Option<u64> {
    let counts = |figures: &Figures| -> BTreeSet<u64> {
        figures.named(MEMORY_SLOPE).filter_map(|slope| slope.settings.invocations).collect()
    };
    let counts = executors.iter().map(counts).filter(|counts| !counts.is_empty());
    counts.reduce(|shared, counts| &shared & &counts)?.into_iter().max()
}

fn figures(rows: &[&Row], bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let sorted = Sorted::of(rows);
    let mut figures = phases::figures(&sorted, bootstrap);
    figures.extend(memory::figures(&sorted, bootstrap));
    figures.extend(loads::figures(&sorted, bootstrap));
    figures
}
