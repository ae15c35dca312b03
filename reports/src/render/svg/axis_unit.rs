//! Numbers along an axis.

use crate::charts::AxisUnit;
use crate::charts::latency::MAXIMUM;
use crate::words::units;

impl AxisUnit {
    /// A value with three digits, as in a table.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Duration => units::duration(value),
            Self::Bytes => units::bytes(value),
            Self::Rate => units::rate(value),
            Self::Count => format!("{value:.0}"),
            Self::Percentile if value >= MAXIMUM => "max".into(),
            // The inverse loses a digit; no percentile has more digits than this.
            Self::Percentile => format!("p{}", ((1.0 - 1.0 / value) * 1e4).round() / 100.0),
            Self::Ratio => units::ratio(value),
            Self::Share => format!("{value:.0} %"),
        }
    }

    /// A round value, as short as possible.
    pub(super) fn tick(self, value: f64) -> String {
        match self {
            Self::Duration | Self::Bytes => short(&self.show(value)),
            Self::Ratio => format!("{}×", ((value * 1e4).round() / 1e4)),
            Self::Rate if value >= 999_999.5 => format!("{}M", tidy(value / 1e6)),
            Self::Rate if value >= 999.5 => format!("{}k", tidy(value / 1e3)),
            Self::Rate | Self::Count => tidy(value).to_string(),
            Self::Percentile | Self::Share => self.show(value).trim_start_matches('p').into(),
        }
    }
}

fn tidy(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Without the zeros behind the point.
fn short(text: &str) -> String {
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!([1e3, 1e4, 2e8].map(|ns| AxisUnit::Duration.tick(ns)), ["1 µs", "10 µs", "200 ms"]);
        assert_eq!(
            [1024.0, 1_048_576.0 * 32.0].map(|bytes| AxisUnit::Bytes.tick(bytes)),
            ["1 KiB", "32 MiB"]
        );
        assert_eq!([10.0, 2e4, 1e6].map(|rate| AxisUnit::Rate.tick(rate)), ["10", "20k", "1M"]);
    }

    #[test]
    fn percentiles_come_back() {
        let shown = [0.1, 0.25, 0.5, 0.99, 0.999].map(|q| AxisUnit::Percentile.show(1.0 / (1.0 - q)));
        assert_eq!(shown, ["p10", "p25", "p50", "p99", "p99.9"]);
        assert_eq!(AxisUnit::Percentile.show(MAXIMUM), "max");
    }
}
