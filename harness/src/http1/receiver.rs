//! An answer, read piece by piece out of a buffer that is used again.

use http::Method;
use isolab_core::http1::{Body, Head, ParseError, parse_head};

/// The buffer grows by this, in bytes; most answers fit into the first.
const STEP: usize = 16 << 10;

/// Takes an answer as it arrives. After it is whole, [`Receiver::reset`] makes it
/// ready for the next one, without giving memory back.
pub struct Receiver {
    buffer: Vec<u8>,
    filled: usize,
    state: Option<(Head, Body)>,
    body: Vec<u8>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { buffer: vec![0; STEP], filled: 0, state: None, body: Vec::with_capacity(STEP) }
    }
}

impl Receiver {
    /// Forgets the answer.
    pub fn reset(&mut self) {
        self.filled = 0;
        self.state = None;
        self.body.clear();
    }

    /// Where to read into; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled + STEP, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Takes what was read into [`Receiver::space`], 0 bytes being the connection's
    /// end, and answers the head once head and body are whole. `each` is shown the
    /// headers.
    pub fn advance(
        &mut self,
        read: usize,
        method: &Method,
        each: impl FnMut(&str, &[u8]),
    ) -> Result<Option<Head>, ParseError> {
        self.filled += read;
        let mut used = 0;
        if self.state.is_none() {
            self.state = parse_head(&self.buffer[..self.filled], method, each)?
                .map(|head| (head, Body::new(head.framing)));
            used = self.state.map_or(0, |(head, _)| head.len);
        }
        let Some((head, body)) = &mut self.state else {
            return if read == 0 { Err(ParseError::Truncated) } else { Ok(None) };
        };
        used += body.decode(&self.buffer[used..self.filled], &mut self.body)?;
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        if read == 0 {
            body.end()?;
        }
        Ok(body.is_done().then_some(*head))
    }

    /// The body, as far as it has arrived.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows `answer` in pieces of `step` bytes, then the connection's end.
    fn receive(receiver: &mut Receiver, answer: &[u8], step: usize) -> Result<(u16, Vec<u8>), ParseError> {
        receiver.reset();
        for piece in answer.chunks(step).chain([&[][..]]) {
            receiver.space()[..piece.len()].copy_from_slice(piece);
            if let Some(head) = receiver.advance(piece.len(), &Method::GET, |_, _| {})? {
                return Ok((head.status, receiver.body().to_vec()));
            }
        }
        panic!("neither an answer nor an error");
    }

    #[test]
    fn every_framing_in_pieces_of_every_size() {
        let mut receiver = Receiver::default();
        for answer in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\nhello",
        ] {
            for step in 1..answer.len() {
                let answered = receive(&mut receiver, answer.as_bytes(), step);
                assert_eq!(answered, Ok((404, b"hello".to_vec())), "{step}: {answer}");
            }
        }
    }

    #[test]
    fn a_large_body_does_not_need_a_large_buffer() {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
        answer.resize(answer.len() + 1_000_000, b'x');
        let mut receiver = Receiver::default();
        let (_, body) = receive(&mut receiver, &answer, 1000).unwrap();
        assert_eq!((body.len(), receiver.buffer.len()), (1_000_000, STEP));
    }

    #[test]
    fn an_end_in_the_middle_is_an_error() {
        let mut receiver = Receiver::default();
        for answer in ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"] {
            assert_eq!(receive(&mut receiver, answer.as_bytes(), 9), Err(ParseError::Truncated));
        }
    }
}
