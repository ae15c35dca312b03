//! The statistics against a known truth: simulated runs whose noise is known.
//!
//! Seeds are fixed, so every test always gives the same result. The bounds are those that the
//! method promises, not those of one outcome.

use isolab_reports::statistics::{Bootstrap, Estimate, Ratio, Samples};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};

/// A machine whose noise is known: latencies are skewed, and every server process is
/// faster or slower than the others by a part of its own.
struct Machine {
    random: ChaCha8Rng,
    within: f64,
    between: f64,
}

const REPETITIONS: usize = 5;
const SAMPLES: usize = 300;

impl Machine {
    fn new(seed: u64, between: f64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), within: 0.3, between }
    }

    /// One measured figure whose true median is `median`.
    fn measure(&mut self, median: f64, repetitions: usize, samples: usize) -> Estimate {
        let log_normal = |deviation: f64| LogNormal::new(0.0, deviation).unwrap();
        let (process, sample) = (log_normal(self.between), log_normal(self.within));
        let repetitions = (0..repetitions).map(|_| {
            let process = median * process.sample(&mut self.random);
            (0..samples).map(|_| process * sample.sample(&mut self.random)).collect::<Vec<f64>>()
        });
        Bootstrap::default().median(&Samples::new(repetitions.collect::<Vec<_>>())).unwrap()
    }

    fn ratio(&mut self, truth: f64) -> Ratio {
        let other = self.measure(5_000.0, REPETITIONS, SAMPLES);
        Ratio::of(&self.measure(5_000.0 * truth, REPETITIONS, SAMPLES), &other).unwrap()
    }
}

fn shows_difference(ratio: Ratio) -> bool {
    !ratio.interval.unwrap().holds(1.0)
}

#[test]
fn equals_show_no_difference_in_nineteen_of_twenty_tries() {
    for between in [0.0, 0.02, 0.2] {
        let mut machine = Machine::new(1, between);
        let differences = (0..400).filter(|_| shows_difference(machine.ratio(1.0))).count();
        assert!(differences <= 20, "{differences} of 400 with {between} between repetitions");
    }
}

#[test]
fn a_slowdown_of_ten_percent_is_found() {
    let mut machine = Machine::new(2, 0.02);
    for _ in 0..50 {
        let ratio = machine.ratio(1.1);
        assert!(shows_difference(ratio) && ratio.value > 1.0, "{ratio:?}");
        assert!(ratio.smallest_effect(0.05, 8.0).unwrap() < 0.15);
    }
}

#[test]
fn intervals_cover_the_truth() {
    // Few and many repetitions and samples, noise within only, and mostly between.
    for (repetitions, samples, between) in
        [(1, 300, 0.0), (1, 9, 0.0), (2, 100, 0.0), (2, 100, 0.1), (3, 3, 0.05), (5, 300, 0.02), (5, 1, 0.1)]
    {
        let mut machine = Machine::new(3, between);
        let tries = 500;
        let covered = (0..tries)
            .filter(|_| machine.measure(100.0, repetitions, samples).interval.unwrap().holds(100.0))
            .count();
        let part = covered as f64 / f64::from(tries);
        println!("{repetitions} x {samples}, {between} between: {part}");
        assert!(part >= 0.9, "{part} with {repetitions} x {samples}, {between} between");
    }
}

#[test]
fn the_smallest_effect_is_found_in_four_of_five_runs() {
    let mut machine = Machine::new(4, 0.02);
    let effect = |_| {
        let (one, other) =
            (machine.measure(5_000.0, REPETITIONS, SAMPLES), machine.measure(5_000.0, REPETITIONS, SAMPLES));
        let freedom = Ratio::freedom(&one, &other);
        Ratio::of(&one, &other).unwrap().smallest_effect(0.05, freedom).unwrap()
    };
    let effect = (0..50).map(effect).sum::<f64>() / 50.0;
    let found = (0..300).filter(|_| shows_difference(machine.ratio(1.0 + effect))).count();
    assert!((210..=285).contains(&found), "{found} of 300 at an effect of {effect}");
}
