//! What processor time and memory are priced at: a stated model, no measurement.

use isolab_reports::run::Prices;

/// A stated price list, as a constant.
#[derive(Clone, Copy, Debug)]
pub struct PriceList {
    per_cpu_second: f64,
    per_gib_second: f64,
    currency: &'static str,
    source: &'static str,
}

/// A serverless platform that prices both: Google Cloud Run, tier 1 regions, billed by
/// request, as listed in 2025.
pub const DEFAULT: PriceList = PriceList {
    per_cpu_second: 0.000_024,
    per_gib_second: 0.000_002_5,
    currency: "USD",
    source: "Google Cloud Run, request-based billing, tier 1 region, list price (cloud.google.com/run/pricing)",
};

impl From<PriceList> for Prices {
    fn from(list: PriceList) -> Self {
        let PriceList { per_cpu_second, per_gib_second, currency, source } = list;
        Self { per_cpu_second, per_gib_second, currency: currency.to_owned(), source: source.to_owned() }
    }
}
