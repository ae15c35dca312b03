//! Answers after a number of milliseconds, without computing meanwhile, as a function that waits for
//! input or output.
//!
//! `ms` comes from the query, `?ms=20`; its default is 100. The answer is `waited 20 ms`. The status
//! is 400 unless `ms` is a whole number from 0 to 10,000 in decimal digits.
//!
//! Compiled to Wasm, the wait is WASI's `poll_oneoff`. Natively it holds its thread.

use std::borrow::Cow;
use std::thread;
use std::time::Duration;

use isolab_sdk::{Request, Response};

const DEFAULT: Cow<'_, str> = Cow::Borrowed("100");
const MOST_MS: u64 = 10_000;
const NOT_UNDERSTOOD: &str = "ms must be a whole number from 0 to 10000";

/// Waits as long as the request says, and then answers.
pub fn handle(request: &Request<'_>) -> Response {
    let Some(ms) = parse(&request.query_value("ms").unwrap_or(DEFAULT)) else {
        return Response::text(400, NOT_UNDERSTOOD);
    };
    thread::sleep(Duration::from_millis(ms));
    Response::text(200, format!("waited {ms} ms"))
}

isolab_sdk::export!(handle);

/// Stricter than `str::parse`, which accepts a sign and leading zeros.
fn parse(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = digits && (text == "0" || !text.starts_with('0'));
    let ms = is_plain.then(|| text.parse().ok()).flatten();
    ms.filter(|ms| *ms <= MOST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_up_to_ten_seconds_are_a_number() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("10000"), Some(10_000));
        for text in ["", "00", "07", "+5", "-1", "1.5", "10001", "99999999999999999999", "٥"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
