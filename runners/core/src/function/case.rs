//! A request with the response that every cell must give.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Deserialize;

use super::LoadError;
use crate::{Request, Response};

/// One file under `cases/`.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's stem.
    pub name: String,
    /// The request.
    pub request: Request,
    /// The expected response; `None` for a function without cases.
    expected: Option<Expected>,
}

#[derive(Clone, Debug)]
struct Expected {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

impl Case {
    /// Reads a case from its file.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(path).map_err(|error| LoadError::new(path, error))?;
        let form: CaseForm = serde_json::from_str(&text).map_err(|error| LoadError::new(path, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = path.parent().unwrap_or(Path::new(""));
        form.into_case(name, folder).map_err(|reason| LoadError::new(path, reason))
    }

    /// `GET /` without an expected answer, for a function without cases.
    pub fn unchecked() -> Self {
        let request = Request::new(Method::GET, Uri::from_static("/"), HeaderMap::new(), Bytes::new());
        Self { name: "GET /".into(), request, expected: None }
    }

    /// The body that is expected; `None` if nothing is said of it.
    pub fn expected_body(&self) -> Option<&Bytes> {
        self.expected.as_ref().map(|expected| &expected.body)
    }

    /// Compares a response with what is expected: status, the headers that the case
    /// names, and the body byte by byte. The first difference, if there is one.
    ///
    /// Where nothing is expected, any status below 400 is right, and any body.
    pub fn check(&self, response: &Response) -> Result<(), String> {
        let Some(Expected { status, headers, body }) = &self.expected else {
            return check_success(response);
        };
        if response.status().as_u16() != *status {
            let body = String::from_utf8_lossy(response.body());
            return Err(format!(
                "status {} instead of {status}: {}",
                response.status().as_u16(),
                abridge(&body)
            ));
        }
        for (name, expected) in headers {
            let value = response.headers().get(name).map(HeaderValue::as_bytes);
            if value != Some(expected.as_bytes()) {
                let value = value.map_or("absent".into(), String::from_utf8_lossy);
                return Err(format!("header {name}: {value} instead of {expected}"));
            }
        }
        if response.body() != body {
            let (got, wanted) = (String::from_utf8_lossy(response.body()), String::from_utf8_lossy(body));
            return Err(format!("body {} instead of {}", abridge(&got), abridge(&wanted)));
        }
        Ok(())
    }
}

fn check_success(response: &Response) -> Result<(), String> {
    let status = response.status();
    if status.as_u16() < 400 {
        return Ok(());
    }
    let body = String::from_utf8_lossy(response.body());
    Err(format!(
        "status {} for a function without cases; add one under cases/ that it can answer: {}",
        status.as_u16(),
        abridge(&body)
    ))
}

fn abridge(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseForm {
    request: RequestForm,
    response: ResponseForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestForm {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: String,
    body_base64: Option<String>,
    body_file: Option<String>,
}

impl Default for RequestForm {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            headers: BTreeMap::new(),
            body: String::new(),
            body_base64: None,
            body_file: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseForm {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    body_base64: Option<String>,
    body_file: Option<String>,
}

impl CaseForm {
    /// The case. Files that it names lie in `folder`.
    fn into_case(self, name: String, folder: &Path) -> Result<Case, String> {
        let Self { request, response } = self;
        let uri = match request.query.as_str() {
            "" => request.path,
            query => format!("{}?{query}", request.path),
        };
        let request = Request::new(
            request.method.parse::<Method>().map_err(|error| error.to_string())?,
            uri.parse::<Uri>().map_err(|error| format!("`{uri}`: {error}"))?,
            headers(&request.headers)?,
            body(folder, request.body, request.body_base64, request.body_file)?,
        );
        let expected = Some(Expected {
            status: response.status,
            headers: response.headers,
            body: body(folder, response.body, response.body_base64, response.body_file)?,
        });
        Ok(Case { name, request, expected })
    }
}

fn headers(form: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let header = |(name, value): (&String, &String)| {
        let name: HeaderName = name.parse().map_err(|error| format!("header `{name}`: {error}"))?;
        let value: HeaderValue = value.parse().map_err(|error| format!("header `{name}`: {error}"))?;
        Ok((name, value))
    };
    form.iter().map(header).collect()
}

/// A body in one of its three forms. `file` names a file beside the case: a large body, or one that a person
/// wants to look at, such as an image.
fn body(folder: &Path, text: String, base64: Option<String>, file: Option<String>) -> Result<Bytes, String> {
    match (base64, file) {
        (None, None) => Ok(text.into()),
        (Some(base64), None) if text.is_empty() => {
            BASE64_STANDARD.decode(base64).map(Into::into).map_err(|error| format!("body_base64: {error}"))
        }
        (None, Some(file)) if text.is_empty() => {
            let is_name = Path::new(&file).file_name().is_some_and(|name| name == file.as_str());
            if !is_name {
                return Err(format!("body_file: `{file}` is not the name of a file beside the case"));
            }
            let bytes = std::fs::read(folder.join(&file));
            bytes.map(Into::into).map_err(|error| format!("body_file: `{file}`: {error}"))
        }
        _ => {
            Err("a body is given as `body`, as `body_base64` or as `body_file`, and in one of them only"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(json: &str) -> Result<Case, String> {
        case_in(json, Path::new(""))
    }

    fn case_in(json: &str, folder: &Path) -> Result<Case, String> {
        let form = serde_json::from_str::<CaseForm>(json).map_err(|error| error.to_string())?;
        form.into_case("a".into(), folder)
    }

    #[test]
    fn a_case_finds_the_first_difference() {
        let json = r#"{"request": {"path": "/x", "query": "a=1"},
                       "response": {"status": 200, "headers": {"content-type": "text/plain"}, "body_base64": "b2s="}}"#;
        let case = case(json).unwrap();
        assert_eq!((case.request.path(), case.request.query()), ("/x", "a=1"));
        let answer = |status, kind, body: &'static str| {
            crate::message::response(status, [("content-type", kind)], Bytes::from(body)).unwrap()
        };
        assert_eq!(case.check(&answer(200, "text/plain", "ok")), Ok(()));
        assert!(case.check(&answer(201, "text/plain", "ok")).unwrap_err().contains("status 201"));
        assert!(case.check(&answer(200, "text/html", "ok")).unwrap_err().contains("content-type"));
        assert!(case.check(&answer(200, "text/plain", "ok\n")).unwrap_err().contains("body"));
    }

    #[test]
    fn a_case_without_an_expected_answer_accepts_any_success() {
        let case = Case::unchecked();
        assert_eq!((case.request.method.as_str(), case.request.path()), ("GET", "/"));
        assert_eq!(case.expected_body(), None);
        let answer = |status| {
            crate::message::response(status, [("content-type", "text/plain")], Bytes::from("any")).unwrap()
        };
        assert_eq!((case.check(&answer(200)), case.check(&answer(302))), (Ok(()), Ok(())));
        for status in [404, 500] {
            let difference = case.check(&answer(status)).unwrap_err();
            assert!(
                difference.contains(&status.to_string()) && difference.contains("cases/"),
                "{difference}"
            );
        }
    }

    #[test]
    fn a_body_may_lie_in_a_file_beside_its_case() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.bin"), b"\xff\0").unwrap();
        std::fs::write(folder.path().join("out.txt"), "ok").unwrap();
        let with = |file: &str| {
            let json = format!(
                r#"{{"request": {{"body_file": "{file}"}}, "response": {{"status": 200, "body_file": "out.txt"}}}}"#
            );
            case_in(&json, folder.path())
        };
        let case = with("in.bin").unwrap();
        assert_eq!(case.request.body.as_ref(), b"\xff\0");
        assert_eq!(case.expected_body().unwrap().as_ref(), b"ok");
        assert!(with("none.bin").unwrap_err().contains("none.bin"));
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("inner/in.bin"), "").unwrap();
        for elsewhere in ["inner/in.bin", "/etc/hostname", "..", ""] {
            assert!(with(elsewhere).unwrap_err().contains("beside the case"), "{elsewhere}");
        }
    }

    #[test]
    fn a_case_with_an_unknown_key_or_two_bodies_is_refused() {
        assert!(case(r#"{"request": {"verb": "GET"}, "response": {"status": 200}}"#).is_err());
        assert!(
            case(r#"{"request": {"body": "a", "body_base64": "YQ=="}, "response": {"status": 200}}"#)
                .is_err()
        );
        assert!(
            case(r#"{"request": {"body_file": "a", "body_base64": "YQ=="}, "response": {"status": 200}}"#)
                .is_err()
        );
    }
}
