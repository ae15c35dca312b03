//! The reasons for a missing response, and the header in which a server in a container sends them.

use std::io;

use http::HeaderValue;
use isolab_core::http1::ParseError;
use isolab_core::streams::{Broken, Refusal};
use isolab_core::{Cause, Limits};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The header: the name of a cause, a colon, and a percent-encoded text.
pub const HEADER: &str = "x-isolab-failure";

/// How many characters of a text the header has, as in `server.mjs`.
const TEXT_CHARS: usize = 1000;

/// A response, or the cause that a server told in its place.
pub type Answer<R> = Result<R, Cause>;

/// Why there was no response.
#[derive(Debug)]
pub enum Failure {
    /// The server closed the connection. The container's state tells why.
    Closed,
    /// The client left before the exchange was over, for this reason.
    Left(String),
    /// A cause that is known without a look at the container.
    Cause(Cause),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Truncated => Self::Closed,
            ParseError::BodyTooLarge(limit_bytes) => Self::Cause(Cause::ResponseTooLarge(limit_bytes)),
            _ => Self::Cause(Cause::InvalidResponse(error.to_string())),
        }
    }
}

impl From<io::Error> for Failure {
    /// Every error of a connected line means that the peer is gone.
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Gone => Self::Left("the client left before the answer was whole".into()),
            Refusal::Cause(cause) => Self::Cause(cause),
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::Left(format!("the request's body broke off: {broken}"))
    }
}

/// The value of [`HEADER`] for a cause.
pub fn value(cause: &Cause) -> HeaderValue {
    let text = match cause {
        Cause::Threw(text) | Cause::Trapped(text) | Cause::InvalidResponse(text) | Cause::Crashed(text) => {
            text.clone()
        }
        other => other.to_string(),
    };
    let text: String = text.chars().take(TEXT_CHARS).collect();
    let value = format!("{}:{}", cause.name(), utf8_percent_encode(&text, NON_ALPHANUMERIC));
    HeaderValue::from_str(&value).expect("names and percent-encoded texts are visible ASCII")
}

/// The cause in a value of [`HEADER`], which any guest may have written: it is believed about
/// the guest alone.
pub fn cause(value: &HeaderValue, limits: Limits) -> Cause {
    let value = String::from_utf8_lossy(value.as_bytes());
    let (kind, text) = value.split_once(':').unwrap_or(("", &value));
    let text = percent_decode_str(text).decode_utf8_lossy().into_owned();
    match kind {
        "threw" => Cause::Threw(text),
        "invalid-response" => Cause::InvalidResponse(text),
        "out-of-memory" => Cause::OutOfMemory(limits.memory_bytes),
        "deadline" => Cause::DeadlineExceeded(limits.deadline),
        "response-too-large" => Cause::ResponseTooLarge(limits.response_bytes),
        _ => Cause::Trapped(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_arrives_as_it_was_sent() {
        let limits = Limits::default();
        for sent in [
            Cause::Threw("Error: \u{e4}\r\n%".into()),
            Cause::Trapped("unreachable".into()),
            Cause::InvalidResponse("no".into()),
            Cause::OutOfMemory(limits.memory_bytes),
            Cause::DeadlineExceeded(limits.deadline),
            Cause::ResponseTooLarge(limits.response_bytes),
        ] {
            assert_eq!(cause(&value(&sent), limits), sent);
        }
        let long = Cause::Trapped("x".repeat(5_000));
        assert_eq!(cause(&value(&long), limits), Cause::Trapped("x".repeat(TEXT_CHARS)));
        assert_eq!(cause(&HeaderValue::from_static("nonsense"), limits), Cause::Trapped("nonsense".into()));
    }
}
