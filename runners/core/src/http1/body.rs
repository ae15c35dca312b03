//! A response's body, as it arrives.

use super::{MAX_HEAD_BYTES, ParseError};

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

/// Takes a body out of its framing.
#[derive(Debug)]
pub(super) struct BodyDecoder {
    state: State,
    /// How much of the rest of the input is known to have no line's end.
    searched: usize,
    trailer_bytes: usize,
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

impl BodyDecoder {
    /// A body of which nothing has arrived.
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, searched: 0, trailer_bytes: 0 }
    }

    /// Whether the body is complete.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what has arrived, appends the body in it to `out`, and answers how many bytes
    /// of `input` it used. The next call has to be given the rest again, with more.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, ParseError> {
        let mut rest = input;
        loop {
            match self.state {
                State::Done => break,
                State::Length(left) => {
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
                    let Some(line) = self.line(&mut rest)? else { break };
                    self.state = self.after_line(line)?;
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    /// The connection has ended: whether that ends the body too.
    pub(super) fn end(&mut self) -> Result<(), ParseError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(ParseError::Truncated),
        }
    }

    /// Takes a whole line, without its end, from `rest`.
    fn line<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ParseError> {
        let end = rest[self.searched..].iter().position(|byte| *byte == b'\n');
        let len = end.map_or(rest.len(), |end| self.searched + end);
        if len > MAX_HEAD_BYTES {
            return Err(ParseError::TooLong);
        }
        self.searched = if end.is_some() { 0 } else { len };
        if end.is_none() {
            return Ok(None);
        }
        let line = rest[..len].strip_suffix(b"\r").ok_or(ParseError::Chunk)?;
        *rest = &rest[len + 1..];
        Ok(Some(line))
    }

    fn after_line(&mut self, line: &[u8]) -> Result<State, ParseError> {
        match (self.state, line) {
            (State::ChunkEnd, b"") => Ok(State::ChunkSize),
            (State::ChunkEnd, _) => Err(ParseError::Chunk),
            (State::Trailers, b"") => Ok(State::Done),
            (State::Trailers, _) => {
                self.trailer_bytes += line.len();
                if self.trailer_bytes > MAX_HEAD_BYTES {
                    Err(ParseError::TooLong)
                } else {
                    Ok(State::Trailers)
                }
            }
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

/// The size before a chunk's extensions, in hexadecimal.
fn chunk_size(line: &[u8]) -> Result<u64, ParseError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(ParseError::Chunk);
    }
    let text = std::str::from_utf8(digits).map_err(|_| ParseError::Chunk)?;
    u64::from_str_radix(text, 16).map_err(|_| ParseError::Chunk)
}
