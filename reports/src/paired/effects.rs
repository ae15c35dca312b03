//! The effects of pairs, from rows.

use std::collections::BTreeMap;

use super::metric::{CONNECTIONS, PairedMetric, WindowValues};
use crate::rows::Row;
use crate::rows::row::Side;
use crate::statistics::{hodges_lehmann, quantile};

/// The experiment's name in [`Row::phase`].
pub const PHASE: &str = "compare";

/// The windows of a quad.
pub const WINDOWS: u64 = 4;

/// The effect of each pair of processes, in the order in which they were measured: the logarithm
/// of the second side's value over the first's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairEffects {
    /// One effect for each pair that has a complete quad.
    pub effects: Vec<f64>,
    /// Complete quads, of all pairs.
    pub quads: usize,
    /// The median value of each side's windows, of the first side and of the second.
    pub levels: [Option<f64>; 2],
}

impl PairEffects {
    /// From the rows of a comparison. Incomplete quads, as an interrupt leaves them, do not count.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>, metric: PairedMetric) -> Self {
        let mut pairs: BTreeMap<u64, BTreeMap<u64, Quad>> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.phase == PHASE) {
            if let (Some(pair), Some(order), Some(side)) = (row.pair, row.order, row.side) {
                let quad = pairs.entry(pair).or_default().entry(row.sample).or_default();
                let window = quad.windows.entry(order).or_insert_with(|| (side, WindowValues::new()));
                window.1.insert(row.metric.clone(), row.value);
                window.1.extend(row.connections.map(|connections| (CONNECTIONS.to_owned(), connections)));
            }
        }
        let mut all = Self { levels: SIDES.map(|side| level(&pairs, side, metric)), ..Self::default() };
        for quads in pairs.into_values() {
            let effects: Vec<f64> = quads.values().filter_map(|quad| quad.effect(metric)).collect();
            all.add(&effects);
        }
        all
    }

    /// Adds a pair with these effects of its quads.
    pub fn add(&mut self, quads: &[f64]) {
        self.effects.extend(hodges_lehmann(quads));
        self.quads += quads.len();
    }
}

const SIDES: [Side; 2] = [Side::First, Side::Second];

/// The median value of a side's windows.
fn level(pairs: &BTreeMap<u64, BTreeMap<u64, Quad>>, side: Side, metric: PairedMetric) -> Option<f64> {
    let windows = pairs.values().flat_map(BTreeMap::values).flat_map(|quad| quad.windows.values());
    let of_side = windows.filter(|(found, _)| *found == side);
    let mut values: Vec<f64> = of_side.filter_map(|(_, values)| metric.of(values)).collect();
    values.sort_unstable_by(f64::total_cmp);
    quantile(&values, 0.5)
}

/// Four windows, by their order.
#[derive(Debug, Default)]
struct Quad {
    windows: BTreeMap<u64, (Side, WindowValues)>,
}

impl Quad {
    /// `None` if a window is missing or has no value.
    fn effect(&self, metric: PairedMetric) -> Option<f64> {
        let logarithms = |wanted: Side| -> Option<[f64; 2]> {
            let windows = self.windows.values().filter(|(side, _)| *side == wanted);
            let values: Option<Vec<f64>> =
                windows.map(|(_, values)| metric.of(values).map(f64::ln)).collect();
            values?.try_into().ok()
        };
        let [first, second] = [logarithms(Side::First)?, logarithms(Side::Second)?];
        Some((second[0] + second[1] - first[0] - first[1]) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pair: u64, quad: u64, rates: [(Side, u64); 4]) -> Vec<Row> {
        let window = |(order, (side, rate)): (u64, (Side, u64))| {
            let row = |metric: &str, value| Row {
                phase: PHASE.into(),
                metric: metric.into(),
                pair: Some(pair),
                side: Some(side),
                order: Some(order),
                sample: quad,
                value,
                connections: Some(1_000),
                ..Row::default()
            };
            [row("responses_count", rate), row("latency_typical_ns", 1_000_000_000_000 / rate)]
        };
        (0..).zip(rates).flat_map(window).collect()
    }

    use Side::{First as A, Second as B};

    #[test]
    fn a_steady_drift_cancels_within_a_quad() {
        // The host slows down by the same factor from window to window, and B is 3 % slower.
        let slower = |rate: f64, factor: f64| (rate * factor).round() as u64;
        let at = |step: i32| 1e5 * 0.9f64.powi(step);
        let quad = [
            (A, slower(at(0), 1.0)),
            (B, slower(at(1), 0.97)),
            (B, slower(at(2), 0.97)),
            (A, slower(at(3), 1.0)),
        ];
        let effects = PairEffects::of(&rows(0, 0, quad), PairedMetric::Rate);
        assert!((effects.effects[0] - 0.97f64.ln()).abs() < 1e-4, "{effects:?}");
    }

    #[test]
    fn a_pair_has_one_effect_and_incomplete_quads_do_not_count() {
        let whole = [(B, 200), (A, 100), (A, 100), (B, 200)];
        let mut all = [rows(0, 0, whole), rows(0, 1, whole), rows(1, 0, whole), rows(1, 1, whole)].concat();
        all.truncate(all.len() - 2);
        let calibration = Row { phase: "calibration".into(), ..all[0].clone() };
        all.push(calibration);
        let effects = PairEffects::of(&all, PairedMetric::Rate);
        assert_eq!(
            (effects.effects.len(), effects.quads, effects.levels),
            (2, 3, [Some(100.0), Some(200.0)])
        );
        assert!(effects.effects.iter().all(|effect| (effect - 2.0f64.ln()).abs() < 1e-12));
        assert_eq!(PairEffects::of(&all, PairedMetric::Start), PairEffects::default());
    }
}
