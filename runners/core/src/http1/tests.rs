use bytes::Bytes;
use http::Uri;
use proptest::prelude::*;

use super::*;

/// The head, the headers, the body, and how many bytes follow the response.
type Parsed = (Head, Vec<(String, String)>, Vec<u8>, usize);

fn request(
    method: Method,
    uri: &'static str,
    headers: &[(&'static str, &str)],
    body: &'static str,
) -> String {
    let headers =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let request = Request::mounted(method, Uri::from_static(uri), headers, Bytes::from(body), 2);
    let mut out = Vec::new();
    write_request(&request, &mut out);
    String::from_utf8(out).unwrap()
}

/// Feeds a response piece by piece; what came out, and how many bytes were left over.
fn respond(pieces: &[&[u8]], method: &Method) -> Result<Parsed, ParseError> {
    let (mut input, mut body, mut parsed) = (Vec::new(), Vec::new(), None);
    let mut headers = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        if parsed.is_none() {
            let mut seen = Vec::new();
            let note =
                |name: &str, value: &[u8]| seen.push((name.into(), String::from_utf8_lossy(value).into()));
            let Some(head) = parse_head(&input, method, note)? else { continue };
            input.drain(..head.len);
            headers = seen;
            parsed = Some((head, Body::new(head.framing)));
        }
        if let Some((_, decoder)) = &mut parsed {
            let used = decoder.decode(&input, &mut body)?;
            input.drain(..used);
        }
    }
    let (head, mut decoder) = parsed.ok_or(ParseError::Truncated)?;
    decoder.end()?;
    Ok((head, headers, body, input.len()))
}

fn get(response: &[u8]) -> Result<Parsed, ParseError> {
    respond(&[response], &Method::GET)
}

#[test]
fn a_request_is_written_without_the_headers_of_its_connection() {
    let headers =
        [("connection", "keep-alive, x-hop"), ("x-hop", "1"), ("x-a", "b"), ("content-length", "99")];
    assert_eq!(
        request(Method::GET, "/f?a=1", &headers, ""),
        "GET /?a=1 HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n\r\n"
    );
    assert_eq!(
        request(Method::POST, "/f/x", &[("host", "example")], "abc"),
        "POST /x HTTP/1.1\r\nhost: example\r\ncontent-length: 3\r\n\r\nabc"
    );
    assert!(request(Method::PUT, "/f", &[], "").contains("content-length: 0\r\n"));
}

#[test]
fn bodies_are_framed_by_length_chunks_or_the_connections_end() {
    let (head, headers, body, _) = get(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\nX: y\r\n\r\nok").unwrap();
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
    let answer = respond(&[b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"], &Method::HEAD).unwrap();
    assert_eq!(answer.0.framing, Framing::Length(0));
}

#[test]
fn interim_responses_are_passed_over_and_surplus_is_left() {
    let (head, _, body, left) =
        get(b"HTTP/1.1 103 Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP").unwrap();
    assert_eq!((head.status, body.as_slice(), left), (200, b"x".as_slice(), 4));
    assert_eq!(get(b"HTTP/1.1 101 Switching\r\n\r\n"), Err(ParseError::Upgrade));
}

#[test]
fn malformed_responses_are_refused() {
    let length = |value: &str| get(format!("HTTP/1.1 200 OK\r\ncontent-length: {value}\r\n\r\n").as_bytes());
    for value in ["", "+1", "-1", "1x", "99999999999999999999"] {
        assert_eq!(length(value), Err(ParseError::Length), "{value}");
    }
    assert_eq!(length("1\r\ncontent-length: 2"), Err(ParseError::Length));
    assert_eq!(length("1"), Err(ParseError::Truncated));
    let chunks =
        |text: &str| get(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{text}").as_bytes());
    for text in ["x\r\n", "\r\n", "+1\r\na\r\n", "1\na\r\n", "1\r\nab\r\n", "11111111111111111\r\n"] {
        assert_eq!(chunks(text), Err(ParseError::Chunk), "{text}");
    }
    assert_eq!(chunks("1\r\na\r\n0\r\n"), Err(ParseError::Truncated));
    assert!(matches!(get(b"SSH-2.0\r\n\r\n"), Err(ParseError::Head(_))));
    let endless = [b"HTTP/1.1 200 OK\r\na: ".as_slice(), &vec![b'a'; MAX_LINE_BYTES]].concat();
    assert_eq!(get(&endless), Err(ParseError::TooLong));
}

#[test]
fn an_announced_length_reserves_little() {
    let mut out = Vec::new();
    Body::new(Framing::Length(u64::MAX)).decode(b"", &mut out).unwrap();
    assert!(out.capacity() <= MAX_RESERVE_BYTES as usize);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
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
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let pieces: Vec<&[u8]> = begins.zip(&ends).map(|(begin, end)| &bytes[begin..*end]).collect();
        let (_, _, body, left) = respond(&pieces, &Method::GET).unwrap();
        prop_assert_eq!((body, left), (chunks.concat(), 0));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = get(&bytes);
        let _ = get(&[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(), &bytes].concat());
    }
}
