//! Answers with `chunks` pieces of `bytes` bytes, one each `interval_ms` milliseconds.
//!
//! All three come from the query: `?chunks=10&bytes=1024&interval_ms=100`; the defaults are 3, 16
//! and 10. The first piece comes at once. Piece 0 consists of the letter `a`, piece 1 of `b`, and
//! piece 26 of `a` again. The status is 400 unless each is a whole number in decimal digits: up to
//! 1,000,000 pieces, 1,048,576 bytes and 10,000 ms.

use std::borrow::Cow;
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use isolab_sdk::{Answer, Request, TEXT};

/// Name, default and largest value of a number in the query.
const CHUNKS: (&str, &str, u32) = ("chunks", "3", 1_000_000);
const BYTES: (&str, &str, u32) = ("bytes", "16", 1 << 20);
const INTERVAL_MS: (&str, &str, u32) = ("interval_ms", "10", 10_000);

/// Writes the pieces.
pub fn handle(request: &Request<'_>, _: &mut dyn Read, answer: &mut dyn Answer) -> io::Result<()> {
    let numbers = [CHUNKS, BYTES, INTERVAL_MS].map(|number| read(request, number));
    let [Ok(chunks), Ok(bytes), Ok(interval_ms)] = numbers else {
        let reason = numbers.into_iter().find_map(Result::err).unwrap_or_default();
        return answer.begin(400, &[TEXT])?.write_all(reason.as_bytes());
    };
    let writer = answer.begin(200, &[TEXT])?;
    let mut piece = vec![0; bytes as usize];
    for (index, letter) in (0..chunks).zip((b'a'..=b'z').cycle()) {
        if index > 0 && interval_ms > 0 {
            thread::sleep(Duration::from_millis(interval_ms.into()));
        }
        piece.fill(letter);
        writer.write_all(&piece)?;
    }
    Ok(())
}

isolab_sdk::export_stream!(handle);

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
