//! The three headers that every response of a function carries, and the bill that some carry.
//!
//! Every request writes them, so there is no `format!`: see [`Text`].

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::Times;
use crate::text::Text;

pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The id of the instance that answered, and how often it has been used.
pub const INSTANCE: HeaderName = HeaderName::from_static("x-isolab-instance");

/// In a request: chooses an executor by its spec. In a response: the executor's spec.
pub const EXECUTOR: HeaderName = HeaderName::from_static("x-isolab-executor");

/// In a request: `1` asks for the bill. In a response: the bill.
pub const BILL: HeaderName = HeaderName::from_static("x-isolab-bill");

/// How long the phases of one request took; `None` if an earlier request paid for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timings {
    pub(crate) prepare: Option<Duration>,
    pub(crate) start: Option<Duration>,
    pub(crate) invoke: Option<Duration>,
    /// The part of `invoke` in which no code of the invocation ran; none if it never waited.
    pub(crate) wait: Option<Duration>,
    /// The instance's id, and how often it has been used, this request included.
    pub(crate) instance: Option<(u64, u64)>,
}

impl Timings {
    /// Takes over the times of an exchange.
    pub(crate) fn add(&mut self, times: Times) {
        let Times { started, invoked, waited, instance } = times;
        (self.start, self.invoke, self.wait, self.instance) = (started, invoked, waited, instance);
    }

    /// Writes the headers into a map that has none of them yet.
    pub(crate) fn write(&self, headers: &mut HeaderMap, executor: Option<&HeaderValue>) {
        let phases =
            [("prepare", self.prepare), ("start", self.start), ("invoke", self.invoke), ("wait", self.wait)];
        let mut text = Text::<192>::new();
        for (phase, duration) in phases {
            let Some(duration) = duration else { continue };
            if !text.is_empty() {
                text.push(b", ");
            }
            text.push(phase.as_bytes());
            text.push(b";dur=");
            text.push_milliseconds(duration);
        }
        if !text.is_empty() {
            headers.append(SERVER_TIMING, text.value());
        }
        if let Some((id, uses)) = self.instance {
            let mut text = Text::<64>::new();
            text.push_number(id);
            text.push(b";uses=");
            text.push_number(uses);
            headers.append(INSTANCE, text.value());
        }
        if let Some(executor) = executor {
            headers.append(EXECUTOR, executor.clone());
        }
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
    fn waiting_is_told_where_there_was_some() {
        let [invoke, wait] = [3, 2].map(|number| Some(Duration::from_millis(number)));
        let headers = written(Timings { invoke, wait, ..Timings::default() });
        assert_eq!(headers[SERVER_TIMING], "invoke;dur=3.000000, wait;dur=2.000000");
    }

    #[test]
    fn the_longest_values_fit() {
        let long = Some(Duration::MAX);
        let timings = Timings {
            prepare: long,
            start: long,
            invoke: long,
            wait: long,
            instance: Some((u64::MAX, u64::MAX)),
        };
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
