//! The three headers that every response of a function carries, and the bill that some carry.
//!
//! Every request writes them, so there is no `format!`: buffers of fixed size on the
//! stack, and one allocation for each value.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use isolab_core::laps::nanoseconds;

use crate::bill::Bill;

pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The id of the instance that answered, and how often it has been used.
pub const INSTANCE: HeaderName = HeaderName::from_static("x-isolab-instance");

/// In a request: chooses an executor by its spec. In a response: the executor's spec.
pub const EXECUTOR: HeaderName = HeaderName::from_static("x-isolab-executor");

/// In a request: `1` asks for the bill. In a response: the bill.
pub const BILL: HeaderName = HeaderName::from_static("x-isolab-bill");

/// A bill as the value of its header.
pub(crate) fn bill(bill: &Bill) -> HeaderValue {
    HeaderValue::try_from(bill.text()).expect("a bill is visible ASCII")
}

/// How long the phases of one request took; `None` if an earlier request paid for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timings {
    pub(crate) prepare: Option<Duration>,
    pub(crate) start: Option<Duration>,
    pub(crate) invoke: Option<Duration>,
    /// The instance's id, and how often it has been used, this request included.
    pub(crate) instance: Option<(u64, u64)>,
}

impl Timings {
    /// Writes the headers into a map that has none of them yet.
    pub(crate) fn write(&self, headers: &mut HeaderMap, executor: Option<&HeaderValue>) {
        let phases = [("prepare", self.prepare), ("start", self.start), ("invoke", self.invoke)];
        let mut text = Text::<128>::new();
        for (phase, duration) in phases {
            let Some(duration) = duration else { continue };
            if text.len > 0 {
                text.push(b", ");
            }
            text.push(phase.as_bytes());
            text.push(b";dur=");
            text.push_milliseconds(duration);
        }
        if text.len > 0 {
            headers.append(SERVER_TIMING, text.value());
        }
        if let Some((id, uses)) = self.instance {
            let mut text = Text::<64>::new();
            text.push(itoa::Buffer::new().format(id).as_bytes());
            text.push(b";uses=");
            text.push(itoa::Buffer::new().format(uses).as_bytes());
            headers.append(INSTANCE, text.value());
        }
        if let Some(executor) = executor {
            headers.append(EXECUTOR, executor.clone());
        }
    }
}

/// Visible ASCII on the stack.
struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    /// Milliseconds, the unit of `Server-Timing`, with six decimals: exact to the
    /// nanosecond.
    fn push_milliseconds(&mut self, duration: Duration) {
        let duration_ns = nanoseconds(duration);
        self.push(itoa::Buffer::new().format(duration_ns / 1_000_000).as_bytes());
        let mut decimals = *b".000000";
        let mut rest = duration_ns % 1_000_000;
        for digit in decimals[1..].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        self.push(&decimals);
    }

    fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.len]).expect("only visible ASCII was pushed")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(timings: Timings) -> HeaderMap {
        let mut headers = HeaderMap::new();
        timings.write(&mut headers, Some(&HeaderValue::from_static("direct")));
        headers
    }

    #[test]
    fn only_the_phases_that_were_paid_for_are_named() {
        let headers = written(Timings {
            start: Some(Duration::from_nanos(5_123)),
            invoke: Some(Duration::from_millis(12)),
            instance: Some((7, 2)),
            ..Timings::default()
        });
        assert_eq!(headers[SERVER_TIMING], "start;dur=0.005123, invoke;dur=12.000000");
        assert_eq!(headers[INSTANCE], "7;uses=2");
        assert_eq!(headers[EXECUTOR], "direct");
    }

    #[test]
    fn the_longest_values_fit() {
        let long = Some(Duration::MAX);
        let timings =
            Timings { prepare: long, start: long, invoke: long, instance: Some((u64::MAX, u64::MAX)) };
        assert_eq!(written(timings)[INSTANCE], "18446744073709551615;uses=18446744073709551615");
    }

    proptest! {
        #[test]
        fn milliseconds_are_exact(nanoseconds in any::<u64>()) {
            let timings = Timings { invoke: Some(Duration::from_nanos(nanoseconds)), ..Timings::default() };
            let headers = written(timings);
            let text = headers[SERVER_TIMING].to_str().unwrap().strip_prefix("invoke;dur=").unwrap();
            let (whole, decimals) = text.split_once('.').unwrap();
            prop_assert_eq!(decimals.len(), 6);
            let read = whole.parse::<u64>().unwrap() * 1_000_000 + decimals.parse::<u64>().unwrap();
            prop_assert_eq!(read, nanoseconds);
        }
    }
}
