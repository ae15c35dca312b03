//! Handlers that test the web API from the inside, in every engine.
//!
//! Each is an ordinary handler: dispatch a GET of `http://localhost/` with a header
//! `x-test` to it, and it answers JSON, `{"ran": 12, "failed": [{"name": …, "error": …}]}`.
//! The tests are written from the standards, and Node passes them too.

/// Name and source of each handler.
pub fn handlers() -> impl Iterator<Item = (&'static str, String)> {
    TESTS.iter().map(|(name, tests)| (*name, format!("{HARNESS}{tests}")))
}

/// Name and source of the handlers for engines with timers. Their answers come later, when
/// timers have been called.
pub fn timer_handlers() -> impl Iterator<Item = (&'static str, String)> {
    std::iter::once(("timers", format!("{HARNESS}{}", include_str!("conformance/timers.js"))))
}

/// Name and source of the handlers for engines with streams and `fetch`.
pub fn stream_handlers() -> impl Iterator<Item = (&'static str, String)> {
    std::iter::once(("streams", format!("{HARNESS}{}", include_str!("conformance/streams.js"))))
}

/// Checks the answer of one of the [`handlers`]: the number of tests if all passed, or else
/// the names and errors of the failed ones, one per line.
///
/// # Errors
/// The failures, or that the answer does not have the expected form.
pub fn check(body: &str) -> Result<u32, String> {
    let answer = body.strip_prefix(r#"{"ran":"#).and_then(|rest| rest.split_once(r#","failed":["#));
    let (ran, failed) = answer.ok_or_else(|| format!("not the answer of a conformance handler: {body}"))?;
    let ran = ran.parse().map_err(|_| format!("`{ran}` is not a number of tests"))?;
    match failed.strip_suffix("]}") {
        Some("") if ran > 0 => Ok(ran),
        failures => Err(failures.unwrap_or(failed).replace("},{", "}\n{")),
    }
}

const HARNESS: &str = include_str!("conformance/harness.js");

const TESTS: &[(&str, &str)] = &[
    ("headers", include_str!("conformance/headers.js")),
    ("url", include_str!("conformance/url.js")),
    ("body", include_str!("conformance/body.js")),
    ("response", include_str!("conformance/response.js")),
    ("encoding", include_str!("conformance/encoding.js")),
    ("microtasks", include_str!("conformance/microtasks.js")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_judged() {
        assert_eq!(check(r#"{"ran":3,"failed":[]}"#), Ok(3));
        assert!(check(r#"{"ran":0,"failed":[]}"#).is_err());
        let failures = check(r#"{"ran":3,"failed":[{"name":"a","error":"b"},{"name":"c","error":"d"}]}"#);
        assert_eq!(failures.unwrap_err().lines().count(), 2);
        assert!(check("").is_err());
    }
}
