//! A request as the bytes that go over the wire.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, Method};

use super::is_hop_by_hop;
use crate::Request;

/// The end of a body in chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a request, head and body, to `out`. Headers of the connection are left
/// out; a host and the body's length are written where they are needed.
pub fn write_request(request: &Request, out: &mut Vec<u8>) {
    let Request { method, body, .. } = request;
    write_head(request, out);
    if !body.is_empty() || matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        put(out, &[b"content-length: ", body.len().to_string().as_bytes(), b"\r\n"]);
    }
    put(out, &[b"\r\n", body]);
}

/// The same for a request whose body goes on after these bytes: [chunks](write_chunk) follow, and
/// [`LAST_CHUNK`].
pub fn write_streamed_request(request: &Request, out: &mut Vec<u8>) {
    write_head(request, out);
    out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    write_chunk(&request.body, out);
}

/// Appends a chunk of a body; nothing if it is empty, because an empty chunk is a body's end.
pub fn write_chunk(bytes: &[u8], out: &mut Vec<u8>) {
    if !bytes.is_empty() {
        put(out, &[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"]);
    }
}

/// The head's lines, without the body's length and the empty line.
fn write_head(request: &Request, out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Uri;

    use super::*;

    fn mounted(
        method: Method,
        uri: &'static str,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> Request {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Request::mounted(method, Uri::from_static(uri), headers, Bytes::from(body), 2)
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn request(
        method: Method,
        uri: &'static str,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> String {
        written(|out| write_request(&mounted(method, uri, headers, body), out))
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
    fn a_streamed_request_has_chunks_and_no_length() {
        let head = "PUT / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
        let streamed =
            |body| mounted(Method::PUT, "/f", &[("content-length", "99"), ("transfer-encoding", "x")], body);
        assert_eq!(written(|out| write_streamed_request(&streamed(""), out)), head);
        let whole = written(|out| {
            write_streamed_request(&streamed("first"), out);
            write_chunk(b"", out);
            write_chunk(&[b'x'; 16], out);
            out.extend_from_slice(LAST_CHUNK);
        });
        assert_eq!(whole, format!("{head}5\r\nfirst\r\n10\r\n{}\r\n0\r\n\r\n", "x".repeat(16)));
    }
}
