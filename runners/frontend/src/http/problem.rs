//! Errors as clients see them: problem details for HTTP APIs (RFC 9457), one
//! documented status for each cause.
//!
//! hyper itself answers malformed HTTP, without a body: 400 for a head that cannot be
//! parsed, 431 for one that is too large, 414 for a URI beyond 64 KiB.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use isolab_core::{Cause, Error, Phase};
use serde::{Deserialize, Serialize};

use crate::route::RouteError;

/// A kind of problem: one `type`, with its meaning. `/-/problems` serves the whole table.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The last segment of the problem's `type`.
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    /// The meaning and what a client can do, in one sentence.
    pub(crate) meaning: &'static str,
}

/// Seconds after which a client may try again after a 503: most instances become free
/// sooner.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Declares the table: a static for each kind, and the list of all kinds.
macro_rules! kinds {
    ($($id:ident $status:ident $name:literal $title:literal $meaning:literal;)*) => {
        $(pub(crate) static $id: Kind = Kind {
            name: $name,
            status: StatusCode::$status,
            title: $title,
            meaning: $meaning,
        };)*

        /// Every kind of problem.
        pub(crate) static ALL: &[&Kind] = &[$(&$id),*];
    };
}

kinds! {
    BAD_REQUEST BAD_REQUEST "bad-request" "Bad request"
        "The request breaks a rule of HTTP or of the page it is for; the detail says which.";
    BAD_SPEC BAD_REQUEST "bad-spec" "Bad executor spec"
        "No served executor matches X-Isolab-Executor; the detail lists the served executors.";
    UNSUPPORTED_CELL BAD_REQUEST "unsupported-cell" "Unsupported cell"
        "The executor cannot run this function in the variant that is served; choose another executor.";
    UNKNOWN_FUNCTION NOT_FOUND "unknown-function" "Unknown function"
        "No function has the name in the first segment of the path; the detail lists the functions.";
    UNKNOWN_PAGE NOT_FOUND "unknown-page" "Unknown page"
        "There is no page at this path below /-/.";
    METHOD METHOD_NOT_ALLOWED "method-not-allowed" "Method not allowed"
        "The page does not take this method; the header Allow lists those that it takes.";
    BODY_TIMEOUT REQUEST_TIMEOUT "body-timeout" "Body not received in time"
        "The whole body did not arrive in time.";
    BODY_TOO_LARGE PAYLOAD_TOO_LARGE "body-too-large" "Body too large"
        "The body of the request is larger than the server accepts.";
    INTERNAL INTERNAL_SERVER_ERROR "internal" "Executor failed"
        "The executor failed, and the function is not the cause; see the server's log.";
    ARTIFACT INTERNAL_SERVER_ERROR "artifact" "Artifact not made"
        "The executor cannot prepare the function, for example because its code does not compile.";
    THREW INTERNAL_SERVER_ERROR "threw" "Function threw"
        "The function threw an exception, or its promise can never settle; its instance goes on.";
    TRAPPED BAD_GATEWAY "trapped" "Function trapped"
        "The function broke a rule of its sandbox or panicked.";
    CRASHED BAD_GATEWAY "crashed" "Sandbox crashed"
        "The sandbox ended before it answered.";
    INVALID_RESPONSE BAD_GATEWAY "invalid-response" "Invalid response"
        "The function's answer is not a valid HTTP response.";
    RESPONSE_TOO_LARGE BAD_GATEWAY "response-too-large" "Response too large"
        "The response is larger than the function's limit.";
    UNAVAILABLE SERVICE_UNAVAILABLE "unavailable" "Executor unavailable"
        "The executor cannot run on this machine at present.";
    OVER_CAPACITY SERVICE_UNAVAILABLE "over-capacity" "Over capacity"
        "No instance became free in time, or the queue is full; try again after Retry-After.";
    DEADLINE GATEWAY_TIMEOUT "deadline" "Deadline exceeded"
        "The function did not answer within its deadline.";
    OUT_OF_MEMORY INSUFFICIENT_STORAGE "out-of-memory" "Out of memory"
        "The function reached its memory limit.";
}

impl Kind {
    fn from_cause(cause: &Cause) -> &'static Self {
        match cause {
            Cause::Threw(_) => &THREW,
            Cause::Trapped(_) => &TRAPPED,
            Cause::Crashed(_) => &CRASHED,
            Cause::DeadlineExceeded(_) => &DEADLINE,
            Cause::OutOfMemory(_) => &OUT_OF_MEMORY,
            Cause::ResponseTooLarge(_) => &RESPONSE_TOO_LARGE,
            Cause::InvalidResponse(_) => &INVALID_RESPONSE,
            Cause::Artifact(_) => &ARTIFACT,
            Cause::Unavailable(_) => &UNAVAILABLE,
            Cause::OverCapacity(_) => &OVER_CAPACITY,
            Cause::Internal(_) => &INTERNAL,
        }
    }
}

/// An error response. Boxed, so that results stay small where there is no error.
#[derive(Debug)]
pub(crate) struct Problem(Box<Contents>);

