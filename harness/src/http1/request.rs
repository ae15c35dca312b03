//! A request as bytes.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Uri};
use isolab_core::http1::write_request;
use isolab_core::{Case, Request};

/// A serialised request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Head and body.
    pub bytes: Bytes,
    /// The method; it decides whether the answer has a body.
    pub method: Method,
}

impl Wire {
    /// Writes a request.
    pub fn new(request: &Request) -> Self {
        let mut bytes = Vec::new();
        write_request(request, &mut bytes);
        Self { bytes: bytes.into(), method: request.method.clone() }
    }

    /// A request to `target`, a path with its query, at `host`.
    ///
    /// # Errors
    /// If one of them is not valid.
    pub fn to(
        method: &Method,
        target: &str,
        host: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self> {
        let uri: Uri = target.parse().with_context(|| format!("`{target}` is not a path"))?;
        if !headers.contains_key(HOST) {
            headers.insert(HOST, HeaderValue::from_str(host).with_context(|| format!("host `{host}`"))?);
        }
        Ok(Self::new(&Request::new(method.clone(), uri, headers, body)))
    }

    /// The request of a case to `function`; the case's path follows the function's name.
    pub fn of_case(case: &Case, function: &str, host: &str) -> Result<Self> {
        let Request { method, headers, body, .. } = &case.request;
        let (path, query) = (case.request.path(), case.request.query());
        let mut target = format!("/{function}");
        if path != "/" {
            target.push_str(path);
        }
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        Self::to(method, &target, host, headers.clone(), body.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_case_follows_the_functions_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let ask = |path_and_query: &str| {
            std::fs::write(
                &path,
                format!(r#"{{"request": {{"method": "POST", "body": "ab", {path_and_query}}}, "response": {{"status": 200}}}}"#),
            )
            .unwrap();
            let wire = Wire::of_case(&Case::load(&path).unwrap(), "f", "h:1").unwrap();
            String::from_utf8(wire.bytes.to_vec()).unwrap()
        };
        assert_eq!(
            ask(r#""path": "/", "query": """#),
            "POST /f HTTP/1.1\r\nhost: h:1\r\ncontent-length: 2\r\n\r\nab"
        );
        assert!(ask(r#""path": "/x", "query": "a=1""#).starts_with("POST /f/x?a=1 HTTP/1.1\r\n"));
    }
}
