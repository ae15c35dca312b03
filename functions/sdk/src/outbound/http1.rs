//! HTTP/1.1 as a client of the host's socket speaks it: the head of a request, and the framing of its
//! answer.

use std::io;

use super::{Head, Request};

/// The most headers of an answer, and the most bytes of its head. The host has lower bounds.
const MOST_HEADERS: usize = 128;
const HEAD_BYTES: usize = 128 << 10;

/// Headers that belong to the connection, and are not the function's to set.
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The head of a request with a whole URL, as a proxy takes it. The length of its body is unknown if it
/// is `None`.
pub(super) fn request_head(request: &Request<'_>, body_len: Option<usize>) -> io::Result<String> {
    let Request { method, url, headers } = *request;
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain(method) || !is_plain(url) {
        return Err(invalid(format!("{method} {url} is not a request")));
    }
    // A fragment stays with the client.
    let url = url.split('#').next().unwrap_or_default();
    let mut head = format!("{method} {url} HTTP/1.1\r\nhost: {}\r\n", authority(url));
    let named: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
        .flat_map(|(_, value)| value.split(',').map(str::trim))
        .collect();
    for (name, value) in headers {
        if OF_CONNECTION.iter().chain(&named).any(|other| other.eq_ignore_ascii_case(name)) {
            continue;
        }
        if !is_plain(name) || name.contains(':') {
            return Err(invalid(format!("`{name}` is not a header name")));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(invalid(format!("the value of header `{name}` has characters that HTTP forbids")));
        }
        head.extend([name, ": ", value, "\r\n"]);
    }
    match body_len {
        None => head.push_str("transfer-encoding: chunked\r\n"),
        // Without a body, a request of these methods has no length.
        Some(0) if matches!(method, "GET" | "HEAD") => {}
        Some(len) => head.extend(["content-length: ", &len.to_string(), "\r\n"]),
    }
    head.push_str("\r\n");
    Ok(head)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// The host and the port in a URL, as far as there are any.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// This many bytes are left.
    Known(u64),
    /// Chunks, of whose first this many bytes are left.
    Chunks(u64),
    /// The end of a chunk's data, a line, is still to come.
    ChunkEnd,
    /// The last chunk has come, and the lines after it have not.
    Trailers,
    /// Until the connection ends.
    Connection,
}

/// The head of an answer.
pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) length: Length,
    /// Whether the connection can carry another request after it.
    pub(super) is_kept: bool,
    /// The bytes that the head takes.
    pub(super) len: usize,
}

/// The head at the beginning of these bytes; `None` if more of it has to come.
pub(super) fn answer(bytes: &[u8], method: &str) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|error| broken(&format!("its head is malformed: {error}")))?;
    let httparse::Status::Complete(len) = parsed else {
        let is_too_large = bytes.len() >= HEAD_BYTES;
        return if is_too_large { Err(broken("its head is too large")) } else { Ok(None) };
    };
    let status = response.code.unwrap_or_default();
    let owned = |header: &httparse::Header<'_>| {
        (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
    };
    let head = Head { status, headers: response.headers.iter().map(owned).collect() };
    let has = |name, token: &str| head.header(name).is_some_and(|value| value.eq_ignore_ascii_case(token));
    let length = if method == "HEAD" || matches!(status, 204 | 304) {
        Length::Known(0)
    } else if has("transfer-encoding", "chunked") {
        Length::Chunks(0)
    } else if let Some(text) = head.header("content-length") {
        Length::Known(text.parse().map_err(|_| broken("its length is not a number"))?)
    } else {
        Length::Connection
    };
    let is_kept = !has("connection", "close") && length != Length::Connection;
    let head = Head { headers: without_connection(head.headers), ..head };
    Ok(Some(Answer { head, length, is_kept, len }))
}

fn without_connection(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| name == "content-length" || !OF_CONNECTION.contains(&name.as_str()));
    headers
}

/// The next part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Data, at most this many bytes.
    Data(usize),
    /// This many bytes of framing, after which there may be more.
    Framing(usize),
    /// More bytes have to come from the connection first.
    Wait,
    /// The end.
    End,
}

impl Length {
    /// The meaning of the first of the bytes that have come.
    pub(super) fn next(&mut self, bytes: &[u8]) -> io::Result<Next> {
        match self {
            Self::Known(0) => Ok(Next::End),
            Self::Connection | Self::Known(_) if bytes.is_empty() => Ok(Next::Wait),
            Self::Connection => Ok(Next::Data(bytes.len())),
            Self::Chunks(0) => match httparse::parse_chunk_size(bytes) {
                Ok(httparse::Status::Complete((len, size))) => {
                    *self = if size == 0 { Self::Trailers } else { Self::Chunks(size) };
                    Ok(Next::Framing(len))
                }
                Ok(httparse::Status::Partial) => Ok(Next::Wait),
                Err(_) => Err(broken("a chunk of its body is malformed")),
            },
            Self::Chunks(_) if bytes.is_empty() => Ok(Next::Wait),
            Self::Known(left) | Self::Chunks(left) => Ok(Next::Data(shorter(bytes, *left))),
            Self::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    *self = Self::Chunks(0);
                    Ok(Next::Framing(2))
                }
                [] | [b'\r'] => Ok(Next::Wait),
                _ => Err(broken("a chunk of its body is malformed")),
            },
            Self::Trailers => Ok(match bytes.iter().position(|byte| *byte == b'\n') {
                None if bytes.len() > HEAD_BYTES => return Err(broken("its trailers are too large")),
                None => Next::Wait,
                Some(end) => {
                    if bytes[..end].trim_ascii().is_empty() {
                        *self = Self::Known(0);
                    }
                    Next::Framing(end + 1)
                }
            }),
        }
    }

    /// Notes that this many bytes of data are taken.
    pub(super) fn took(&mut self, len: usize) {
        match self {
            Self::Known(left) => *left -= len as u64,
            Self::Chunks(left) => {
                *left -= len as u64;
                if *left == 0 {
                    *self = Self::ChunkEnd;
                }
            }
            Self::ChunkEnd | Self::Trailers | Self::Connection => {}
        }
    }
}

