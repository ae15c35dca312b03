//! Figures of phases, laps and responses.

use std::sync::Arc;

use super::samples::Sorted;
use super::{Figure, Unit};
use crate::statistics::{Bootstrap, Outliers};

/// The quantiles of a phase and of a response.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

pub(super) fn figures(sorted: &Sorted<'_>, bootstrap: &mut Bootstrap) -> Vec<Figure> {
    let mut figures = Vec::new();
    for ((key, metric), series) in &sorted.series {
        let samples = Arc::new(series.samples());
        let (unit, subject) = match *metric {
            "duration_ns" => (Unit::Nanoseconds, key.phase.to_owned()),
            "artifact_bytes" => (Unit::Bytes, format!("{}_artifact", key.phase)),
            _ => continue,
        };
        // Laps only explain medians.
        let has_tail = !key.phase.contains('.') && key.phase != "prepare";
        let quantiles = if has_tail { &QUANTILES[..] } else { &QUANTILES[..1] };
        let outliers = Outliers::of(&samples);
        for (name, at) in quantiles {
            let Some(estimate) = bootstrap.estimate(&samples, *at) else { continue };
            figures.push(Figure {
                name: format!("{subject}_{name}"),
                settings: key.settings(),
                unit,
                estimate,
                // The quantiles share their samples, so outliers are counted once.
                outliers: (*name == "p50").then_some(outliers),
                is_bound: false,
                samples: Arc::clone(&samples),
            });
        }
    }
    figures
}
