//! A finding as a sentence.

use super::{Finding, Paired, PairedMetric, PairedResult};
use crate::rows::Run;
use crate::statistics::{Interval, Ratio};
use crate::words::precision::significant;
use crate::words::units;

/// From this factor on, a difference is told as a factor and not in percent.
const FACTOR: f64 = 2.0;

/// An idle server that uses more than this part of the time may disturb the loaded one.
const IDLE: f64 = 0.005;
/// From this part on, the lines mention a neighbour on the processor.
const WAITED: f64 = 0.02;

/// A comparison in lines for people: the finding first, then what it rests on.
pub fn lines(paired: &Paired, run: &Run) -> Vec<String> {
    let Some(compared) = &run.comparison else { return Vec::new() };
    let [first, second] = [&compared.sides[0].label, &compared.sides[1].label];
    let (metric, elapsed) = (paired.metric, units::duration(compared.elapsed_ms as f64 * 1e6));
    let mut lines = vec![sentence(&paired.result, metric, second, &elapsed)];
    if let [Some(one), Some(other)] = paired.levels {
        let [one, other] = [one, other].map(|level| metric.in_words(level));
        lines.push(format!("{metric}: {first} {one}, {second} {other} (medians over all windows)"));
    }
    let (pairs, quads) = (paired.result.pairs, paired.result.quads);
    lines.push(format!(
        "{quads} quads of windows over {pairs} pairs of processes in {elapsed}; seed {}",
        run.seed
    ));
    let instructions = paired.instructions.filter(|_| metric != PairedMetric::Instructions);
    lines.extend(instructions.map(|result| sentence(&result, PairedMetric::Instructions, second, &elapsed)));
    lines
        .extend(compared.uncounted.as_ref().map(|reason| format!("instructions were not counted: {reason}")));
    if let [Some(one), Some(other)] = paired.throughputs {
        let [one, other] = [one, other].map(units::rate);
        lines.push(format!(
            "all answers over all time, interruptions included: {first} {one}/s, {second} {other}/s"
        ));
    }
    let waited = paired.waited.filter(|part| *part > WAITED);
    lines.extend(waited.map(|part| {
        format!(
            "the loaded server waited {} of the time for its processor: a neighbour used it",
            units::percent(part)
        )
    }));
    let idle = paired.idle.filter(|part| *part > IDLE);
    lines.extend(idle.map(|part| {
        format!(
            "warning: the server that was not loaded used {} of the time; it may disturb the other",
            units::percent(part)
        )
    }));
    lines
}

/// The finding in a sentence: `NEW is 3.1 % slower (2.2 to 4.0 %)`. `name` is that of the second
/// side, and `elapsed` the time that the comparison took, in words.
pub fn sentence(result: &PairedResult, metric: PairedMetric, name: &str, elapsed: &str) -> String {
    let margin = significant(100.0 * result.margin(), 2);
    let Some(Ratio { value, interval: Some(interval) }) = result.ratio else {
        let pairs = result.pairs;
        return format!("undecided after {elapsed}: {pairs} pairs of processes are too few for an interval");
    };
    let decimals = decimals(interval);
    let [low, high] = [interval.low, interval.high].map(|end| change(end, metric, decimals));
    match result.finding {
        Finding::Difference => difference(value, interval, metric, name),
        Finding::NoDifference => {
            format!("no difference larger than {margin} % ({name}: {low} to {high})")
        }
        Finding::Undecided => format!("undecided after {elapsed}: {name} {} {low} to {high}", verb(metric)),
    }
}

fn difference(value: f64, interval: Interval, metric: PairedMetric, name: &str) -> String {
    let comparative = comparative(value, metric);
    if value >= FACTOR || value <= 1.0 / FACTOR {
        let turn = |ratio: f64| significant(if value < 1.0 { ratio.recip() } else { ratio }, 3);
        let mut ends = [turn(interval.low), turn(interval.high)];
        if value < 1.0 {
            ends.reverse();
        }
        return format!(
            "{name} {} {comparative} ({} to {} times)",
            times(metric, &turn(value)),
            ends[0],
            ends[1]
        );
    }
    let decimals = decimals(interval);
    let part = |ratio: f64| format!("{:.*}", decimals, 100.0 * (ratio - 1.0).abs());
    let mut ends = [part(interval.low), part(interval.high)];
    if value < 1.0 {
        ends.reverse();
    }
    format!("{name} {} {} % {comparative} ({} to {} %)", verb(metric), part(value), ends[0], ends[1])
}

/// One end of an interval: `0.4 % faster`.
fn change(ratio: f64, metric: PairedMetric, decimals: usize) -> String {
    format!("{:.*} % {}", decimals, 100.0 * (ratio - 1.0).abs(), comparative(ratio, metric))
}

/// Decimals of a percentage whose interval this is: two digits of half its width.
fn decimals(Interval { low, high }: Interval) -> usize {
    match 50.0 * (high - low) {
        half if half >= 0.1 => 1,
        half if half >= 0.01 => 2,
        _ => 3,
    }
}

fn verb(metric: PairedMetric) -> &'static str {
    match metric {
        PairedMetric::Rate | PairedMetric::Latency => "is",
        PairedMetric::Start => "starts",
        PairedMetric::Cpu => "uses",
        PairedMetric::Instructions => "executes",
    }
}

fn times(metric: PairedMetric, factor: &str) -> String {
    format!("{} {factor} times", verb(metric))
}

fn comparative(ratio: f64, metric: PairedMetric) -> &'static str {
    let is_more = ratio >= 1.0;
    match metric {
        PairedMetric::Rate | PairedMetric::Latency | PairedMetric::Start => {
            if is_more == metric.is_less_better() { "slower" } else { "faster" }
        }
        PairedMetric::Cpu => {
            if is_more {
                "more CPU time"
            } else {
                "less CPU time"
            }
        }
        PairedMetric::Instructions => {
            if is_more {
                "more instructions"
            } else {
                "fewer instructions"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paired::{Aim, PairEffects};

    fn of(metric: PairedMetric, effects: [f64; 6]) -> String {
        let mut pairs = PairEffects::default();
        for effect in effects {
            pairs.add(&[effect]);
        }
        sentence(&PairedResult::of(&pairs, Aim { margin: 0.015 }), metric, "NEW", "10 min")
    }

    #[test]
    fn every_finding_has_its_sentence() {
        let around =
            |middle: f64, scatter: f64| [-1.0, 1.0, 0.5, -0.5, 0.2, -0.2].map(|part| middle + part * scatter);
        let texts = [
            of(PairedMetric::Rate, around(-0.031, 0.004)),
            of(PairedMetric::Rate, around(0.001, 0.004)),
            of(PairedMetric::Rate, around(0.001, 0.02)),
            of(PairedMetric::Latency, around(0.031, 0.004)),
            of(PairedMetric::Cpu, around(0.031, 0.0004)),
            of(PairedMetric::Start, around(-0.31, 0.01)),
            of(PairedMetric::Rate, around(-3.0, 0.01)),
            of(PairedMetric::Instructions, around(0.9, 0.01)),
        ];
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn too_few_pairs_are_said() {
        let mut pairs = PairEffects::default();
        pairs.add(&[0.1]);
        let result = PairedResult::of(&pairs, Aim { margin: 0.015 });
        assert!(
            sentence(&result, PairedMetric::Rate, "NEW", "5 s").contains("1 pairs of processes are too few")
        );
    }
}
