//! The price of a million requests by the run's price list: derived, not measured.

use super::figure::MEMORY_SLOPE;
use super::{Figure, Unit};
use crate::rows::run::Prices;
use crate::statistics::Estimate;

/// The formula of the price, as reports state it.
pub const FORMULA: &str = "price of a million requests = 1 000 000 × (CPU seconds per request × price of a CPU \
second + GiB held × latency in seconds × price of a GiB second)";

const GIB: f64 = 1_073_741_824.0;

/// One price for each reuse policy. CPU time and median latency are those of the load with the
/// fewest connections, which queues the least. Memory is that of one more live instance after
/// the most invocations.
pub(super) fn figures(figures: &[Figure], prices: &Prices) -> Vec<Figure> {
    let slopes = figures.iter().filter(|figure| figure.name == MEMORY_SLOPE);
    let Some(memory) = slopes.max_by_key(|figure| figure.settings.invocations) else { return Vec::new() };
    let loads = |name: &'static str| figures.iter().filter(move |figure| figure.name == name);
    let prices_of_a_load = loads("load_cpu").filter_map(|cpu| {
        let is_calmest = loads("load_cpu")
            .filter(|other| other.settings.reuse == cpu.settings.reuse)
            .all(|other| other.settings.connections >= cpu.settings.connections);
        let latency = loads("load_latency_p50").find(|latency| latency.settings == cpu.settings)?;
        let parts = [&cpu.estimate, &memory.estimate, &latency.estimate];
        let estimate = is_calmest.then(|| Estimate::made_of(&parts, |parts| price(prices, parts)))??;
        let (name, settings) = ("price_per_million".to_owned(), cpu.settings.clone());
        Some(Figure::derived(name, settings, Unit::Currency, estimate))
    });
    prices_of_a_load.collect()
}

/// The price from CPU time in nanoseconds, bytes held, and latency in nanoseconds. A negative
/// slope is noise around zero.
fn price(prices: &Prices, parts: &[f64]) -> f64 {
    let (cpu_s, gib, latency_s) = (parts[0] / 1e9, parts[1].max(0.0) / GIB, parts[2] / 1e9);
    1e6 * (cpu_s * prices.per_cpu_second + gib * latency_s * prices.per_gib_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_that_of_processor_and_memory() {
        let prices = Prices {
            per_cpu_second: 0.000_024,
            per_gib_second: 0.000_002_5,
            currency: String::new(),
            source: String::new(),
        };
        // 1 ms of CPU time: 24 / 1000; half a GiB for 2 ms: 2.5 · 0.5 · 2 / 1000.
        let price = price(&prices, &[1e6, GIB / 2.0, 2e6]);
        assert!((price - (0.024 + 0.0025)).abs() < 1e-12, "{price}");
    }
}
