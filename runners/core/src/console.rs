//! The console of guests: the lab's log.
//!
//! A guest can write without end, and the log has one stream for all of them. So a text is cut, and
//! all guests together have a bound on bytes per second. The log says how much was left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use tracing::Level;

/// The most bytes of one text: enough for the message of a panic.
pub const TEXT_BYTES: usize = 4096;

/// The most bytes of all guests in one second.
const BYTES_PER_SECOND: usize = 1 << 20;

const SECOND: Duration = Duration::from_secs(1);

static BUDGET: Mutex<Budget> = Mutex::new(Budget { second: None, used_bytes: 0, left_out: 0 });

/// Writes a text of a guest to the log. Takes at most [`TEXT_BYTES`] of it.
pub fn write(level: Level, text: &[u8]) {
    let text = &text[..text.len().min(TEXT_BYTES)];
    let (may_write, left_out) =
        BUDGET.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now(), text.len());
    if left_out > 0 {
        tracing::warn!(target: "isolab::console", "{left_out} texts of guests were left out: they wrote too much");
    }
    if !may_write {
        return;
    }
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end();
    match level {
        Level::ERROR => tracing::error!(target: "isolab::console", "{text}"),
        Level::WARN => tracing::warn!(target: "isolab::console", "{text}"),
        Level::INFO => tracing::info!(target: "isolab::console", "{text}"),
        _ => tracing::debug!(target: "isolab::console", "{text}"),
    }
}

/// The bytes that may be written in a second.
struct Budget {
    /// When the present second began; `None` before the first text.
    second: Option<Instant>,
    used_bytes: usize,
    left_out: u64,
}

impl Budget {
    /// Whether a text of this size may be written, and how many texts of an earlier second were
    /// left out.
    fn take(&mut self, now: Instant, bytes: usize) -> (bool, u64) {
        let mut left_out = 0;
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= SECOND) {
            left_out = std::mem::take(&mut self.left_out);
            *self = Self { second: Some(now), used_bytes: 0, left_out: 0 };
        }
        let may_write = self.used_bytes + bytes <= BYTES_PER_SECOND;
        if may_write {
            self.used_bytes += bytes;
        } else {
            self.left_out += 1;
        }
        (may_write, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_bound_and_the_next_one_tells_what_was_left_out() {
        let mut budget = Budget { second: None, used_bytes: 0, left_out: 0 };
        let begun = Instant::now();
        let half = BYTES_PER_SECOND / 2;
        for expected in [true, true, false, false] {
            assert_eq!(budget.take(begun, half), (expected, 0));
        }
        assert_eq!(budget.take(begun + SECOND / 2, 1), (false, 0));
        assert_eq!(budget.take(begun + SECOND, half), (true, 3));
        assert_eq!(budget.take(begun + SECOND, half), (true, 0));
    }
}
