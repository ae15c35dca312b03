//! The n-th Fibonacci number by naive recursion: calls and additions, no memory.
//!
//! `n` comes from the query, `?n=20`, and is 20 without it; the answer is
//! `{"n":20,"fibonacci":6765}`. Anything but one or two digits that say at most 47
//! is answered with 400.
//!
//! # What the compiler makes of it
//!
//! Rust's compiler replaces the second of the two calls by a loop that adds up what
//! the first ones return, natively and for Wasm alike (accumulator recursion, LLVM's
//! pass `tailcallelim`). Of the 2 F(n+1) - 1 calls that the source says F(n+1) are
//! left, each with one addition less: the work still grows as 1.618^n, and no model
//! is spared what another has to do. JavaScript engines make every call, which is
//! one more reason to compare rows within a variant only.

use isolab_sdk::{Request, Response};
use serde::Serialize;

const DEFAULT: u32 = 20;

/// The last `n` whose number fits in 32 bits, so that no model computes with
/// wider integers than another needs.
const GREATEST: u32 = 47;

const OUT_OF_RANGE: &str = r#"{"error":"n must be a whole number from 0 to 47"}"#;

/// Answers a request with the number that it asks for.
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

/// Stricter than `str::parse`, which takes a sign and any number of zeros.
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
