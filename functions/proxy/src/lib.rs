//! Passes a request on to the host `origin`, and its answer back, while both flow.
//!
//! `GET ?ms=10&bytes=64` asks `/delay/10?bytes=64`; the defaults are 10 and 64. A body goes to `/echo`.
//! The status is 400 unless both numbers are whole numbers in decimal digits: up to 10,000 ms and
//! 1,048,576 bytes.

use std::borrow::Cow;
use std::io::{self, Read};

use isolab_sdk::{Answer, Request, TEXT, outbound};

/// Name, default and largest value of a number in the query.
const MS: (&str, &str, u32) = ("ms", "10", 10_000);
const BYTES: (&str, &str, u32) = ("bytes", "64", 1 << 20);

/// Asks `origin`, and passes its answer on.
pub fn handle(request: &Request<'_>, body: &mut dyn Read, answer: &mut dyn Answer) -> io::Result<()> {
    let (ms, bytes) = match (read(request, MS), read(request, BYTES)) {
        (Ok(ms), Ok(bytes)) => (ms, bytes),
        (Err(reason), _) | (_, Err(reason)) => {
            return answer.begin(400, &[TEXT])?.write_all(reason.as_bytes());
        }
    };
    if has_body(request) {
        let sending = outbound::begin(request.method, "http://origin/echo", &[])?;
        return sending.pass(body, move |head| answer.begin(head.status, &[TEXT]));
    }
    let url = format!("http://origin/delay/{ms}?bytes={bytes}");
    let mut incoming = outbound::send("GET", &url, &[], b"")?.answer()?;
    let writer = answer.begin(incoming.status(), &[TEXT])?;
    io::copy(&mut incoming, writer).map(|_| ())
}

isolab_sdk::export_stream!(handle);

/// Whether a body comes with the request, as the Fetch standard sees it: requests of these two methods
/// have none.
fn has_body(request: &Request<'_>) -> bool {
    !matches!(request.method, "GET" | "HEAD")
}

fn read(request: &Request<'_>, (name, default, most): (&str, &'static str, u32)) -> Result<u32, String> {
    let text = request.query_value(name).unwrap_or(Cow::Borrowed(default));
    let number = parse(&text).filter(|number| *number <= most);
    number.ok_or_else(|| format!("{name} must be a whole number from 0 to {most}"))
}

/// Stricter than `str::parse`, which accepts a sign and leading zeros.
fn parse(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = digits && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}
