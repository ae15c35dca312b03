//! The n-th Fibonacci number by naive recursion: function calls and integer additions,
//! without memory.
//!
//! `n` comes from the query, `?n=20`; its default is 20. The answer is
//! `{"n":20,"fibonacci":6765}`. The status is 400 unless `n` is written with one or two
//! digits and is at most 47.
//!
//! # Compiler optimisation
//!
//! Rust's compiler turns the second of the two calls into a loop that adds the results of
//! the first one (accumulator recursion, LLVM's pass `tailcallelim`), for native code and
//! for Wasm. F(n+1) of the source's 2 F(n+1) - 1 calls remain, so the work still grows as
//! 1.618^n and is the same for every model. JavaScript engines make every call: one more
//! reason to compare rows within a variant only.

use isolab_sdk::{Request, Response};
use serde::Serialize;

const DEFAULT: u32 = 20;

/// The last `n` whose number fits in 32 bits: every model computes with integers of the
/// same width.
const GREATEST: u32 = 47;

const OUT_OF_RANGE: &str = r#"{"error":"n must be a whole number from 0 to 47"}"#;

/// Answers with the Fibonacci number that the request asks for.
pub fn handle(request: &Request<'_>) -> Response {
    let n = match request.query_value("n") {
        None => Some(DEFAULT),
        Some(text) => parse(&text),
    };
    let Some(n) = n else {
        return Response::json(400, OUT_OF_RANGE);
    };
    let output = Output { n, fibonacci: fibonacci(n) };
    Response::json(200, serde_json::to_vec(&output).expect("a struct of integers serialises"))
}

isolab_sdk::export!(handle);

/// F(n), with F(0) = 0 and F(1) = 1, in a number of steps that grows as 1.618^n.
fn fibonacci(n: u32) -> u32 {
    if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
}

#[derive(Serialize)]
struct Output {
    n: u32,
    fibonacci: u32,
}

/// Stricter than `str::parse`, which accepts a sign and leading zeros.
fn parse(text: &str) -> Option<u32> {
    let digits = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let n = digits.then(|| text.parse().ok()).flatten();
    n.filter(|n| *n <= GREATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_is_the_last_that_fits() {
        let (mut here, mut next) = (0u64, 1u64);
        for _ in 0..GREATEST {
            (here, next) = (next, here + next);
        }
        assert!(u32::try_from(here).is_ok() && u32::try_from(next).is_err());
    }

    #[test]
    fn only_one_or_two_digits_are_a_number() {
        assert_eq!(parse("07"), Some(7));
        assert_eq!(parse("47"), Some(47));
        for text in ["", "+5", "48", "005"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
