//! The whole distribution of the latencies of one window, in one row.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Significant digits. A bucket is at most 1/128 of its values wide; up to 255 ns it holds one
/// value. Two digits keep the rows of a window below a kilobyte.
const DIGITS: u8 = 2;
/// The power of two of the values from which on a bucket holds more than one.
const EXACT: u32 = 8;
/// The greatest latency that is kept apart from greater ones: ten minutes, in nanoseconds.
const GREATEST: u64 = 600_000_000_000;
/// The longest text that is read. The one of a full histogram has a twentieth of this length.
const LONGEST: usize = 1 << 18;

/// How many latencies lie in each bucket of an `HdrHistogram` with two significant digits.
///
/// In a row this is the histogram's own V2 form, compressed with zlib, as base64: every library
/// for `HdrHistogram` reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Latencies {
    /// The least value of each bucket that is not empty, in ascending order, and its count.
    counts: Vec<(u64, u64)>,
}

/// One bucket that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its least value, in nanoseconds.
    pub low: u64,
    /// Its greatest value, in nanoseconds.
    pub high: u64,
    /// The latencies in it.
    pub count: u64,
}

/// A text that is not a histogram of latencies.
#[derive(Debug, thiserror::Error)]
pub enum BadLatencies {
    /// It is longer than any histogram.
    #[error("the histogram has {0} characters, more than any has")]
    Long(usize),
    /// It is not base64.
    #[error("the histogram is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Its bytes are not a histogram.
    #[error("the histogram is not an HdrHistogram in its compressed V2 form: {0}")]
    Form(String),
    /// It has a lower resolution than reports state.
    #[error("the histogram has {0} significant digits, and reports need {DIGITS}")]
    Digits(u8),
}

impl Latencies {
    /// The buckets that are not empty, in ascending order.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.counts.iter().map(|(low, count)| Bucket {
            low: *low,
            high: low + width(*low) - 1,
            count: *count,
        })
    }

    /// The number of latencies.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(1, GREATEST, DIGITS).expect("these bounds are valid")
    }
}

/// The number of values in the bucket that begins at `low`.
fn width(low: u64) -> u64 {
    1 << (low | 1).ilog2().saturating_sub(EXACT - 1)
}

impl From<&Histogram<u64>> for Latencies {
    /// Takes a histogram with two or more significant digits.
    fn from(histogram: &Histogram<u64>) -> Self {
        let mut counts: Vec<(u64, u64)> = Vec::new();
        for recorded in histogram.iter_recorded() {
            let value = recorded.value_iterated_to().min(GREATEST);
            let low = value / width(value) * width(value);
            match counts.last_mut() {
                Some((last, count)) if *last == low => *count += recorded.count_at_value(),
                _ => counts.push((low, recorded.count_at_value())),
            }
        }
        Self { counts }
    }
}

impl FromIterator<u64> for Latencies {
    fn from_iter<T: IntoIterator<Item = u64>>(latencies_ns: T) -> Self {
        let mut histogram = Self::histogram();
        for latency_ns in latencies_ns {
            histogram.saturating_record(latency_ns);
        }
        Self::from(&histogram)
    }
}

impl From<Latencies> for String {
    fn from(latencies: Latencies) -> Self {
        let mut histogram = Latencies::histogram();
        for (low, count) in latencies.counts {
            histogram.saturating_record_n(low, count);
        }
        let mut bytes = Vec::new();
        let written = V2DeflateSerializer::new().serialize(&histogram, &mut bytes);
        written.expect("a histogram with these bounds has a V2 form, and memory takes any number of bytes");
        STANDARD.encode(bytes)
    }
}

impl TryFrom<String> for Latencies {
    type Error = BadLatencies;

    fn try_from(text: String) -> Result<Self, BadLatencies> {
        if text.len() > LONGEST {
            return Err(BadLatencies::Long(text.len()));
        }
        let bytes = STANDARD.decode(text)?;
        let read: Result<Histogram<u64>, _> = Deserializer::new().deserialize(&mut bytes.as_slice());
        let histogram = read.map_err(|error| BadLatencies::Form(error.to_string()))?;
        match histogram.sigfig() {
            DIGITS.. => Ok(Self::from(&histogram)),
            digits => Err(BadLatencies::Digits(digits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Latencies, BadLatencies> {
        Latencies::try_from(text.to_owned())
    }

    #[test]
    fn buckets_are_as_wide_as_two_digits_allow() {
        let latencies: Latencies = [0, 1, 255, 256, 257, 258, 1_000_000, 1_000_001].into_iter().collect();
        let buckets: Vec<_> =
            latencies.buckets().map(|bucket| (bucket.low, bucket.high, bucket.count)).collect();
        let expected = [(0, 0, 1), (1, 1, 1), (255, 255, 1), (256, 257, 2), (258, 259, 1)];
        assert_eq!(buckets[..5], expected);
        // 2^19 ≤ 1 000 000 < 2^20, so the width is 2^12; 244 · 4096 = 999 424.
        assert_eq!(buckets[5..], [(999_424, 1_003_519, 2)]);
        assert_eq!(latencies.count(), 8);
    }

    #[test]
    fn a_text_that_is_not_a_histogram_is_refused_with_the_reason() {
        let reason = |text: &str| read(text).unwrap_err().to_string();
        assert!(reason("*").contains("not base64"));
        assert!(reason("").contains("not an HdrHistogram"));
        assert!(reason(&STANDARD.encode([7; 64])).contains("not an HdrHistogram"));
        assert!(reason(&"A".repeat(LONGEST + 1)).contains("more than any has"));
        let text = String::from([1_000_000, 2_000_000].into_iter().collect::<Latencies>());
        assert!(read(&text[..text.len() / 8 * 4]).is_err(), "a text that breaks off");
        let mut coarse = Histogram::<u64>::new_with_bounds(1, GREATEST, 1).unwrap();
        coarse.record(5).unwrap();
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&coarse, &mut bytes).unwrap();
        assert!(reason(&STANDARD.encode(bytes)).contains("1 significant digits"));
    }

    #[test]
    fn a_window_takes_less_than_a_kilobyte() {
        // A hundred thousand latencies over three powers of ten.
        let spread = (0..100_000u64).map(|place| 20_000 * (1 + place * place % 997));
        let text = String::from(spread.collect::<Latencies>());
        assert!(text.len() < 2_048, "{} characters", text.len());
    }

    proptest! {
        #[test]
        fn a_text_gives_the_same_buckets_back(values in prop::collection::vec(0u64..2 * GREATEST, 0..200)) {
            let latencies: Latencies = values.iter().copied().collect();
            prop_assert_eq!(latencies.count(), values.len() as u64);
            let text = String::from(latencies.clone());
            prop_assert_eq!(read(&text).unwrap(), latencies);
        }

        #[test]
        fn a_finer_histogram_falls_into_the_same_buckets(values in prop::collection::vec(0u64..GREATEST, 0..200)) {
            let mut fine = Histogram::<u64>::new_with_bounds(1, GREATEST, 3).unwrap();
            for value in &values {
                fine.saturating_record(*value);
            }
            prop_assert_eq!(Latencies::from(&fine), values.into_iter().collect::<Latencies>());
        }

        #[test]
        fn every_value_lies_in_its_bucket(value in 0u64..GREATEST) {
            let latencies: Latencies = [value].into_iter().collect();
            let bucket = latencies.buckets().next().unwrap();
            prop_assert!((bucket.low..=bucket.high).contains(&value), "{bucket:?}");
            prop_assert!(bucket.high - bucket.low <= value / 128);
        }
    }
}