#[derive(Debug)]
struct Contents {
    status: StatusCode,
    details: Details,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Problem details as they are sent: the body of every error response of the front end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// `/-/problems/{kind}`: the path of the page that explains this kind of problem.
    pub r#type: String,
    /// The kind of problem, in a few words.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// The cause in this request.
    pub detail: String,
    /// The executor's spec in short form, if the request reached one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<String>,
    /// The function's name, if the request reached one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The phase that failed, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
}

impl Details {
    /// The media type of problem details.
    pub const MEDIA_TYPE: &str = "application/problem+json";

    /// Reads the body of an error response; `None` if the response is not one of the
    /// front end's.
    pub fn read(response: &Response<Bytes>) -> Option<Self> {
        let media_type = response.headers().get(header::CONTENT_TYPE)?;
        let is_problem = media_type.as_bytes().starts_with(Self::MEDIA_TYPE.as_bytes());
        is_problem.then(|| serde_json::from_slice(response.body()).ok())?
    }
}

impl Problem {
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        let details = Details {
            r#type: format!("/-/problems/{}", kind.name),
            title: kind.title.to_owned(),
            status: kind.status.as_u16(),
            detail: detail.into(),
            executor: None,
            function: None,
            phase: None,
        };
        let problem = Self(Box::new(Contents { status: kind.status, details, headers: Vec::new() }));
        match kind.status {
            StatusCode::SERVICE_UNAVAILABLE => problem.header(header::RETRY_AFTER, RETRY_AFTER),
            _ => problem,
        }
    }

    /// Names the executor and the function that the request was for.
    pub(crate) fn for_cell(mut self, executor: &str, function: &str) -> Self {
        self.0.details.executor = Some(executor.to_owned());
        self.0.details.function = Some(function.to_owned());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(Kind::from_cause(&error.cause), error.to_string());
        problem.0.details.phase = Some(error.phase);
        problem.for_cell(&error.executor, &error.function)
    }
}

impl From<RouteError> for Problem {
    fn from(error: RouteError) -> Self {
        let detail = error.to_string();
        match error {
            RouteError::UnknownFunction(_) => Self::new(&UNKNOWN_FUNCTION, detail),
            RouteError::BadSpec(_) => Self::new(&BAD_SPEC, detail),
            RouteError::UnsupportedCell { executor, function, .. } => {
                Self::new(&UNSUPPORTED_CELL, detail).for_cell(&executor, &function)
            }
        }
    }
}

impl From<Problem> for Response<Bytes> {
    fn from(Problem(contents): Problem) -> Self {
        let Contents { status, details, headers } = *contents;
        let body = serde_json::to_vec(&details).expect("a struct of text serialises");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        response.headers_mut().extend(headers);
        let media_type = HeaderValue::from_static(Details::MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// A response as bytes, after which its connection is closed. For a connection that no HTTP server
/// has any more.
pub(crate) fn last_response(response: &Response<Bytes>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let length = response.body().len();
    bytes.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").into_bytes());
    bytes.extend_from_slice(response.body());
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_cause_has_its_status() {
        let text = String::new;
        let expected = [
            (Cause::Threw(text()), 500),
            (Cause::Trapped(text()), 502),
            (Cause::Crashed(text()), 502),
            (Cause::DeadlineExceeded(Duration::ZERO), 504),
            (Cause::OutOfMemory(1), 507),
            (Cause::ResponseTooLarge(1), 502),
            (Cause::InvalidResponse(text()), 502),
            (Cause::Artifact(text()), 500),
            (Cause::Unavailable(text()), 503),
            (Cause::OverCapacity(text()), 503),
            (Cause::Internal(text()), 500),
        ];
        for (cause, status) in expected {
            let kind = Kind::from_cause(&cause);
            assert_eq!((kind.status.as_u16(), kind.name), (status, cause.name()));
        }
    }

    #[test]
    fn a_problem_names_executor_function_and_phase() {
        let error = Error::new(Phase::Start, "docker", "hello", Cause::OverCapacity("64 live".into()));
        let response = Response::from(Problem::from(error));
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["type"], "/-/problems/over-capacity");
        assert_eq!((&body["executor"], &body["function"]), (&"docker".into(), &"hello".into()));
        assert_eq!((&body["phase"], &body["status"]), (&"start".into(), &503.into()));
        let details = Details::read(&response).unwrap();
        assert_eq!((details.status, details.phase), (503, Some(Phase::Start)));
    }

    #[test]
    fn other_responses_are_not_read_as_problems() {
        let mut response = Response::from(Problem::new(&BAD_REQUEST, "no"));
        assert!(Details::read(&response).is_some());
        *response.body_mut() = Bytes::from_static(b"{}");
        assert_eq!(Details::read(&response), None);
        response.headers_mut().remove(header::CONTENT_TYPE);
        assert_eq!(Details::read(&response), None);
    }

    #[test]
    fn a_last_response_ends_its_connection() {
        let bytes = last_response(&Response::from(Problem::new(&UNAVAILABLE, "no")));
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}\r\nconnection: close", body.len())), "{head}");
        assert!(body.starts_with('{') && body.ends_with('}'), "{body}");
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
