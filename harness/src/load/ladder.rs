//! Rates in requests per second that all cells share, so that executors can be compared at the
//! same load.

use std::num::NonZeroU64;

/// The steps of each decade.
const STEPS: [u64; 3] = [1, 2, 5];
/// The decades, up to ten million requests per second.
const DECADES: u32 = 7;
/// Rates below this part of a cell's capacity are left out: the server is idle nearly all the
/// time, and a window with enough requests would be long.
const IDLE_PART: f64 = 0.001;
/// Above this part of its capacity, a cell is offered every step, and only whole decades below.
const DENSE_PART: f64 = 0.1;

/// The rates for a cell: 1, 2, 5, 10, 20, 50, … up to its capacity, and one beyond. `is_dense`
/// adds every step below a tenth of the capacity; otherwise only powers of ten are offered there.
pub fn rates(capacity_per_s: f64, is_dense: bool) -> Vec<NonZeroU64> {
    let ladder = (0..=DECADES).flat_map(|decade| STEPS.map(|step| step * 10_u64.pow(decade)));
    let mut is_beyond = false;
    let up_to_one_beyond = ladder.take_while(|rate| {
        let is_taken = !is_beyond;
        is_beyond = *rate as f64 > capacity_per_s;
        is_taken
    });
    let is_offered = |rate: &u64| {
        let part = *rate as f64 / capacity_per_s;
        part >= DENSE_PART || part >= IDLE_PART && (is_dense || is_decade(*rate))
    };
    up_to_one_beyond.filter(is_offered).filter_map(NonZeroU64::new).collect()
}

fn is_decade(rate: u64) -> bool {
    rate.checked_ilog10().is_some_and(|decade| 10_u64.pow(decade) == rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(capacity_per_s: f64, is_dense: bool) -> Vec<u64> {
        super::rates(capacity_per_s, is_dense).into_iter().map(NonZeroU64::get).collect()
    }

    #[test]
    fn a_cell_is_offered_rates_up_to_its_capacity_and_one_beyond() {
        assert_eq!(rates(42_000.0, false), [100, 1_000, 5_000, 10_000, 20_000, 50_000]);
        assert_eq!(rates(2_000.0, false), [10, 100, 200, 500, 1_000, 2_000, 5_000]);
        assert_eq!(rates(2_000.0, true)[..3], [2, 5, 10]);
        assert_eq!(rates(3.7, false), [1, 2, 5]);
        assert_eq!(rates(0.4, false), [1], "the slowest cell is offered one rate");
    }

    #[test]
    fn cells_within_a_factor_of_a_hundred_share_a_rate() {
        for slow in [3.0, 47.0, 900.0, 12_345.0] {
            let shared = |fast: f64| {
                let slow = rates(slow, false);
                rates(fast, false).into_iter().any(|rate| slow.contains(&rate))
            };
            assert!(shared(slow * 3.0) && shared(slow * 9.0) && shared(slow * 60.0), "{slow}");
        }
    }
}
