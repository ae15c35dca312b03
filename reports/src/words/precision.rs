//! How many digits of a quantity its interval supports.
//!
//! The last digit that is shown stands at the place of the interval's half-width `h`:
//!
//! ```text
//! h = (high − low) / 2
//! digits = ⌊log10 |value|⌋ − ⌊log10 h⌋ + 1, at least 1 and at most 3
//! ```
//!
//! Rounding there moves the value by half of `h` at most, which is a quarter of the interval.
//! One more digit would be a tenth of that place, and the interval says nothing about it. Where
//! these digits would carry the value out of its interval, more are shown. The ends of an interval
//! have two digits, or as many as the value. They have more where fewer would put an end on the
//! other side of 1 or on 1 itself: on which side of 1 it lies is the verdict.
//!
//! So 12,140 from 4,856 to 32,131 is "about 10,000 (4,900 to 32,000)", and 124 from 118 to 130
//! stays 124.

use crate::statistics::{Interval, Ratio};

/// Digits of a quantity without an interval, and the most of any quantity.
const MOST: u32 = 3;
/// The fewest digits of an interval's end.
const END: u32 = 2;
/// Digits up to which a value is kept in its interval and an end apart from 1.
const FINEST: u32 = 6;

/// A ratio in the digits that its interval supports, without a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounded {
    /// The value, such as `10,000`.
    pub value: String,
    /// The ends of its interval, such as `4,900` and `32,000`.
    pub ends: Option<[String; 2]>,
}

impl Rounded {
    /// A ratio by the rule of this module.
    pub fn of(ratio: Ratio) -> Self {
        let digits = digits(ratio.value, ratio.interval);
        let end = |value| end(value, digits.max(END));
        let ends = ratio.interval.map(|Interval { low, high }| [end(low), end(high)]);
        Self { value: significant(ratio.value, digits), ends }
    }
}

/// How many significant digits of a value its interval supports: the rule of this module.
pub fn digits(value: f64, interval: Option<Interval>) -> u32 {
    let Some(interval) = interval else { return MOST };
    let half = (interval.high - interval.low) / 2.0;
    if half <= 0.0 || value == 0.0 {
        return MOST;
    }
    let supported = f64::from(place(value)) - f64::from(place(half)) + 1.0;
    let supported = supported.clamp(1.0, f64::from(MOST)) as u32;
    (supported..FINEST).find(|digits| interval.holds(rounded(value, *digits))).unwrap_or(FINEST)
}

/// The value with this number of significant digits.
pub fn rounded(value: f64, digits: u32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    // The standard library's formatter rounds in decimal, as a reader would.
    format!("{value:.0$e}", digits.max(1) as usize - 1).parse().unwrap_or(value)
}

/// The value with this number of significant digits as text, with a comma between thousands.
pub fn significant(value: f64, digits: u32) -> String {
    let rounded = rounded(value, digits);
    let decimals = (digits.cast_signed() - 1 - place(rounded)).max(0);
    thousands(&format!("{rounded:.0$}", decimals.unsigned_abs() as usize))
}

/// A decimal number with a comma between thousands.
pub(super) fn thousands(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, part)| (whole, Some(part)));
    let mut text = sign.to_owned();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// An end of an interval, with at least this number of digits.
fn end(value: f64, least: u32) -> String {
    let is_same_side = |digits: &u32| {
        let rounded = rounded(value, *digits);
        rounded.total_cmp(&1.0) == value.total_cmp(&1.0)
    };
    significant(value, (least..FINEST).find(is_same_side).unwrap_or(FINEST))
}

/// The power of ten of the first digit.
fn place(value: f64) -> i32 {
    if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(value: f64, low: f64, high: f64) -> Ratio {
        Ratio { value, interval: Some(Interval { low, high }) }
    }

    fn shown(value: f64, low: f64, high: f64) -> String {
        let Rounded { value, ends } = Rounded::of(ratio(value, low, high));
        let [low, high] = ends.unwrap();
        format!("{value} ({low} to {high})")
    }

    #[test]
    fn a_ratio_has_the_digits_that_its_interval_supports() {
        assert_eq!(shown(12_140.0, 4_856.0, 32_131.0), "10,000 (4,900 to 32,000)");
        assert_eq!(shown(124.0, 118.2, 130.4), "124 (118 to 130)");
        assert_eq!(shown(105.3, 52.4, 199.0), "110 (52 to 200)");
        assert_eq!(shown(1.77, 1.03, 2.30), "1.8 (1.03 to 2.3)");
        assert_eq!(shown(0.998_7, 0.98, 1.000_4), "1.0 (0.98 to 1.0004)");
        // Three digits would be 1.00, which the interval does not hold.
        assert_eq!(shown(1.000_61, 1.000_43, 1.000_74), "1.0006 (1.0004 to 1.0007)");
        // One digit would be 1, which the interval does not hold.
        assert_eq!(shown(1.42, 1.40, 30.0), "1.4 (1.4 to 30)");
        assert_eq!(Rounded::of(Ratio { value: 2126.4, interval: None }).value, "2,130");
    }

    #[test]
    fn numbers_have_commas_and_no_exponent() {
        let cases = [(0.000_512_34, 2), (7.25, 1), (999.6, 3), (1_234_567.0, 3), (-20_480.0, 2), (0.0, 3)];
        let shown = cases.map(|(value, digits)| significant(value, digits));
        assert_eq!(shown, ["0.00051", "7", "1,000", "1,230,000", "-20,000", "0.00"]);
    }

    /// A value, by how much the ends lie from it as factors, and an interval around that one.
    fn nested() -> impl Strategy<Value = (f64, Interval, Interval)> {
        let factor = || (0.0f64..4.0).prop_map(f64::exp);
        ((-6.0f64..6.0).prop_map(|power| 10f64.powf(power)), factor(), factor(), factor()).prop_map(
            |(value, below, above, more)| {
                let inner = Interval { low: value / below, high: value * above };
                (value, inner, Interval { low: inner.low / more, high: inner.high * more })
            },
        )
    }

    proptest! {
        #[test]
        fn rounding_stays_in_the_interval_and_moves_little((value, interval, _) in nested()) {
            let digits = digits(value, Some(interval));
            let moved = (rounded(value, digits) - value).abs();
            let width = interval.high - interval.low;
            let unit = 10f64.powi(place(value));
            prop_assert!((1..=FINEST).contains(&digits));
            prop_assert!(digits <= MOST || !interval.holds(rounded(value, MOST)), "{value} {interval:?}");
            // A quarter of the interval, or half of the last digit where no more or fewer are shown.
            prop_assert!(moved <= (width / 4.0).max(unit / 200.0) * (1.0 + 1e-9), "{value} {interval:?}");
            prop_assert!(interval.holds(rounded(value, digits)) || digits == FINEST, "{value} {interval:?}");
        }

        #[test]
        fn a_wider_interval_never_has_more_digits((value, inner, outer) in nested()) {
            prop_assert!(digits(value, Some(outer)) <= digits(value, Some(inner)), "{value} {inner:?} {outer:?}");
        }

        #[test]
        fn an_end_stays_on_its_side_of_one(value in 0.9f64..1.1) {
            prop_assume!((value - 1.0).abs() > 1e-5);
            let shown: f64 = end(value, END).parse().unwrap();
            prop_assert_eq!(shown < 1.0, value < 1.0);
            prop_assert!((shown - 1.0).abs() > 0.0);
        }
    }
}
