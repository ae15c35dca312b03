//! Paired comparisons against a known truth: a simulated host that drifts by 30 %, with windows
//! whose noise has heavy tails, and processes of which each has its own luck.
//!
//! Seeds are fixed, so every test always gives the same result.

use isolab_reports::Row;
use isolab_reports::paired::{Aim, Finding, PairEffects, PairedMetric, PairedResult};
use isolab_reports::row::Side;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Normal, StudentT};

/// A window's length and its lead-in, in seconds.
const WINDOW: f64 = 0.06;
/// Seconds that a new pair of servers takes to start.
const START: f64 = 0.4;
const QUADS: u64 = 8;
/// Ten minutes.
const BUDGET: f64 = 600.0;
const TRIES: u64 = 200;

/// A host with a neighbour that comes and goes.
struct Host {
    random: ChaCha8Rng,
    now: f64,
    /// When the neighbour comes or goes next, and whether it is there.
    next: f64,
    is_shared: bool,
    /// How much the neighbour takes, as a part.
    taken: f64,
    noise: StudentT<f64>,
}

impl Host {
    fn new(seed: u64, taken: f64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { random, now: 0.0, next: 0.0, is_shared: false, taken, noise: StudentT::new(2.5).unwrap() }
    }

    /// Answers in a window of a server with this speed; a second at a time.
    fn answers(&mut self, speed: f64) -> u64 {
        let mut left = WINDOW;
        let mut done = 0.0;
        while left > 0.0 {
            while self.now >= self.next {
                self.is_shared = !self.is_shared;
                // Two seconds on average, so that many windows have a change in their middle.
                self.next += Exp::new(0.5).unwrap().sample(&mut self.random);
            }
            let step = left.min(self.next - self.now).max(1e-9);
            let taken = if self.is_shared { self.taken } else { 0.0 };
            // A slow wave besides, as of a frequency that follows the temperature.
            let wave = 1.0 + 0.05 * (self.now / 20.0).sin();
            done += step * speed * wave * (1.0 - taken);
            left -= step;
            self.now += step;
        }
        let noise: f64 = if self.is_shared { 0.04 } else { 0.01 };
        let factor = (noise * self.noise.sample(&mut self.random)).clamp(-0.9, 0.9).exp();
        (done * factor).round().max(1.0) as u64
    }

    /// The rows of one pair of processes.
    fn pair(&mut self, pair: u64, truth: f64) -> Vec<Row> {
        let luck = Normal::new(0.0f64, 0.008).unwrap();
        let mut speed = |truth: f64| 30_000.0 * truth * luck.sample(&mut self.random).exp();
        let speeds = [speed(1.0), speed(truth)];
        self.now += START;
        let mut rows = Vec::new();
        for quad in 0..QUADS {
            let is_turned = self.random.random::<bool>();
            for order in 0..4 {
                let is_second = (order == 1 || order == 2) != is_turned;
                let answers = self.answers(speeds[usize::from(is_second)]);
                let row = |metric: &str, value| Row {
                    phase: "compare".into(),
                    metric: metric.into(),
                    pair: Some(pair),
                    sample: quad,
                    order: Some(order),
                    side: Some(if is_second { Side::Second } else { Side::First }),
                    value,
                    connections: Some(4),
                    ..Row::default()
                };
                rows.push(row("latency_typical_ns", (4.0 * WINDOW * 1e9 / answers as f64) as u64));
            }
        }
        rows
    }

    /// Measures until the result is settled or the time is over, as the command does.
    fn compare(&mut self, truth: f64) -> PairedResult {
        let mut effects = PairEffects::default();
        for pair in 0.. {
            let next = PairEffects::of(&self.pair(pair, truth), PairedMetric::Rate);
            effects.effects.extend(next.effects);
            effects.quads += next.quads;
            let result = PairedResult::of(&effects, Aim { margin: 0.015 });
            if result.is_settled() || self.now > BUDGET {
                return result;
            }
        }
        unreachable!("the budget ends it")
    }
}

/// All tries at one truth: the findings, and the longest time of a try.
fn tries(truth: f64, taken: f64) -> (Vec<PairedResult>, f64) {
    let mut longest: f64 = 0.0;
    let results = (0..TRIES).map(|seed| {
        let mut host = Host::new(seed, taken);
        let result = host.compare(truth);
        longest = longest.max(host.now);
        result
    });
    (results.collect(), longest)
}

fn count(results: &[PairedResult], is_so: impl Fn(&PairedResult) -> bool) -> u64 {
    results.iter().filter(|result| is_so(result)).count() as u64
}

#[test]
fn three_percent_are_found_on_a_host_that_drifts_by_thirty() {
    for (truth, is_slower) in [(0.97, true), (1.03, false)] {
        let (results, longest) = tries(truth, 0.3);
        let found = count(&results, |result| {
            result.finding == Finding::Difference && (result.ratio.unwrap().value < 1.0) == is_slower
        });
        assert!(found >= TRIES * 19 / 20, "{found} of {TRIES} at {truth}");
        assert!(longest < BUDGET, "{longest} s");
        let covered = count(&results, |result| result.ratio.unwrap().interval.unwrap().holds(truth));
        assert!(covered >= TRIES * 19 / 20, "{covered} of {TRIES} intervals hold {truth}");
    }
}

#[test]
fn equal_sides_show_no_difference_and_are_shown_to_be_equal() {
    for taken in [0.0, 0.3] {
        let (results, longest) = tries(1.0, taken);
        let wrong = count(&results, |result| result.finding == Finding::Difference);
        let equal = count(&results, |result| result.finding == Finding::NoDifference);
        assert!(wrong <= TRIES / 20, "{wrong} of {TRIES} with {taken}");
        assert!(equal >= TRIES * 19 / 20, "{equal} of {TRIES} with {taken}");
        assert!(longest < BUDGET, "{longest} s");
    }
}

#[test]
fn a_difference_at_the_margin_is_rarely_called_none() {
    let (results, _) = tries(0.985, 0.3);
    let none = count(&results, |result| result.finding == Finding::NoDifference);
    assert!(none <= TRIES / 20, "{none} of {TRIES}");
}
