//! Requests and responses between the front end and an executor.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use isolab_sdk::wire;

use crate::Cause;

/// A request to an executor. Clones share the body.
///
/// Header values are visible ASCII (the front end refuses others), so that functions see the
/// same text in every model.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// All headers, unchanged.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    uri: Uri,
    /// How many bytes of the path name the function. The function does not see them.
    mount_len: usize,
}

impl Request {
    /// A request. The first `mount_len` bytes of its path only chose the function.
    ///
    /// # Panics
    /// If `mount_len` is beyond the path or inside a segment.
    pub fn mounted(method: Method, uri: Uri, headers: HeaderMap, body: Bytes, mount_len: usize) -> Self {
        let below = &uri.path()[mount_len..];
        assert!(
            below.is_empty() || below.starts_with('/'),
            "{mount_len} bytes of {uri} end inside a segment"
        );
        Self { method, headers, body, uri, mount_len }
    }

    /// A request whose whole path is for the function.
    pub fn new(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Self {
        Self::mounted(method, uri, headers, body, 0)
    }

    /// The path below the function's name; `/` if there is none.
    pub fn path(&self) -> &str {
        match &self.uri.path()[self.mount_len..] {
            "" => "/",
            path => path,
        }
    }

    /// The query without its `?`; empty if there is none.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The URL that a JavaScript handler sees, the same with every executor.
    pub fn url(&self) -> String {
        let (path, query) = (self.path(), self.query());
        let mut url = String::with_capacity(17 + path.len() + query.len());
        url.push_str("http://localhost");
        url.push_str(path);
        if !query.is_empty() {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    /// The same request in the form that Rust functions take.
    pub fn as_guest(&self) -> isolab_sdk::Request<'_> {
        let mut headers = Vec::with_capacity(self.headers.len());
        headers.extend(
            self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))),
        );
        isolab_sdk::Request {
            method: self.method.as_str(),
            path: self.path(),
            query: self.query(),
            headers,
            body: &self.body,
        }
    }
}

/// The most bytes of a response's headers, names and values together. It is as much as the front end
/// takes of a request's head by default.
pub const HEADERS_BYTES: usize = 64 << 10;

/// A response of an executor.
pub type Response = http::Response<Bytes>;

/// Makes a [`Response`] of the parts that a guest returned. Refuses parts that HTTP forbids.
pub fn response<N, V>(
    status: u16,
    headers: impl IntoIterator<Item = (N, V)>,
    body: Bytes,
) -> Result<Response, Cause>
where
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let copied = |(name, value): (N, V)| (name, Bytes::copy_from_slice(value.as_ref()));
    assemble(status, headers.into_iter().map(copied), body)
}

/// Makes a [`Response`] of parts. The values of headers are not copied.
pub(crate) fn assemble<N: AsRef<[u8]>>(
    status: u16,
    headers: impl Iterator<Item = (N, Bytes)>,
    body: Bytes,
) -> Result<Response, Cause> {
    let invalid = |what: String| Cause::InvalidResponse(what);
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| invalid(format!("{status} is not the status of a final response")))?;
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut bytes = 0;
    for (name, value) in headers {
        let name = name.as_ref();
        bytes += name.len() + value.len();
        if bytes > HEADERS_BYTES {
            return Err(invalid(format!("its headers are larger than {HEADERS_BYTES} bytes")));
        }
        let name = HeaderName::from_bytes(name)
            .map_err(|_| invalid(format!("`{}` is not a header name", String::from_utf8_lossy(name))))?;
        let value = HeaderValue::from_maybe_shared(value)
            .map_err(|_| invalid(format!("the value of header `{name}` has characters that HTTP forbids")))?;
        // A map of headers has a largest size, which a hostile function may exceed.
        let added = response.headers_mut().try_append(name, value);
        added.map_err(|_| invalid("it has too many headers".into()))?;
    }
    Ok(response)
}

/// Makes a [`Response`] of a Rust function's response, whose body may have `limit_bytes`.
pub fn from_guest(guest: isolab_sdk::Response, limit_bytes: u64) -> Result<Response, Cause> {
    if guest.body.len() as u64 > limit_bytes {
        return Err(Cause::ResponseTooLarge(limit_bytes));
    }
    if guest.status == wire::THREW {
        return Err(Cause::Threw(String::from_utf8_lossy(&guest.body).into_owned()));
    }
    // Constants of the function are not copied.
    let shared = |value| match value {
        Cow::Borrowed(text) => Bytes::from_static(str::as_bytes(text)),
        Cow::Owned(text) => Bytes::from(String::into_bytes(text)),
    };
    let headers = guest.headers.iter().map(|(name, _)| name.as_bytes());
    let values = guest.headers.iter().map(|(_, value)| shared(value.clone()));
    assemble(guest.status, headers.zip(values), Bytes::from(guest.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(uri: &'static str, mount_len: usize) -> Request {
        Request::mounted(Method::GET, Uri::from_static(uri), HeaderMap::new(), Bytes::new(), mount_len)
    }

    #[test]
    fn a_function_sees_only_the_path_below_its_name() {
        let request = mounted("/hello/a/b?x=1", 6);
        assert_eq!((request.path(), request.query()), ("/a/b", "x=1"));
        assert_eq!(request.url(), "http://localhost/a/b?x=1");
        assert_eq!(mounted("/hello", 6).url(), "http://localhost/");
    }

    #[test]
    fn parts_that_http_forbids_are_refused() {
        let none: [(&str, &str); 0] = [];
        assert!(matches!(response(99, none, Bytes::new()), Err(Cause::InvalidResponse(_))));
        assert!(matches!(response(200, [("a b", "c")], Bytes::new()), Err(Cause::InvalidResponse(_))));
        assert!(matches!(response(200, [("a", "b\r\nc")], Bytes::new()), Err(Cause::InvalidResponse(_))));
        let large = [("a", "x".repeat(HEADERS_BYTES - 1)), ("b", "x".to_owned())];
        assert!(response(200, large[..1].iter().cloned(), Bytes::new()).is_ok());
        assert!(matches!(response(200, large, Bytes::new()), Err(Cause::InvalidResponse(_))));
        let endless = (0..100_000).map(|index| (format!("x-{index}"), ""));
        assert!(matches!(response(200, endless, Bytes::new()), Err(Cause::InvalidResponse(_))));
        let answer = response(204, [("set-cookie", "a"), ("set-cookie", "b")], Bytes::new()).unwrap();
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_response_beyond_its_limit_is_refused() {
        let answer = isolab_sdk::Response::text(200, "four");
        assert_eq!(from_guest(answer.clone(), 3).unwrap_err(), Cause::ResponseTooLarge(3));
        assert_eq!(from_guest(answer, 4).unwrap().body(), "four");
    }
}
