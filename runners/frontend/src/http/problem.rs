//! Errors as clients see them: problem details for HTTP APIs (RFC 9457), one
//! documented status for each cause.
//!
//! hyper itself answers what is no HTTP at all, without a body: 400 for a malformed
//! head, 431 for one that is too large, 414 for a URI beyond 64 KiB.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use isolab_core::{Cause, Error, Phase};
use serde::Serialize;

/// What a `type` of problem means. `/-/problems` serves the whole table.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The last segment of the problem's `type`.
    pub(crate) name: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    /// What it means and what a client can do, in one sentence.
    pub(crate) meaning: &'static str,
}

/// Seconds after which a 503 is worth another try: instances become free sooner.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Declares the table: a static for each kind, and the list of them all.
macro_rules! kinds {
    ($($id:ident $status:ident $name:literal $title:literal $meaning:literal;)*) => {
        $(pub(crate) static $id: Kind = Kind {
            name: $name,
            status: StatusCode::$status,
            title: $title,
            meaning: $meaning,
        };)*

        /// Every kind of problem there is.
        pub(crate) static ALL: &[&Kind] = &[$(&$id),*];
    };
}

kinds! {
    BAD_REQUEST BAD_REQUEST "bad-request" "Bad request"
        "The request breaks a rule of HTTP or of the page it is for; the detail says which.";
    BAD_SPEC BAD_REQUEST "bad-spec" "Bad executor spec"
        "X-Isolab-Executor names no executor that is served; the detail lists those that are.";
    UNSUPPORTED_CELL BAD_REQUEST "unsupported-cell" "Unsupported cell"
        "The executor cannot run this function in the variant that is served; choose another executor.";
    UNKNOWN_FUNCTION NOT_FOUND "unknown-function" "Unknown function"
        "The first segment of the path names no function; the detail lists those there are.";
    UNKNOWN_PAGE NOT_FOUND "unknown-page" "Unknown page"
        "There is no such page below /-/.";
    METHOD METHOD_NOT_ALLOWED "method-not-allowed" "Method not allowed"
        "The page does not take this method; Allow says which it takes.";
    BODY_TIMEOUT REQUEST_TIMEOUT "body-timeout" "Body not received in time"
        "The body took too long to arrive.";
    BODY_TOO_LARGE PAYLOAD_TOO_LARGE "body-too-large" "Body too large"
        "The body of the request is larger than the server takes.";
    INTERNAL INTERNAL_SERVER_ERROR "internal" "Executor failed"
        "The executor failed in a way that is not the function's fault; see the server's log.";
    ARTIFACT INTERNAL_SERVER_ERROR "artifact" "Artifact cannot be made"
        "The function cannot be prepared for this executor, such as code that does not compile.";
    TRAPPED BAD_GATEWAY "trapped" "Function trapped"
        "The function broke its sandbox's rules, panicked or threw.";
    CRASHED BAD_GATEWAY "crashed" "Sandbox crashed"
        "The sandbox itself ended.";
    INVALID_RESPONSE BAD_GATEWAY "invalid-response" "Invalid response"
        "The function answered something that is no HTTP response.";
    RESPONSE_TOO_LARGE BAD_GATEWAY "response-too-large" "Response too large"
        "The function's response is larger than its limit.";
    UNAVAILABLE SERVICE_UNAVAILABLE "unavailable" "Executor unavailable"
        "The executor cannot run on this machine now.";
    OVER_CAPACITY SERVICE_UNAVAILABLE "over-capacity" "Over capacity"
        "No instance became free in time, or the queue is full; try again after Retry-After.";
    DEADLINE GATEWAY_TIMEOUT "deadline" "Deadline exceeded"
        "The function did not answer within its deadline.";
    OUT_OF_MEMORY INSUFFICIENT_STORAGE "out-of-memory" "Out of memory"
        "The function reached its memory limit.";
}

impl Kind {
    fn of(cause: &Cause) -> &'static Self {
        match cause {
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

/// One problem on its way to a client. Boxed, so that the good way stays small.
#[derive(Debug)]
pub(crate) struct Problem(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: &'static Kind,
    detail: String,
    executor: Option<String>,
    function: Option<String>,
    phase: Option<Phase>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        let details = Details {
            kind,
            detail: detail.into(),
            executor: None,
            function: None,
            phase: None,
            headers: Vec::new(),
        };
        let problem = Self(Box::new(details));
        match kind.status {
            StatusCode::SERVICE_UNAVAILABLE => problem.header(header::RETRY_AFTER, RETRY_AFTER),
            _ => problem,
        }
    }

    /// Names what was asked for.
    pub(crate) fn of(mut self, executor: &str, function: &str) -> Self {
        self.0.executor = Some(executor.to_owned());
        self.0.function = Some(function.to_owned());
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(Kind::of(&error.cause), error.to_string());
        problem.0.phase = Some(error.phase);
        problem.of(&error.executor, &error.function)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
}

impl From<Problem> for Response<Bytes> {
    fn from(Problem(details): Problem) -> Self {
        let Details { kind, detail, executor, function, phase, headers } = *details;
        let body = Body {
            r#type: format!("/-/problems/{}", kind.name),
            title: kind.title,
            status: kind.status.as_u16(),
            detail: &detail,
            executor: executor.as_deref(),
            function: function.as_deref(),
            phase,
        };
        let body = serde_json::to_vec(&body).expect("a struct of text serialises");
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = kind.status;
        response.headers_mut().extend(headers);
        let media_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_cause_has_its_status() {
        let text = String::new;
        let expected = [
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
            let kind = Kind::of(&cause);
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
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
