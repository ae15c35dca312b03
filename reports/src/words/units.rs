//! Numbers as people read them: a unit, and three significant digits unless told otherwise.

use super::precision::{rounded, significant, thousands};

/// Units of durations, in nanoseconds.
const DURATIONS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
/// Binary units, in bytes.
const BYTES: [(&str, f64); 4] = [("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)];
/// Units of energy, in microjoules.
const ENERGIES: [(&str, f64); 3] = [("µJ", 1.0), ("mJ", 1e3), ("J", 1e6)];

/// A duration in nanoseconds.
pub fn duration(ns: f64) -> String {
    scaled(ns, &DURATIONS, digits)
}

/// A duration in nanoseconds, with a number of significant digits.
pub fn duration_to(ns: f64, count: u32) -> String {
    scaled(rounded(ns, count), &DURATIONS, |value| significant(value, count))
}

/// Bytes, in binary units.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, &BYTES, digits)
}

/// Bytes in binary units, with a number of significant digits.
pub fn bytes_to(bytes: f64, count: u32) -> String {
    scaled(bytes, &BYTES, |value| significant(value, count))
}

/// A rate per second, with a comma between thousands.
pub fn rate(per_second: f64) -> String {
    if per_second < 100.0 { digits(per_second) } else { thousands(&format!("{per_second:.0}")) }
}

/// A multiple of another quantity.
pub fn ratio(ratio: f64) -> String {
    // Near one, three digits would hide the difference.
    if (ratio - 1.0).abs() < 0.005 && ratio.to_bits() != 1f64.to_bits() {
        return format!("{ratio:.4}×");
    }
    // More digits would promise more than any ratio holds.
    if ratio.abs() >= 1000.0 {
        return format!("{}×", significant(ratio, 3));
    }
    format!("{}×", digits(ratio))
}

/// A number of things, which may be a mean.
pub fn count(count: f64) -> String {
    if count.fract() == 0.0 && count.abs() < 100.0 { format!("{count:.0}") } else { rate(count) }
}

/// A part of a whole, in percent.
pub fn percent(part: f64) -> String {
    format!("{} %", digits(part * 100.0))
}

/// An energy, from microjoules.
pub fn energy(microjoules: f64) -> String {
    scaled(microjoules, &ENERGIES, digits)
}

/// A bare number, such as a price.
pub fn number(value: f64) -> String {
    digits(value)
}

fn scaled(value: f64, units: &[(&str, f64)], number: impl Fn(f64) -> String) -> String {
    // A value that would be shown as 1000 or more belongs to the next unit.
    let fits = |(_, size): &&(&str, f64)| value.abs() >= size * 0.9995;
    let (unit, size) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{} {unit}", number(value / size))
}

/// Three significant digits, without an exponent.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        magnitude if magnitude >= 99.95 => format!("{value:.0}"),
        magnitude if magnitude >= 9.995 => format!("{value:.1}"),
        magnitude if magnitude >= 0.0995 => format!("{value:.2}"),
        magnitude => {
            let decimals = 2 - magnitude.log10().floor() as i32;
            format!("{value:.0$}", decimals.unsigned_abs() as usize)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let durations = [0.0, 5.0, 999.4, 999.9, 5123.0, 12_500.0, 277e6, 61e9].map(duration);
        assert_eq!(
            durations,
            ["0 ns", "5.00 ns", "999 ns", "1.00 µs", "5.12 µs", "12.5 µs", "277 ms", "61.0 s"]
        );
        assert_eq!(bytes(24.0 * 1024.0), "24.0 KiB");
        assert_eq!(bytes(-2_097_152.0), "-2.00 MiB");
        assert_eq!(
            [0.5, 87.3, 987.0, 87_800.0, 1_234_567.0].map(rate),
            ["0.50", "87.3", "987", "87,800", "1,234,567"]
        );
        assert_eq!(
            [0.000_512, 0.05, 0.9987, 1.0, 12.34, 2346.0].map(ratio),
            ["0.000512×", "0.0500×", "0.9987×", "1.00×", "12.3×", "2,350×"]
        );
        assert_eq!([5123.0, 12_500.0, 96e6].map(|ns| duration_to(ns, 1)), ["5 µs", "10 µs", "100 ms"]);
        assert_eq!([20.1, 1434.0].map(|kib| bytes_to(kib * 1024.0, 2)), ["20 KiB", "1.4 MiB"]);
        assert_eq!([3.0, 1500.0, 2.5].map(count), ["3", "1,500", "2.50"]);
        assert_eq!([0.05, 1.0].map(percent), ["5.00 %", "100 %"]);
        assert_eq!(energy(1500.0), "1.50 mJ");
    }
}
