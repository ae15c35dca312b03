//! A response, read piece by piece out of a buffer that is used again.

use http::Method;

use super::body::BodyDecoder;
use super::head::{Head, HeadParser};
use super::{Framing, ParseError};

/// The buffer grows by this, in bytes; most responses fit into the first.
const STEP: usize = 16 << 10;

/// Room made at once for a body whose length is announced: a hostile number
/// reserves no more.
const MAX_RESERVE_BYTES: u64 = 1 << 20;

/// Takes a response as it arrives. After it is whole, [`Receiver::reset`] makes it
/// ready for the next one, without giving memory back.
#[derive(Debug)]
pub struct Receiver {
    limit_bytes: u64,
    buffer: Vec<u8>,
    filled: usize,
    parser: HeadParser,
    response: Option<(Head, BodyDecoder)>,
    body: Vec<u8>,
    /// Bytes of this body that were handed over before it was whole.
    taken_bytes: u64,
}

impl Default for Receiver {
    /// A receiver that takes a body of any length.
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Receiver {
    /// A receiver for bodies of up to `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            buffer: vec![0; STEP],
            filled: 0,
            parser: HeadParser::default(),
            response: None,
            body: Vec::with_capacity(STEP),
            taken_bytes: 0,
        }
    }

    /// Forgets the response.
    pub fn reset(&mut self) {
        self.filled = 0;
        self.parser = HeadParser::default();
        self.response = None;
        self.body.clear();
        self.taken_bytes = 0;
    }

    /// Where to read into; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled + STEP, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Takes the `read` bytes that were read into [`Receiver::space`], 0 being the
    /// connection's end, and answers the head once head and body are whole. `each` is
    /// shown the headers, names as they were sent, when the head is there.
    ///
    /// # Errors
    /// If the bytes are not a response, or exceed a limit. Then the connection cannot be
    /// used any more.
    pub fn advance(
        &mut self,
        read: usize,
        method: &Method,
        each: impl FnMut(&str, &[u8]),
    ) -> Result<Option<Head>, ParseError> {
        self.filled += read;
        let mut used = 0;
        if self.response.is_none()
            && let Some(head) = self.parser.advance(&self.buffer[..self.filled], method, each)?
        {
            self.response = Some((head, BodyDecoder::new(head.framing)));
            used = head.len;
            self.expect(head.framing)?;
        }
        let Some((head, decoder)) = &mut self.response else {
            return if read == 0 { Err(ParseError::Truncated) } else { Ok(None) };
        };
        used += decoder.decode(&self.buffer[used..self.filled], &mut self.body)?;
        if self.taken_bytes + self.body.len() as u64 > self.limit_bytes {
            return Err(ParseError::BodyTooLarge(self.limit_bytes));
        }
        if used > 0 {
            self.buffer.copy_within(used..self.filled, 0);
            self.filled -= used;
        }
        if read == 0 {
            decoder.end()?;
        }
        Ok(decoder.is_done().then_some(*head))
    }

    /// Makes room for a body. One that is announced to be too large is not waited for.
    fn expect(&mut self, framing: Framing) -> Result<(), ParseError> {
        let Framing::Length(length) = framing else { return Ok(()) };
        if length > self.limit_bytes {
            return Err(ParseError::BodyTooLarge(self.limit_bytes));
        }
        self.body.reserve(length.min(MAX_RESERVE_BYTES) as usize);
        Ok(())
    }

    /// The head, as soon as it has arrived.
    pub fn head(&self) -> Option<Head> {
        self.response.as_ref().map(|(head, _)| *head)
    }

    /// The body, as far as it has arrived and was not handed over.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Hands the body over, as far as it has arrived. Bytes that arrive later are a new piece.
    pub fn take_body(&mut self) -> Vec<u8> {
        self.taken_bytes += self.body.len() as u64;
        std::mem::take(&mut self.body)
    }

    /// How many bytes have arrived behind the end of a response that is whole.
    pub fn surplus(&self) -> usize {
        self.filled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{MAX_HEAD_BYTES, MAX_HEADERS};
    use super::*;

    /// The head, the headers, the body, and how many bytes follow the response.
    type Received = (Head, Vec<(String, String)>, Vec<u8>, usize);

    /// Shows a response piece by piece, then the connection's end.
    fn receive_with(
        receiver: &mut Receiver,
        pieces: &[&[u8]],
        method: &Method,
    ) -> Result<Received, ParseError> {
        receiver.reset();
        let mut headers = Vec::new();
        for piece in pieces.iter().copied().filter(|piece| !piece.is_empty()).chain([&[][..]]) {
            let mut rest = piece;
            loop {
                let space = receiver.space();
                let (now, later) = rest.split_at(rest.len().min(space.len()));
                space[..now.len()].copy_from_slice(now);
                let note = |name: &str, value: &[u8]| {
                    headers.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
                };
                if let Some(head) = receiver.advance(now.len(), method, note)? {
                    let surplus = receiver.surplus() + later.len();
                    return Ok((head, headers, receiver.take_body(), surplus));
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
        }
        panic!("neither a response nor an error");
    }

    fn receive(pieces: &[&[u8]], method: &Method) -> Result<Received, ParseError> {
        receive_with(&mut Receiver::default(), pieces, method)
    }

    fn get(response: &[u8]) -> Result<Received, ParseError> {
        receive(&[response], &Method::GET)
    }

    /// One byte a read.
    fn drip(response: &[u8]) -> Result<Received, ParseError> {
        receive(&response.chunks(1).collect::<Vec<_>>(), &Method::GET)
    }

    #[test]
    fn bodies_are_framed_by_length_chunks_or_the_connections_end() {
        let (head, headers, body, _) =
            get(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\nX: y\r\n\r\nok").unwrap();
        assert_eq!((head.status, head.keep_alive, body.as_slice()), (201, true, b"ok".as_slice()));
        assert_eq!(headers[1], ("X".to_owned(), "y".to_owned()));

        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nt: 1\r\n\r\n";
        let (head, _, body, left) = get(chunked).unwrap();
        assert_eq!((head.framing, body.as_slice(), left), (Framing::Chunked, b"abc0123456789".as_slice(), 0));

        let (head, _, body, _) = get(b"HTTP/1.0 200 OK\r\n\r\nall of it").unwrap();
        assert_eq!(
            (head.framing, head.keep_alive, body.as_slice()),
            (Framing::UntilClose, false, b"all of it".as_slice())
        );

        let (head, ..) = get(b"HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert!(!head.keep_alive);
    }

    #[test]
    fn some_responses_have_no_body_whatever_their_headers_say() {
        for response in ["204 No Content", "304 Not Modified"] {
            let text = format!("HTTP/1.1 {response}\r\ncontent-length: 5\r\n\r\n");
            assert_eq!(get(text.as_bytes()).unwrap().0.framing, Framing::Length(0));
        }
        let answer = receive(&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"], &Method::HEAD).unwrap();
        assert_eq!(answer.0.framing, Framing::Length(0));
    }

    #[test]
    fn interim_responses_are_passed_over_and_surplus_is_left() {
        let hints = b"HTTP/1.1 103 Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP";
        let (head, headers, body, left) = get(hints).unwrap();
        assert_eq!((head.status, body.as_slice(), left), (200, b"x".as_slice(), 4));
        assert_eq!(headers, [("content-length".to_owned(), "1".to_owned())]);
        assert_eq!(drip(hints).unwrap().0, head);
        assert_eq!(get(b"HTTP/1.1 101 Switching\r\n\r\n"), Err(ParseError::Upgrade));
    }

    #[test]
    fn malformed_responses_are_refused() {
        let length =
            |value: &str| get(format!("HTTP/1.1 200 OK\r\ncontent-length: {value}\r\n\r\n").as_bytes());
        for value in ["", "+1", "-1", "1x", "99999999999999999999"] {
            assert_eq!(length(value), Err(ParseError::Length), "{value}");
        }
        assert_eq!(length("1\r\ncontent-length: 2"), Err(ParseError::Length));
        assert_eq!(length("1"), Err(ParseError::Truncated));
        let chunks = |text: &str| {
            get(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{text}").as_bytes())
        };
        for text in ["x\r\n", "\r\n", "+1\r\na\r\n", "1\na\r\n", "1\r\nab\r\n", "11111111111111111\r\n"] {
            assert_eq!(chunks(text), Err(ParseError::Chunk), "{text}");
        }
        assert_eq!(chunks("1\r\na\r\n0\r\n"), Err(ParseError::Truncated));
        assert!(matches!(get(b"SSH-2.0\r\n\r\n"), Err(ParseError::Head(_))));
        assert!(matches!(get(b"\r\nHTTP/1.1 200 OK\r\n\r\n"), Err(ParseError::Head(_))));
        for answer in ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell"] {
            assert_eq!(drip(answer.as_bytes()), Err(ParseError::Truncated), "{answer}");
        }
    }

    #[test]
    fn a_head_ends_at_its_limits_however_it_arrives() {
        let endless = [b"HTTP/1.1 200 OK\r\na: ".as_slice(), &vec![b'a'; 2 * MAX_HEAD_BYTES]].concat();
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_HEAD_BYTES / 25 + 1);
        let headers = |count| format!("HTTP/1.1 204 No Content\r\n{}\r\n", "a: b\r\n".repeat(count));
        for receive in [get, drip] {
            assert_eq!(receive(&endless), Err(ParseError::TooLong));
            assert_eq!(receive(&interim), Err(ParseError::TooLong));
            assert_eq!(receive(headers(MAX_HEADERS).as_bytes()).unwrap().1.len(), MAX_HEADERS);
            assert_eq!(receive(headers(MAX_HEADERS + 1).as_bytes()), Err(ParseError::TooManyHeaders));
        }
        for error in [ParseError::TooLong, ParseError::TooManyHeaders] {
            let text = error.to_string();
            assert!(text.contains("65536 bytes") || text.contains("100 headers"), "{text}");
        }
        let just = format!("HTTP/1.1 204 No Content\r\na: {}\r\n\r\n", "a".repeat(MAX_HEAD_BYTES - 32));
        assert_eq!((just.len(), get(just.as_bytes()).unwrap().0.len), (MAX_HEAD_BYTES, MAX_HEAD_BYTES));
    }

    #[test]
    fn lines_between_chunks_and_trailers_end_at_their_limits() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let line = format!("{head}1;{}", "a".repeat(2 * MAX_HEAD_BYTES));
        let trailers = format!("{head}0\r\n{}", "a: b\r\n".repeat(MAX_HEAD_BYTES));
        for receive in [get, drip] {
            assert_eq!(receive(line.as_bytes()), Err(ParseError::TooLong));
            assert_eq!(receive(trailers.as_bytes()), Err(ParseError::TooLong));
        }
    }

    #[test]
    fn a_body_beyond_the_limit_is_refused_before_it_is_taken_in() {
        let mut receiver = Receiver::new(10);
        for response in [
            b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n0123456789a",
        ] {
            let result = receive_with(&mut receiver, &[response], &Method::GET);
            assert_eq!(result, Err(ParseError::BodyTooLarge(10)));
        }
        let full = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
        assert_eq!(receive_with(&mut receiver, &[full], &Method::GET).unwrap().2, b"0123456789");
    }

    #[test]
    fn an_announced_length_reserves_little() {
        let mut receiver = Receiver::default();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX);
        receiver.space()[..head.len()].copy_from_slice(head.as_bytes());
        assert_eq!(receiver.advance(head.len(), &Method::GET, |_, _| ()), Ok(None));
        assert!(receiver.body.capacity() as u64 <= MAX_RESERVE_BYTES);
        // Nor does each piece that follows.
        receiver.take_body();
        receiver.space()[0] = b'x';
        assert_eq!(receiver.advance(1, &Method::GET, |_, _| ()), Ok(None));
        assert!(receiver.body.capacity() <= STEP);
    }

    /// Pieces of a response, each taken when it has arrived.
    fn take_pieces(receiver: &mut Receiver, pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, ParseError> {
        receiver.reset();
        let mut taken = Vec::new();
        for piece in pieces {
            receiver.space()[..piece.len()].copy_from_slice(piece);
            let whole = receiver.advance(piece.len(), &Method::GET, |_, _| ())?;
            assert_eq!(receiver.head().map(|head| head.status), Some(200));
            taken.push(receiver.take_body());
            if whole.is_some() {
                break;
            }
        }
        Ok(taken)
    }

    #[test]
    fn a_body_is_taken_piece_by_piece_and_its_limit_counts_all_of_them() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let begin = format!("{head}2\r\nab\r\n");
        let pieces = [begin.as_bytes(), b"3\r\ncd", b"e\r\n0\r", b"\n\r\n"];
        let taken = take_pieces(&mut Receiver::new(5), &pieces).unwrap();
        assert_eq!(taken, [b"ab".as_slice(), b"cd", b"e", b""]);
        let mut receiver = Receiver::new(4);
        assert_eq!(take_pieces(&mut receiver, &pieces), Err(ParseError::BodyTooLarge(4)));
        // The next response is counted anew.
        assert!(take_pieces(&mut receiver, &pieces[..2]).is_ok());
    }

    #[test]
    fn a_large_body_does_not_need_a_large_buffer() {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
        answer.resize(answer.len() + 1_000_000, b'x');
        let mut receiver = Receiver::default();
        let pieces: Vec<&[u8]> = answer.chunks(1000).collect();
        let (_, _, body, _) = receive_with(&mut receiver, &pieces, &Method::GET).unwrap();
        assert_eq!((body.len(), receiver.buffer.len()), (1_000_000, STEP));
    }

    #[test]
    fn a_receiver_is_used_again_after_every_framing() {
        let mut receiver = Receiver::default();
        for answer in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\nhello",
        ] {
            for step in 1..answer.len() {
                let pieces: Vec<&[u8]> = answer.as_bytes().chunks(step).collect();
                let (head, _, body, _) = receive_with(&mut receiver, &pieces, &Method::GET).unwrap();
                assert_eq!((head.status, body), (404, b"hello".to_vec()), "{step}: {answer}");
            }
        }
    }

    /// `bytes` cut at these places.
    fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(&ends).map(|(begin, end)| &bytes[begin..*end]).collect()
    }

    proptest! {
        #[test]
        fn pieces_of_a_chunked_body_make_no_difference(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in &chunks {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            let (_, _, body, left) = receive(&cut(&bytes, &cuts), &Method::GET).unwrap();
            prop_assert_eq!((body, left), (chunks.concat(), 0));
        }

        #[test]
        fn pieces_of_a_head_make_no_difference(
            interim in 0..3_usize,
            headers in prop::collection::vec(("[a-z]{1,8}", "[ -~]{0,20}"), 0..8),
            bare in any::<bool>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let end = if bare { "\n" } else { "\r\n" };
            let mut lines = ["HTTP/1.1 103 Hints", "a: b", ""].repeat(interim);
            lines.push("HTTP/1.1 200 OK");
            let headers: Vec<_> = headers.iter().map(|(name, value)| format!("x-{name}: {value}")).collect();
            lines.extend(headers.iter().map(String::as_str));
            lines.extend(["content-length: 3", "", "abc"]);
            let text = lines.join(end);
            let whole = get(text.as_bytes());
            prop_assert_eq!(whole.as_ref().map(|(_, seen, body, _)| (seen.len(), body.as_slice())),
                Ok((headers.len() + 1, b"abc".as_slice())));
            prop_assert_eq!(receive(&cut(text.as_bytes(), &cuts), &Method::GET), whole);
        }

        #[test]
        fn pieces_of_anything_make_no_difference_to_what_is_taken(
            bytes in prop::collection::vec(prop::sample::select(b"\r\n:;a0 ".to_vec()), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            for begin in ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"] {
                let bytes = [begin.as_bytes(), &bytes].concat();
                let taken = |received: Result<Received, ParseError>| {
                    received.ok().map(|(head, headers, body, _)| (head, headers, body))
                };
                prop_assert_eq!(taken(receive(&cut(&bytes, &cuts), &Method::GET)), taken(get(&bytes)));
            }
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = get(&bytes);
            let _ = get(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat());
        }
    }
}