fn shorter(bytes: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

/// The failure of an exchange with the host.
pub(super) fn broken(reason: &str) -> io::Error {
    io::Error::other(format!("the exchange with the host broke off: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)], body_len: Option<usize>) -> String {
        request_head(&Request { method: "POST", url: "http://a@Origin:81/x?y#z", headers }, body_len).unwrap()
    }

    #[test]
    fn a_head_has_the_whole_url_and_no_header_of_the_connection_but_its_own() {
        let headers = [("x-a", "1"), ("Host", "other"), ("connection", "x-b, close"), ("X-B", "2")];
        let expected = "POST http://a@Origin:81/x?y HTTP/1.1\r\nhost: Origin:81\r\nx-a: 1\r\n";
        assert_eq!(head(&headers, Some(3)), format!("{expected}content-length: 3\r\n\r\n"));
        assert_eq!(head(&headers, None), format!("{expected}transfer-encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn a_head_that_would_end_early_is_refused() {
        let refused = |method, url, headers: &[(&str, &str)]| {
            request_head(&Request { method, url, headers }, None).unwrap_err().to_string()
        };
        assert!(refused("GET", "http://origin/ HTTP/1.1\r\nx: y", &[]).contains("is not a request"));
        assert!(refused("GET /\r\n", "http://origin/", &[]).contains("is not a request"));
        assert!(refused("GET", "", &[]).contains("is not a request"));
        assert!(refused("GET", "http://origin/", &[("a b", "")]).contains("is not a header name"));
        assert!(refused("GET", "http://origin/", &[("a", "b\r\nc: d")]).contains("HTTP forbids"));
    }

    /// Reads a whole answer that comes in pieces of this many bytes.
    fn read(text: &str, at_a_time: usize) -> io::Result<(Head, Vec<u8>, bool)> {
        let (mut bytes, mut begun, mut body) = (Vec::new(), None::<Answer>, Vec::new());
        for piece in text.as_bytes().chunks(at_a_time) {
            bytes.extend_from_slice(piece);
            if begun.is_none() {
                begun = answer(&bytes, "GET")?;
                bytes.drain(..begun.as_ref().map_or(0, |answer| answer.len));
            }
            let Some(answer) = &mut begun else { continue };
            loop {
                match answer.length.next(&bytes)? {
                    Next::Data(len) => {
                        body.extend(bytes.drain(..len));
                        answer.length.took(len);
                    }
                    Next::Framing(len) => drop(bytes.drain(..len)),
                    Next::Wait => break,
                    Next::End => {
                        assert_eq!(bytes, b"");
                        break;
                    }
                }
            }
        }
        let Answer { head, length, is_kept, .. } = begun.ok_or_else(|| broken("no head"))?;
        let is_over = matches!(length, Length::Known(0) | Length::Connection);
        if is_over { Ok((head, body, is_kept)) } else { Err(broken("no end")) }
    }

    #[test]
    fn an_answer_is_read_wherever_it_is_cut() {
        let answers = [
            ("content-length: 5\r\n\r\nab\r\nc", "ab\r\nc", true),
            ("content-length: 0\r\n\r\n", "", true),
            ("Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n3\r\n\r\nc\r\n0\r\n\r\n", "ab\r\nc", true),
            ("transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-a: b\r\n\r\n", "a", true),
            ("connection: close\r\ncontent-length: 1\r\n\r\na", "a", false),
            ("\r\nabc", "abc", false),
        ];
        for (rest, body, is_kept) in answers {
            let text = format!("HTTP/1.1 201 Made\r\nX-A: 1\r\n{rest}");
            for at_a_time in 1..=text.len() {
                let (head, read, kept) = read(&text, at_a_time).unwrap();
                assert_eq!((head.status, head.header("x-a")), (201, Some("1")));
                assert_eq!((&*read, kept), (body.as_bytes(), is_kept), "{text} by {at_a_time}");
                assert_eq!((head.header("connection"), head.header("transfer-encoding")), (None, None));
            }
        }
    }

    #[test]
    fn an_answer_that_is_not_http_is_an_error() {
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(HEAD_BYTES));
        for text in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
            &long,
        ] {
            assert!(read(text, usize::MAX).is_err(), "{text}");
        }
    }
}
