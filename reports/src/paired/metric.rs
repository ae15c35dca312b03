//! The quantities that windows are compared by.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::units;

/// The rows of one window: values by the name of their metric.
pub type WindowValues = BTreeMap<String, u64>;

/// The number of connections, among the values of a window.
pub const CONNECTIONS: &str = "connections";

/// The quantity that two sides are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairedMetric {
    /// Answers per second of a closed loop that keeps the server busy, while nobody interrupts it:
    /// connections divided by mean latency (J. D. C. Little, A Proof for the Queuing Formula L = λW,
    /// Operations Research 9(3), 1961), over the half of the latencies that lie closest together. A
    /// neighbour's time slices are left out in this way, and so are rare pauses of the server's own.
    Rate,
    /// The typical latency of one connection, over the half of the latencies that lie closest
    /// together.
    Latency,
    /// The median time of `start`.
    Start,
    /// CPU time of one answer: server, containers and their helpers.
    Cpu,
    /// Instructions of one answer, in user space and in the kernel, of the server's process.
    Instructions,
}

impl PairedMetric {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rate, Self::Latency, Self::Start, Self::Cpu, Self::Instructions];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Latency => "latency",
            Self::Start => "start",
            Self::Cpu => "cpu",
            Self::Instructions => "instructions",
        }
    }

    /// Whether the smaller value is the better one.
    pub fn is_less_better(self) -> bool {
        self != Self::Rate
    }

    /// A value in words: `34,100 answers/s`.
    pub fn in_words(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{} answers/s", units::rate(value)),
            Self::Latency | Self::Start => units::duration(value),
            Self::Cpu => format!("{} of CPU time for each answer", units::duration(value)),
            Self::Instructions => format!("{} instructions for each answer", units::rate(value)),
        }
    }

    /// The value of one window; `None` if it has none, or if it is not positive.
    pub fn of(self, window: &WindowValues) -> Option<f64> {
        let value = |name: &str| window.get(name).map(|value| *value as f64);
        let for_each_answer = |value: f64| Some(value / window.get("responses_count").copied()? as f64);
        let value = match self {
            Self::Rate => value(CONNECTIONS)? * 1e9 / value("latency_typical_ns")?,
            Self::Latency => value("latency_typical_ns")?,
            Self::Start => value("start_p50_ns")?,
            Self::Cpu => {
                let outside = ["cgroup_cpu_ns", "helpers_cpu_ns"].into_iter().filter_map(value).sum::<f64>();
                for_each_answer(value("cpu_ns")? + outside)?
            }
            Self::Instructions => for_each_answer(value("instructions_count")?)?,
        };
        (value.is_finite() && value > 0.0).then_some(value)
    }
}

impl fmt::Display for PairedMetric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for PairedMetric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|metric| metric.name() == text);
        found.ok_or_else(|| format!("there is no metric `{text}`; there are: {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(values: &[(&str, u64)]) -> WindowValues {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn every_metric_is_read_from_its_rows() {
        let window = window(&[
            ("responses_count", 1_000),
            (CONNECTIONS, 4),
            ("latency_typical_ns", 200_000),
            ("cpu_ns", 40_000_000),
            ("helpers_cpu_ns", 10_000_000),
            ("instructions_count", 31_000_000),
        ]);
        let values = PairedMetric::ALL.map(|metric| metric.of(&window));
        assert_eq!(values, [Some(20_000.0), Some(200_000.0), None, Some(50_000.0), Some(31_000.0)]);
    }

    #[test]
    fn a_window_without_answers_has_no_value() {
        let empty =
            window(&[("responses_count", 0), ("latency_typical_ns", 0), (CONNECTIONS, 4), ("cpu_ns", 4)]);
        assert_eq!(PairedMetric::ALL.map(|metric| metric.of(&empty)), [None; 5]);
    }

    #[test]
    fn every_name_is_read_back() {
        for metric in PairedMetric::ALL {
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
        assert!("cycles".parse::<PairedMetric>().unwrap_err().contains("rate, latency"));
    }
}
