//! Percentiles of latencies: from the merged distributions of a repetition's windows.

use std::collections::BTreeMap;

use super::samples::{Histograms, Windows, each};
use super::{Figure, Settings, Unit};
use crate::rows::row::LATENCIES;
use crate::statistics::{Bootstrap, Distribution, Estimate, carries};

/// The percentiles that only show the shape of a distribution. They have no intervals.
const SHAPE: [&str; 4] = ["p10", "p25", "p75", "p95"];

/// One distribution for each repetition. `without` says how many requests of a repetition have
/// no latency, because they were dropped: they count as slower than all others.
pub(super) fn merged(histograms: &Histograms<'_>, without: impl Fn(u32) -> u64) -> Vec<Distribution> {
    let merged = histograms.iter().map(|(repetition, windows)| {
        let buckets = windows.iter().flat_map(|window| window.buckets());
        let buckets = buckets.map(|bucket| (bucket.low, bucket.high - bucket.low + 1, bucket.count));
        Distribution::of(buckets, without(*repetition))
    });
    merged.filter(|distribution| distribution.count() > 0.0).collect()
}

/// Every percentile of the distributions that their samples carry, and their greatest value.
pub(super) fn figures(
    name: &str,
    settings: &Settings,
    repetitions: &[Distribution],
    bootstrap: &mut Bootstrap,
) -> Vec<Figure> {
    let percentile = |(point, at): &(&str, f64)| {
        let estimate = match *point {
            "max" => greatest(repetitions)?,
            point if SHAPE.contains(&point) => shape(repetitions, *at)?,
            _ => bootstrap.quantile(repetitions, *at)?,
        };
        Some(Figure::derived(format!("{name}_{point}"), settings.clone(), Unit::Nanoseconds, estimate))
    };
    LATENCIES.iter().filter_map(percentile).collect()
}

fn greatest(repetitions: &[Distribution]) -> Option<Estimate> {
    let greatest: Option<Vec<f64>> = repetitions.iter().map(Distribution::greatest).collect();
    let greatest = greatest?.into_iter().max_by(f64::total_cmp)?;
    Some(Estimate::without_interval(greatest, count(repetitions), repetitions.len()))
}

fn shape(repetitions: &[Distribution], at: f64) -> Option<Estimate> {
    let is_carried = repetitions.iter().all(|one| carries(one.count(), at));
    let quantiles: Option<Vec<f64>> = repetitions.iter().map(|one| one.quantile(at)).collect();
    let quantiles = quantiles.filter(|quantiles| is_carried && !quantiles.is_empty())?;
    let mean = quantiles.iter().sum::<f64>() / quantiles.len() as f64;
    Some(Estimate::without_interval(mean, count(repetitions), repetitions.len()))
}

fn count(repetitions: &[Distribution]) -> usize {
    repetitions.iter().map(Distribution::count).sum::<f64>() as usize
}

/// The percentiles of a run without distributions: medians of the windows' percentiles, where
/// every window alone carries them.
pub(super) fn of_windows(
    name: &str,
    kind: &str,
    settings: &Settings,
    windows: &Windows<'_>,
    bootstrap: &mut Bootstrap,
) -> Vec<Figure> {
    let answers = each(windows, |window| window.get("responses_count").copied());
    let fewest = answers.iter().min_by(f64::total_cmp).unwrap_or_default();
    let mut figures = Vec::new();
    for (point, at) in LATENCIES {
        let metric = format!("{kind}_{point}_ns");
        let samples = each(windows, |window| window.get(metric.as_str()).copied());
        let name = format!("{name}_{point}");
        if at >= 1.0 {
            let Some(greatest) = samples.iter().max_by(f64::total_cmp) else { continue };
            let (count, repetitions) = (answers.iter().sum::<f64>() as usize, samples.repetitions().len());
            let estimate = Estimate::without_interval(greatest, count, repetitions);
            figures.push(Figure::derived(name, settings.clone(), Unit::Nanoseconds, estimate));
        } else if carries(fewest, at) {
            let settings = settings.clone();
            figures.extend(Figure::median(name, settings, Unit::Nanoseconds, samples, bootstrap));
        }
    }
    figures
}

/// The sum of a number over the windows of each repetition.
pub(super) fn sums(windows: &Windows<'_>, metric: &str) -> BTreeMap<u32, f64> {
    let mut sums = BTreeMap::new();
    for ((repetition, _), window) in windows {
        *sums.entry(*repetition).or_default() += window.get(metric).copied().unwrap_or_default();
    }
    sums
}
