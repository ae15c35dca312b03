//! The search for the highest rate that keeps a bound, such as a 99th percentile of 10 ms.
//!
//! The rate is bracketed and then bisected on a logarithmic scale, because rates differ by
//! factors. A probe near the edge can go either way by chance, so it is repeated there, and two
//! of three decide. If a probe contradicts an earlier one, the later one counts: the bracket moves
//! and the search goes on. Each search is bounded by its number of probes.

/// The bracket is narrow enough if its ends differ by this factor.
const NARROW: f64 = 1.1;
/// While there is no bracket yet, the rate grows by this factor, or shrinks by it.
const STRIDE: f64 = 1.6;
/// Probes that are further from the bound than this factor are not repeated.
const CLEAR: f64 = 2.0;
/// Probes at one rate, of which the majority decides.
const PROBES: u32 = 3;

/// The result of one probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Probe {
    /// The quantity divided by its bound: the bound is kept up to 1.
    Ratio(f64),
    /// The server could not keep up with the rate, whatever its latencies.
    Saturated,
}

impl Probe {
    fn keeps(self) -> bool {
        matches!(self, Self::Ratio(ratio) if ratio <= 1.0)
    }

    /// Whether one probe is enough.
    fn is_clear(self) -> bool {
        match self {
            Self::Ratio(ratio) => !(1.0 / CLEAR..=CLEAR).contains(&ratio),
            Self::Saturated => true,
        }
    }
}

/// The ends of the bracket, in requests per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bracket {
    /// The highest rate that kept the bound; `None` if none did.
    pub kept: Option<f64>,
    /// The lowest rate above it that did not keep the bound; `None` if none was found.
    pub broken: Option<f64>,
}

impl Bracket {
    fn is_narrow(self) -> bool {
        matches!((self.kept, self.broken), (Some(kept), Some(broken)) if broken / kept <= NARROW)
    }

    /// The rate to try next.
    fn next(self, first: f64) -> f64 {
        match (self.kept, self.broken) {
            (None, None) => first,
            (Some(kept), None) => kept * STRIDE,
            (None, Some(broken)) => broken / STRIDE,
            (Some(kept), Some(broken)) => (kept * broken).sqrt(),
        }
    }

    fn update(&mut self, rate: f64, keeps: bool) {
        if keeps {
            self.kept = Some(rate);
            self.broken = self.broken.filter(|broken| *broken > rate);
        } else {
            self.broken = Some(rate);
            self.kept = self.kept.filter(|kept| *kept < rate);
        }
    }
}

/// Searches from a first rate within these limits, in requests per second, with a probe that has
/// a result for each rate, or `None` if there is no time for another one.
///
/// # Errors
/// Those of the probe.
pub fn highest<E>(
    first: f64,
    limits: (f64, f64),
    probes_max: u32,
    mut probe: impl FnMut(f64) -> Result<Option<Probe>, E>,
) -> Result<Bracket, E> {
    let (lowest, highest) = limits;
    let mut bracket = Bracket::default();
    let mut left = probes_max;
    while !bracket.is_narrow() {
        let rate = bracket.next(first).clamp(lowest, highest);
        let at_limit = bracket.kept == Some(rate) || bracket.broken == Some(rate);
        if at_limit {
            break;
        }
        let Some(keeps) = decide(rate, &mut left, &mut probe)? else { break };
        bracket.update(rate, keeps);
    }
    Ok(bracket)
}

/// Whether a rate keeps the bound; `None` if no probe is left.
fn decide<E>(
    rate: f64,
    left: &mut u32,
    probe: &mut impl FnMut(f64) -> Result<Option<Probe>, E>,
) -> Result<Option<bool>, E> {
    let (mut kept, mut broken) = (0, 0);
    while kept.max(broken) <= PROBES / 2 {
        if *left == 0 {
            break;
        }
        *left -= 1;
        let Some(result) = probe(rate)? else { break };
        if result.keeps() {
            kept += 1;
        } else {
            broken += 1;
        }
        if result.is_clear() && kept + broken == 1 {
            break;
        }
    }
    // With an equal number of both, the bound is not shown to be kept.
    Ok((kept + broken > 0).then_some(kept > broken))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// The queue M/M/1 with this capacity: its 99th percentile is ln(100) / (capacity - rate), in
    /// seconds (Kleinrock 1975, §3.2). Keeps `bound_s` up to capacity - ln(100) / bound.
    fn queue(capacity: f64, bound_s: f64, rate: f64) -> Probe {
        if rate >= capacity {
            return Probe::Saturated;
        }
        Probe::Ratio(100.0_f64.ln() / (capacity - rate) / bound_s)
    }

    fn search(first: f64, probes: u32, mut probe: impl FnMut(f64) -> Probe) -> Bracket {
        let limits = (1.0, 1e7);
        highest(first, limits, probes, |rate| Ok::<_, Infallible>(Some(probe(rate)))).unwrap()
    }

    #[test]
    fn the_edge_of_a_known_queue_is_found_from_both_sides() {
        let truth = 10_000.0 - 100.0_f64.ln() / 0.01;
        for first in [50.0, 9_000.0, 2_000_000.0] {
            let found = search(first, 100, |rate| queue(10_000.0, 0.01, rate));
            let (kept, broken) = (found.kept.unwrap(), found.broken.unwrap());
            assert!(kept <= truth && truth < broken && broken / kept <= NARROW, "{found:?} {truth}");
        }
    }

    /// The result of one run with noise is near the truth, and the search ends within its bound.
    #[test]
    fn noise_moves_the_edge_little_and_never_prolongs_the_search() {
        let truth = 10_000.0 - 100.0_f64.ln() / 0.01;
        let mut near = 0;
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut probes = 0;
            let found = search(8_000.0, 24, |rate| {
                probes += 1;
                let noise: f64 = random.random_range(0.7..1.4);
                match queue(10_000.0, 0.01, rate) {
                    Probe::Ratio(ratio) => Probe::Ratio(ratio * noise),
                    Probe::Saturated => Probe::Saturated,
                }
            });
            assert!(probes <= 24);
            near += u32::from(found.kept.is_some_and(|kept| (kept / truth).ln().abs() < 0.15));
        }
        assert!(near >= 190, "{near} of 200");
    }

    #[test]
    fn a_bound_that_is_never_or_always_kept_ends_at_a_limit() {
        let never = search(100.0, 100, |_| Probe::Ratio(9.0));
        assert_eq!((never.kept, never.broken), (None, Some(1.0)));
        let always = search(100.0, 100, |_| Probe::Ratio(0.1));
        assert_eq!((always.kept, always.broken), (Some(1e7), None));
    }

    #[test]
    fn a_clear_probe_is_not_repeated_and_a_close_one_is() {
        let count = |ratio: f64| {
            let mut probes = 0;
            let mut left = 10;
            let mut probe = |_| {
                probes += 1;
                Ok::<_, Infallible>(Some(Probe::Ratio(ratio)))
            };
            let keeps = decide(1.0, &mut left, &mut probe).unwrap();
            (probes, keeps)
        };
        assert_eq!(count(0.1), (1, Some(true)));
        assert_eq!(count(5.0), (1, Some(false)));
        assert_eq!(count(0.9), (2, Some(true)));
        assert_eq!(count(1.1), (2, Some(false)));
    }

    #[test]
    fn without_time_or_probes_there_is_no_answer() {
        let none = highest(1.0, (1.0, 2.0), 9, |_| Ok::<_, Infallible>(None)).unwrap();
        assert_eq!(none, Bracket::default());
        assert_eq!(search(5.0, 0, |_| Probe::Saturated), Bracket::default());
    }
}
