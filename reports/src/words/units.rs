//! Numbers with three significant digits and a unit.

/// A duration, from nanoseconds.
pub fn duration(ns: f64) -> String {
    scaled(ns, &[("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)])
}

/// An amount of memory, from bytes, in binary units.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, &[("B", 1.0), ("KiB", 1024.0), ("MiB", 1_048_576.0), ("GiB", 1_073_741_824.0)])
}

/// A rate per second, with a thin space between thousands.
pub fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        return digits(per_second);
    }
    let plain = format!("{per_second:.0}");
    let groups: Vec<&str> = {
        let first = plain.len() % 3;
        let (head, tail) = plain.split_at(first);
        let tail = tail.as_bytes().chunks(3).map(|group| std::str::from_utf8(group).unwrap_or_default());
        std::iter::once(head).filter(|head| !head.is_empty()).chain(tail).collect()
    };
    groups.join("\u{2009}")
}

/// A multiple of another quantity.
pub fn ratio(ratio: f64) -> String {
    // Near one, three digits would hide the difference.
    if (ratio - 1.0).abs() < 0.005 && ratio.to_bits() != 1f64.to_bits() {
        return format!("{ratio:.4}×");
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
    scaled(microjoules, &[("µJ", 1.0), ("mJ", 1e3), ("J", 1e6)])
}

/// A bare number, such as a price.
pub fn number(value: f64) -> String {
    digits(value)
}

fn scaled(value: f64, units: &[(&str, f64)]) -> String {
    // A value that would round to 1000 belongs to the next unit.
    let fits = |(_, size): &&(&str, f64)| value.abs() >= size * 0.9995;
    let (unit, size) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{} {unit}", digits(value / size))
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
            ["0.50", "87.3", "987", "87\u{2009}800", "1\u{2009}234\u{2009}567"]
        );
        assert_eq!(
            [0.000_512, 0.05, 0.9987, 1.0, 12.34, 2345.0].map(ratio),
            ["0.000512×", "0.0500×", "0.9987×", "1.00×", "12.3×", "2345×"]
        );
        assert_eq!([3.0, 1500.0, 2.5].map(count), ["3", "1\u{2009}500", "2.50"]);
        assert_eq!([0.05, 1.0].map(percent), ["5.00 %", "100 %"]);
        assert_eq!(energy(1500.0), "1.50 mJ");
    }
}
