//! Sends `count` requests to the host `origin` at once, and merges the answers in order.
//!
//! Request number I asks `/delay/MS?bytes=I`. The answer is JSON: the lengths of all answers and their
//! sum. The defaults are `?count=10&ms=10`. The status is 400 unless both are whole numbers in decimal
//! digits: up to 100 requests and 10,000 ms.

use std::borrow::Cow;
use std::io;

use isolab_sdk::outbound::{self, Sent};
use isolab_sdk::{Request, Response, wire};

/// Name, default and largest value of a number in the query.
const COUNT: (&str, &str, u32) = ("count", "10", 100);
const MS: (&str, &str, u32) = ("ms", "10", 10_000);

/// Asks `origin`, and merges its answers.
pub fn handle(request: &Request<'_>) -> Response {
    let (count, ms) = match (read(request, COUNT), read(request, MS)) {
        (Ok(count), Ok(ms)) => (count, ms),
        (Err(reason), _) | (_, Err(reason)) => return Response::text(400, reason),
    };
    match lengths(count, ms) {
        Ok(lengths) => Response::json(200, merged(&lengths)),
        Err(error) => Response { status: wire::THREW, headers: Vec::new(), body: error.to_string().into() },
    }
}

isolab_sdk::export!(handle);

/// The lengths of all answers. All requests are on their way before the first answer is awaited.
fn lengths(count: u32, ms: u32) -> io::Result<Vec<u64>> {
    let ask = |index| outbound::send("GET", &format!("http://origin/delay/{ms}?bytes={index}"), &[], b"");
    let sent: Vec<Sent> = (0..count).map(ask).collect::<io::Result<_>>()?;
    sent.into_iter().map(length).collect()
}

fn length(sent: Sent) -> io::Result<u64> {
    let mut answer = sent.answer()?;
    if answer.status() != 200 {
        return Err(io::Error::other(format!("origin answered {}", answer.status())));
    }
    io::copy(&mut answer, &mut io::sink())
}

fn merged(lengths: &[u64]) -> String {
    let texts: Vec<_> = lengths.iter().map(u64::to_string).collect();
    format!(r#"{{"lengths":[{}],"sum":{}}}"#, texts.join(","), lengths.iter().sum::<u64>())
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
