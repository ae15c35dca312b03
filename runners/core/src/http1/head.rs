//! A response's head, as it arrives.

use std::mem::MaybeUninit;

use http::Method;

use super::body::Framing;
use super::{MAX_HEAD_BYTES, MAX_HEADERS, ParseError};

/// A response's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code; never that of an interim response.
    pub status: u16,
    /// How the body's end is known.
    pub framing: Framing,
    /// Whether the connection can carry another request after this response.
    pub keep_alive: bool,
    /// How many bytes the head took, skipped interim responses included.
    pub len: usize,
}

/// Reads a head out of input that grows.
///
/// Most heads arrive whole, and are parsed at once. One that does not is only searched for
/// its end, each byte once, and parsed again when that is there: a sender that drips bytes
/// costs no more than the bytes.
#[derive(Debug, Default)]
pub(super) struct HeadParser {
    /// Where the head begins, behind the interim responses.
    begin: usize,
    /// How far the input is known not to end the head.
    searched: usize,
}

impl HeadParser {
    /// Shows the headers of the final response to `each`, names as they were sent, once
    /// its head is there. Until then each call is given the same input with more at its
    /// end, and answers `None`.
    pub(super) fn advance(
        &mut self,
        input: &[u8],
        method: &Method,
        mut each: impl FnMut(&str, &[u8]),
    ) -> Result<Option<Head>, ParseError> {
        loop {
            // Servers may be lenient with empty lines before a message, and clients have no need.
            if matches!(input.get(self.begin), Some(b'\r' | b'\n')) {
                return Err(ParseError::Head(httparse::Error::NewLine));
            }
            let is_new = self.searched == self.begin;
            if !is_new && !has_end(&input[self.begin..], self.searched - self.begin) {
                return self.wait(input);
            }
            let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut []);
            let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
                &mut response,
                &input[self.begin..],
                &mut headers,
            )?;
            let httparse::Status::Complete(len) = parsed else { return self.wait(input) };
            let len = self.begin + len;
            if len > MAX_HEAD_BYTES {
                return Err(ParseError::TooLong);
            }
            match response.code.unwrap_or_default() {
                101 => return Err(ParseError::Upgrade),
                100..=199 => (self.begin, self.searched) = (len, len),
                status => {
                    let mut lengths =
                        Lengths { keep_alive: response.version == Some(1), ..Lengths::default() };
                    for header in response.headers.iter() {
                        lengths.note(header.name, header.value)?;
                        each(header.name, header.value);
                    }
                    let framing = lengths.framing(status, method);
                    let keep_alive = lengths.keep_alive && framing != Framing::UntilClose;
                    return Ok(Some(Head { status, framing, keep_alive, len }));
                }
            }
        }
    }

    fn wait(&mut self, input: &[u8]) -> Result<Option<Head>, ParseError> {
        self.searched = input.len();
        if input.len() > MAX_HEAD_BYTES { Err(ParseError::TooLong) } else { Ok(None) }
    }
}

/// Whether an empty line ends `head`, of which the first `searched` bytes have none.
fn has_end(head: &[u8], searched: usize) -> bool {
    // Its end may have begun in the last two of them.
    let mut rest = &head[searched.saturating_sub(2)..];
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        rest = &rest[end + 1..];
        if matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..]) {
            return true;
        }
    }
    false
}

/// The statements of a head's headers about the body's length and the connection.
#[derive(Default)]
struct Lengths {
    length: Option<u64>,
    encoded: bool,
    chunked: bool,
    keep_alive: bool,
}

impl Lengths {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), ParseError> {
        if name.eq_ignore_ascii_case("content-length") {
            let digits = value.trim_ascii();
            // `parse` alone would take a sign.
            let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(digits).ok().filter(|_| is_number);
            let length = text.and_then(|text| text.parse().ok()).ok_or(ParseError::Length)?;
            if self.length.is_some_and(|known| known != length) {
                return Err(ParseError::Length);
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
            (self.encoded, self.chunked) = (true, last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        } else if name.eq_ignore_ascii_case("connection") {
            let mut tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            if tokens.any(|token| token.eq_ignore_ascii_case(b"close")) {
                self.keep_alive = false;
            }
        }
        Ok(())
    }

    fn framing(&self, status: u16, method: &Method) -> Framing {
        match self.length {
            _ if *method == Method::HEAD || matches!(status, 204 | 304) => Framing::Length(0),
            _ if self.chunked => Framing::Chunked,
            _ if self.encoded => Framing::UntilClose,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        }
    }
}
