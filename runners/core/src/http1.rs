//! HTTP/1.1 as a client needs it over one kept connection: a request in one piece,
//! a response as it arrives.
//!
//! Used for the way into a container and by the load generator, where a general
//! client's pool, tasks and channels would be measured along. It does no I/O:
//!
//! ```ignore
//! write_request(&request, &mut out);         // one write
//! let head = parse_head(&input, &method, |name, value| …)?; // None: read more
//! let mut body = Body::new(head.framing);
//! let consumed = body.decode(&input[head.len..], &mut out)?; // until `is_done`
//! ```

use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, Method};

use crate::Request;

/// Headers that a head may have.
const MAX_HEADERS: usize = 100;
/// Bytes that a head, a chunk's line or a trailer line may have.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Room made at once for a body whose length is announced: a hostile number
/// reserves no more.
const MAX_RESERVE_BYTES: u64 = 1 << 20;

/// Headers that speak of one connection only (RFC 9110, §7.6.1), and `expect`,
/// which asks for an answer that nobody would wait for.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header, in lower case, belongs to one connection and is not passed on.
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Why bytes are no HTTP/1.1 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The status line or a header is malformed.
    #[error("its head is malformed: {0}")]
    Head(#[from] httparse::Error),
    /// The head, or a line within a chunked body, does not end.
    #[error("a line or head exceeds {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Lengths that contradict each other, or a length that is no number.
    #[error("its length is malformed")]
    Length,
    /// A chunk's size or end is malformed.
    #[error("a chunk of its body is malformed")]
    Chunk,
    /// 101: the peer speaks something else from here on.
    #[error("it switches protocols")]
    Upgrade,
    /// The connection ended in the middle.
    #[error("it ends in the middle")]
    Truncated,
}

/// How a body's end is known (RFC 9112, §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length, in bytes.
    Length(u64),
    /// By a last chunk.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

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

/// Appends a request, head and body, to `out`. Headers of the connection are left
/// out; a host and the body's length are written where they are needed.
pub fn write_request(request: &Request, out: &mut Vec<u8>) {
    let Request { method, headers, body, .. } = request;
    out.reserve(256 + body.len());
    put(out, &[method.as_str().as_bytes(), b" ", request.path().as_bytes()]);
    if !request.query().is_empty() {
        put(out, &[b"?", request.query().as_bytes()]);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if !headers.contains_key(HOST) {
        out.extend_from_slice(b"host: localhost\r\n");
    }
    for (name, value) in headers {
        if !belongs_to_connection(name, headers) {
            put(out, &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
    }
    if !body.is_empty() || matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        put(out, &[b"content-length: ", body.len().to_string().as_bytes(), b"\r\n"]);
    }
    put(out, &[b"\r\n", body]);
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn belongs_to_connection(name: &HeaderName, headers: &HeaderMap) -> bool {
    let named = || {
        let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(name.as_str()))
    };
    *name == CONTENT_LENGTH || is_hop_by_hop(name.as_str()) || named()
}

/// Reads a response's head from the beginning of `input` and shows its headers to
/// `each`, names as they were sent. `None`: it is not complete yet. Interim
/// responses (1xx) are passed over.
pub fn parse_head(
    input: &[u8],
    method: &Method,
    mut each: impl FnMut(&str, &[u8]),
) -> Result<Option<Head>, ParseError> {
    let mut skipped = 0;
    loop {
        let mut headers = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            &input[skipped..],
            &mut headers,
        )?;
        let httparse::Status::Complete(len) = parsed else {
            return if input.len() - skipped > MAX_LINE_BYTES { Err(ParseError::TooLong) } else { Ok(None) };
        };
        skipped += len;
        match response.code.unwrap_or_default() {
            101 => return Err(ParseError::Upgrade),
            100..=199 => {}
            status => {
                let mut lengths = Lengths { keep_alive: response.version == Some(1), ..Lengths::default() };
                for header in response.headers.iter() {
                    lengths.note(header.name, header.value)?;
                    each(header.name, header.value);
                }
                let framing = lengths.framing(status, method);
                let keep_alive = lengths.keep_alive && framing != Framing::UntilClose;
                return Ok(Some(Head { status, framing, keep_alive, len: skipped }));
            }
        }
    }
}

/// What a head's headers say of the body's length and of the connection.
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

/// A response's body as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This many bytes are still to come.
    Length(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl Body {
    /// A body of which nothing has arrived.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what has arrived, appends what of it is body to `out`, and answers how
    /// many bytes of `input` it used; the rest has to be shown again, with more.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, ParseError> {
        let mut rest = input;
        loop {
            match self.state {
                State::Done => break,
                State::Length(left) => {
                    out.reserve(left.min(MAX_RESERVE_BYTES) as usize);
                    let left = left - take(&mut rest, left, out);
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                    break;
                }
                State::UntilClose => {
                    take(&mut rest, u64::MAX, out);
                    break;
                }
                State::Chunk(left) => match left - take(&mut rest, left, out) {
                    0 => self.state = State::ChunkEnd,
                    left => {
                        self.state = State::Chunk(left);
                        break;
                    }
                },
                State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    let Some(line) = line(&mut rest)? else { break };
                    self.state = self.after_line(line)?;
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// The connection has ended: whether that ends the body too.
    pub fn end(&mut self) -> Result<(), ParseError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(ParseError::Truncated),
        }
    }

    fn after_line(&self, line: &[u8]) -> Result<State, ParseError> {
        match (self.state, line) {
            (State::ChunkEnd, b"") => Ok(State::ChunkSize),
            (State::ChunkEnd, _) => Err(ParseError::Chunk),
            (State::Trailers, b"") => Ok(State::Done),
            (State::Trailers, _) => Ok(State::Trailers),
            _ => match chunk_size(line)? {
                0 => Ok(State::Trailers),
                size => Ok(State::Chunk(size)),
            },
        }
    }
}

/// Moves up to `most` bytes from `rest` to `out`; how many.
fn take(rest: &mut &[u8], most: u64, out: &mut Vec<u8>) -> u64 {
    let len = most.min(rest.len() as u64) as usize;
    let (taken, left) = rest.split_at(len);
    out.extend_from_slice(taken);
    *rest = left;
    len as u64
}

/// Takes a whole line, without its end, from `rest`.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ParseError> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return if rest.len() > MAX_LINE_BYTES { Err(ParseError::TooLong) } else { Ok(None) };
    };
    let line = rest[..end].strip_suffix(b"\r").ok_or(ParseError::Chunk)?;
    *rest = &rest[end + 1..];
    Ok(Some(line))
}

/// The size before a chunk's extensions, in hexadecimal.
fn chunk_size(line: &[u8]) -> Result<u64, ParseError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(ParseError::Chunk);
    }
    let text = std::str::from_utf8(digits).map_err(|_| ParseError::Chunk)?;
    u64::from_str_radix(text, 16).map_err(|_| ParseError::Chunk)
}

#[cfg(test)]
mod tests;
