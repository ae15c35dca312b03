//! The drift of the host's speed during a run.

use std::collections::BTreeMap;

use crate::rows::Row;
use crate::rows::row::HOST;
use crate::statistics::quantile;
use crate::words::units;

/// A host with a larger spread counts as drifting. The value, a twentieth, is chosen and not
/// derived: differences between models that matter are larger, and a calm machine stays below.
pub const DRIFT: f64 = 0.05;

/// The results of the fixed loop that ran between the blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The median duration, in nanoseconds.
    pub median_ns: f64,
    /// The distance from the 5th to the 95th percentile of the blocks, as a part of the median.
    /// With fewer than 20 blocks it is the distance from the least to the greatest.
    pub spread: f64,
    /// How much slower the last third of the blocks was than the first, as a part of it.
    pub trend: f64,
    /// The median duration before each block, in nanoseconds, in order of time.
    pub blocks_ns: Vec<f64>,
}

impl Calibration {
    pub(super) fn of(rows: &[Row]) -> Option<Self> {
        let rows = rows.iter().filter(|row| row.executor == HOST && row.phase == "calibration");
        let mut blocks: BTreeMap<(u32, u64), Vec<f64>> = BTreeMap::new();
        for row in rows.filter(|row| row.metric == "duration_ns") {
            blocks.entry((row.repetition, row.sample)).or_default().push(row.value as f64);
        }
        let medians: Vec<f64> = blocks.into_values().filter_map(median).collect();
        let third = medians.len() / 3;
        let mut sorted = medians.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |part| quantile(&sorted, part);
        let median_ns = at(0.5).filter(|median| *median > 0.0)?;
        let ends = median(medians[..third].to_vec()).zip(median(medians[medians.len() - third..].to_vec()));
        Some(Self {
            median_ns,
            spread: (at(0.95)? - at(0.05)?) / median_ns,
            trend: ends
                .map(|(first, last)| last / first - 1.0)
                .filter(|trend| trend.is_finite())
                .unwrap_or_default(),
            blocks_ns: medians,
        })
    }

    /// Whether the host's speed drifted.
    pub fn is_drifting(&self) -> bool {
        self.spread > DRIFT
    }

    /// A warning for readers, if the host drifted.
    pub fn warning(&self) -> Option<String> {
        let than = if self.trend < 0.0 { "less" } else { "more" };
        self.is_drifting().then(|| {
            format!(
                "the host's speed drifted: a calibration loop varied by {}, and took {} {than} time in the last \
                 third of the run than in the first",
                units::percent(self.spread),
                units::percent(self.trend.abs()),
            )
        })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(durations: &[u64]) -> Vec<Row> {
        let row = |(sample, value): (usize, &u64)| Row {
            executor: HOST.into(),
            phase: "calibration".into(),
            metric: "duration_ns".into(),
            sample: sample as u64,
            value: *value,
            ..Row::default()
        };
        durations.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_host_that_slows_down_is_seen() {
        let calm = Calibration::of(&rows(&[1000, 1010, 1000, 990, 1000, 1000])).unwrap();
        assert!(!calm.is_drifting() && (calm.spread - 0.02).abs() < 1e-9, "{calm:?}");
        let slowing = Calibration::of(&rows(&[1000, 1000, 1050, 1050, 1100, 1100])).unwrap();
        assert!(slowing.is_drifting() && (slowing.trend - 0.1).abs() < 1e-9, "{slowing:?}");
        let warnings =
            [calm, slowing.clone(), Calibration { trend: -0.1, ..slowing }].map(|host| host.warning());
        let [None, Some(slowed), Some(sped)] = warnings else { panic!("{warnings:?}") };
        assert!(slowed.contains("10.0 % more") && sped.contains("10.0 % less"), "{slowed}, {sped}");
        assert_eq!(Calibration::of(&[]), None);
    }
}
