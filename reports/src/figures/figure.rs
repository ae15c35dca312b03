//! One figure: its name, its settings, its unit and its estimate.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::rows::row::Cold;
use crate::statistics::{Bootstrap, Estimate, Outliers, Samples};
use crate::words::{precision, units};

/// One figure of an executor.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The name, such as `start_p50` or `load_rate`.
    pub name: String,
    /// Distinguish it from others of the same name.
    pub settings: Settings,
    /// The unit.
    pub unit: Unit,
    /// The value with its uncertainty.
    pub estimate: Estimate,
    /// The samples far from the others; `None` if they are not counted for this figure.
    pub outliers: Option<Outliers>,
    /// Whether the run's own cap ended the search: the value is a lower bound.
    pub is_bound: bool,
    /// The samples behind the estimate; empty if it was made of other figures.
    pub samples: Arc<Samples>,
}

/// Distinguish figures of one name. Keys that do not apply are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Settings {
    /// The reuse policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// The part that was cold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold: Option<Cold>,
    /// Whether the artifact was in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// Connections; of a burst, requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// The offered rate as a part of the highest one, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u64>,
    /// The offered rate, where it is not a part of a highest one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_s: Option<u64>,
    /// The server's workers, where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u64>,
    /// Live instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_instances: Option<u64>,
    /// The number of invocations that each of them had answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocations: Option<u64>,
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Unit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// Events per second.
    #[serde(rename = "per_s")]
    PerSecond,
    /// A number of things.
    #[serde(rename = "count")]
    Count,
    /// A part of the whole, from 0 to 1.
    #[serde(rename = "part")]
    Part,
    /// Microjoules.
    #[serde(rename = "uj")]
    Microjoules,
    /// The currency of the run's prices.
    #[serde(rename = "currency")]
    Currency,
}

impl Settings {
    /// The settings of a response of something cold.
    pub fn cold(cold: Cold, cached: Option<bool>) -> Self {
        Self { cold: Some(cold), cached, ..Self::default() }
    }
}

impl Figure {
    /// The median of samples, with its outliers; `None` if there are no samples.
    pub(super) fn median(
        name: String,
        settings: Settings,
        unit: Unit,
        samples: Samples,
        bootstrap: &mut Bootstrap,
    ) -> Option<Self> {
        let estimate = bootstrap.median(&samples)?;
        let outliers = Some(Outliers::of(&samples));
        Some(Self { name, settings, unit, estimate, outliers, is_bound: false, samples: Arc::new(samples) })
    }

    /// An estimate that was made of other figures, or of lines through samples.
    pub(super) fn derived(name: String, settings: Settings, unit: Unit, estimate: Estimate) -> Self {
        Self { name, settings, unit, estimate, outliers: None, is_bound: false, samples: Arc::default() }
    }

    /// Whether less is better: for all figures except rates and density.
    pub fn is_less_better(&self) -> bool {
        self.unit != Unit::PerSecond && self.name != DENSITY
    }

    /// Whether it says how fast something is: a rate, or a time that passes. Processor time is used up.
    pub fn is_speed(&self) -> bool {
        self.unit == Unit::PerSecond || self.unit == Unit::Nanoseconds && !self.name.ends_with("_cpu")
    }

    /// Whether it is one of the few that runs are compared by. The others explain these.
    pub fn is_headline(&self) -> bool {
        const HEADLINES: [&str; 11] = [
            "prepare_p50",
            "start_p50",
            "response_p50",
            "response_p99",
            "load_rate",
            "load_latency_p99",
            "load_cpu",
            "open_latency_p99",
            "slo_rate",
            "burst_duration",
            DENSITY,
        ];
        // The latency of a saturated open loop only grows with the length of the window.
        HEADLINES.contains(&self.name.as_str()) || self.name == MEMORY_SLOPE
    }

    /// Its value in the digits that its interval supports.
    pub fn about(&self) -> String {
        let Estimate { value, interval, .. } = self.estimate;
        self.unit.show_to(value, precision::digits(value, interval))
    }

    /// A value of this figure as people read it.
    pub fn show(&self, value: f64) -> String {
        self.unit.show(value)
    }
}

/// The name of the host's memory for one more live instance.
pub const MEMORY_SLOPE: &str = "memory_slope";
/// The name of the host's memory with a number of live instances.
pub const MEMORY_HELD: &str = "memory_held";
/// The name of the greatest residual of a line of memory.
pub(crate) const MISFIT: &str = "memory_misfit";
/// The name of the number of live instances at a limit.
pub const DENSITY: &str = "density_instances";

/// The figures of addresses, descriptors and threads at a number of live instances.
pub const HANDLES: [&str; 3] = ["density_addresses", "density_descriptors", "density_threads"];

impl Unit {
    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => units::duration(value),
            Self::Bytes => units::bytes(value),
            Self::PerSecond => units::rate(value),
            Self::Count => units::count(value),
            Self::Part => units::percent(value),
            Self::Microjoules => units::energy(value),
            Self::Currency => units::number(value),
        }
    }

    /// A value with a number of significant digits.
    pub fn show_to(self, value: f64, digits: u32) -> String {
        match self {
            Self::Nanoseconds => units::duration_to(value, digits),
            Self::Bytes => units::bytes_to(value, digits),
            Self::PerSecond => format!("{}/s", precision::significant(value, digits)),
            Self::Count | Self::Currency => precision::significant(value, digits),
            Self::Part | Self::Microjoules => self.show(value),
        }
    }

    /// Its name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::PerSecond => "per_s",
            Self::Count => "count",
            Self::Part => "part",
            Self::Microjoules => "uj",
            Self::Currency => "currency",
        }
    }
}

impl Settings {
    /// The settings with a reuse policy only.
    pub fn reuse(policy: &str) -> Self {
        Self { reuse: Some(policy.to_owned()), ..Self::default() }
    }
}

impl fmt::Display for Settings {
    /// In a few words, such as `warm, 16 at once`; empty if there are none.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached = self.cached.map(|is_cached| if is_cached { "cached" } else { "nothing cached" });
        let cold = self.cold.map(|cold| match cold {
            Cold::Host => "cold host",
            Cold::Function => "cold function",
            Cold::Instance => "cold instance",
        });
        let words = [
            self.reuse.clone(),
            cold.map(str::to_owned),
            cached.map(str::to_owned),
            self.connections.map(|count| format!("{count} at once")),
            self.load_percent.map(|percent| format!("{percent} % of capacity")),
            self.rate_per_s.map(|rate| format!("{rate}/s offered")),
            self.workers.map(|count| if count == 1 { "1 worker".into() } else { format!("{count} workers") }),
            self.live_instances.map(|count| format!("{count} live")),
            self.invocations.map(|count| format!("invoked {count}×")),
        ];
        formatter.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
