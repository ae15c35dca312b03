//! Requests and responses, the same for every model.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A request as a function sees it. Everything is borrowed from the buffer that the request
/// arrived in, so that a fresh sandbox uses as few pages as possible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, in upper case.
    pub method: &'a str,
    /// The path below the function's name; `/` if there is none.
    pub path: &'a str,
    /// The query as it was sent, without the `?`.
    pub query: &'a str,
    /// Headers in the order in which they came, names in lower case.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// The first value of `name` in the query, with `+` and percent-encoding decoded.
    ///
    /// Pairs are split as in `application/x-www-form-urlencoded` (WHATWG URL, §5.1); bytes
    /// that are not UTF-8 become U+FFFD.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (!pair.is_empty() && decode(key) == name).then(|| decode(value))
        })
    }

    /// The first value of the header `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// The body as text, decoded as by Fetch's `text()` and `json()`: a byte order mark is
    /// dropped, and bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'a, str> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf");
        String::from_utf8_lossy(body.unwrap_or(self.body))
    }
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// The header of an answer in plain text.
pub const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

/// A function's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a body of the given media type.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![(Cow::Borrowed("content-type"), Cow::Borrowed(content_type))];
        Self { status, headers, body: body.into() }
    }

    /// A response in plain text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, TEXT.1, body.into())
    }

    /// A response of JSON that is already serialised.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "application/json", body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(query: &str) -> Request<'_> {
        Request { query, ..Request::default() }
    }

    #[test]
    fn query_values_are_decoded() {
        let request = query("a=1&myName=J%C3%BCrgen+M&myName=second&flag&=empty");
        assert_eq!(request.query_value("myName").as_deref(), Some("Jürgen M"));
        assert_eq!(request.query_value("flag").as_deref(), Some(""));
        assert_eq!(request.query_value("").as_deref(), Some("empty"));
        assert_eq!(request.query_value("absent"), None);
        assert_eq!(query("").query_value(""), None);
    }

    #[test]
    fn text_is_decoded_as_fetch_does() {
        let text = |body| Request { body, ..Request::default() }.text();
        assert_eq!(text(b"\xef\xbb\xbfa\xff\xf0\x9f\x98b"), "a\u{fffd}\u{fffd}b");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn headers_are_found_by_lower_case_name() {
        let request = Request { headers: vec![("x-a", "1"), ("x-a", "2")], ..Request::default() };
        assert_eq!(request.header("x-a"), Some("1"));
        assert_eq!(request.header("X-A"), None);
    }
}
