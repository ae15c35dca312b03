//! The price of a million requests by the run's price list: derived, not measured.

use super::figure::MEMORY_SLOPE;
use super::{Figure, Unit};
use crate::rows::run::Prices;
use crate::statistics::Estimate;

/// The formula of the price, as reports state it.
pub const FORMULA: &str = "price of a million requests = 1 000 000 × (CPU seconds per request × price of a CPU \
second + (GiB of one instance × latency in seconds + GiB of the server without instances ÷ requests per second) × \
price of a GiB second)";

const GIB: f64 = 1_073_741_824.0;
const HOUR_S: f64 = 3_600.0;

/// One price for each reuse policy, and that of an instance that waits for requests. CPU time,
/// rate and median latency are those of the load with the fewest connections, which queues the
/// least. The instance's memory is that after this count of invocations.
pub(super) fn figures(figures: &[Figure], invocations: Option<u64>, prices: &Prices) -> Vec<Figure> {
    let of_memory =
        |figure: &&Figure| figure.name == MEMORY_SLOPE && figure.settings.invocations == invocations;
    let Some(memory) = figures.iter().find(of_memory) else { return Vec::new() };
    let idle = figures.iter().find(|figure| figure.name == "memory_idle");
    let loads = |name: &'static str| figures.iter().filter(move |figure| figure.name == name);
    let prices_of_a_load = loads("load_cpu").filter_map(|cpu| {
        let is_calmest = loads("load_cpu")
            .filter(|other| other.settings.reuse == cpu.settings.reuse)
            .all(|other| other.settings.connections >= cpu.settings.connections);
        let beside = |name| loads(name).find(|latency| latency.settings == cpu.settings);
        let (latency, rate) = (beside("load_latency_p50")?, beside("load_rate")?);
        let parts = [cpu, memory, latency, idle?, rate].map(|figure| &figure.estimate);
        let estimate = is_calmest.then(|| Estimate::made_of(&parts, |parts| price(prices, parts)))??;
        let (name, settings) = ("price_per_million".to_owned(), cpu.settings.clone());
        Some(Figure::derived(name, settings, Unit::Currency, estimate))
    });
    let mut figures: Vec<Figure> = prices_of_a_load.collect();
    let hour = |parts: &[f64]| parts[0].max(0.0) / GIB * HOUR_S * prices.per_gib_second;
    if let Some(estimate) = Estimate::made_of(&[&memory.estimate], hour) {
        let settings = memory.settings.clone();
        figures.push(Figure::derived("price_idle_hour".to_owned(), settings, Unit::Currency, estimate));
    }
    figures
}

/// The price from CPU time in nanoseconds, bytes of an instance, latency in nanoseconds, bytes of
/// the server without instances, and requests per second. A negative slope is noise around zero.
fn price(prices: &Prices, parts: &[f64]) -> f64 {
    let &[cpu_ns, instance_bytes, latency_ns, idle_bytes, per_second] = parts else { return f64::NAN };
    let held = instance_bytes.max(0.0) / GIB * latency_ns / 1e9 + idle_bytes / GIB / per_second;
    1e6 * (cpu_ns / 1e9 * prices.per_cpu_second + held * prices.per_gib_second)
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
        // 1 ms of CPU time: 24 / 1000; half a GiB for 2 ms: 2.5 · 0.5 · 2 / 1000; a quarter of a
        // GiB of the server for a hundredth of a second: 2.5 · 0.25 / 100.
        let price = price(&prices, &[1e6, GIB / 2.0, 2e6, GIB / 4.0, 100.0]);
        assert!((price - (0.024 + 0.0025 + 0.006_25)).abs() < 1e-12, "{price}");
    }
}
