//! The value of a header that many responses carry: a buffer of fixed size on the stack, and one
//! allocation for the value.

use std::time::Duration;

use http::HeaderValue;
use isolab_core::laps::nanoseconds;

/// Visible ASCII on the stack.
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(crate) fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    pub(crate) fn push_number(&mut self, number: u64) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Milliseconds, the unit of `Server-Timing`, with six decimals: exact to the
    /// nanosecond.
    pub(crate) fn push_milliseconds(&mut self, duration: Duration) {
        let duration_ns = nanoseconds(duration);
        self.push_number(duration_ns / 1_000_000);
        let mut decimals = *b".000000";
        let mut rest = duration_ns % 1_000_000;
        for digit in decimals[1..].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        self.push(&decimals);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.bytes[..self.len]).expect("only visible ASCII was pushed")
    }
}
