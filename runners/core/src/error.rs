//! Errors of a phase, with their causes.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A step of an instance's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Makes the artifact; once for each function.
    Prepare,
    /// Starts an instance, until it can answer; once for each instance.
    Start,
    /// Answers one request.
    Invoke,
    /// Ends the instance.
    Stop,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "prepare",
            Self::Start => "start",
            Self::Invoke => "invoke",
            Self::Stop => "stop",
        })
    }
}

/// Why a phase failed; each cause has one HTTP status in the front end.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Cause {
    /// The function threw an exception, or its promise can never settle. Its instance goes on.
    #[error("the function threw: {0}")]
    Threw(String),
    /// The function broke a rule of its sandbox or panicked.
    #[error("the function trapped: {0}")]
    Trapped(String),
    /// The sandbox itself ended; for example, a container died.
    #[error("the sandbox crashed: {0}")]
    Crashed(String),
    /// The deadline passed before the response.
    #[error("no answer within the deadline of {0:?}")]
    DeadlineExceeded(Duration),
    /// The memory limit, in bytes, was reached.
    #[error("the memory limit of {0} bytes was reached")]
    OutOfMemory(u64),
    /// The response is larger than its limit, in bytes.
    #[error("the response is larger than the limit of {0} bytes")]
    ResponseTooLarge(u64),
    /// The function's answer is not an HTTP response.
    #[error("the function's answer is not a response: {0}")]
    InvalidResponse(String),
    /// The artifact cannot be made from the variant.
    #[error("the artifact cannot be made: {0}")]
    Artifact(String),
    /// The model cannot run here: no engine, no permission.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The executor's own limit was reached, such as its number of instances.
    #[error("over capacity: {0}")]
    OverCapacity(String),
    /// Any other failure of the executor.
    #[error("the executor failed: {0}")]
    Internal(String),
}

impl Cause {
    /// A short name for tables and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Threw(_) => "threw",
            Self::Trapped(_) => "trapped",
            Self::Crashed(_) => "crashed",
            Self::DeadlineExceeded(_) => "deadline",
            Self::OutOfMemory(_) => "out-of-memory",
            Self::ResponseTooLarge(_) => "response-too-large",
            Self::InvalidResponse(_) => "invalid-response",
            Self::Artifact(_) => "artifact",
            Self::Unavailable(_) => "unavailable",
            Self::OverCapacity(_) => "over-capacity",
            Self::Internal(_) => "internal",
        }
    }
}

/// A failed phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The phase that failed.
    pub phase: Phase,
    /// The executor's spec, in short form.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// Why the phase failed.
    pub cause: Cause,
    /// Whether the instance goes on: only the request failed. Otherwise the instance may only be
    /// stopped.
    pub spares_instance: bool,
    /// Advice to the reader, as a sentence without a full stop.
    pub hint: Option<String>,
}

impl Error {
    /// An error without a hint. It spares the instance if the function [threw](Cause::Threw).
    pub fn new(phase: Phase, executor: impl fmt::Display, function: &str, cause: Cause) -> Self {
        let spares_instance = matches!(cause, Cause::Threw(_));
        let (executor, function) = (executor.to_string(), function.to_owned());
        Self { phase, executor, function, cause, spares_instance, hint: None }
    }

    /// Says whether only the request failed, and the instance goes on.
    #[must_use]
    pub fn sparing(mut self, spares_instance: bool) -> Self {
        self.spares_instance = spares_instance;
        self
    }

    /// Adds advice to the reader.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}` on {} failed: {}", self.phase, self.function, self.executor, self.cause)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_phase_function_executor_cause_and_hint() {
        let error = Error::new(Phase::Start, "docker", "hello", Cause::Crashed("exit code 1".into()));
        assert_eq!(error.to_string(), "start of `hello` on docker failed: the sandbox crashed: exit code 1");
        assert!(error.hint("see `docker logs`").to_string().ends_with(" (see `docker logs`)"));
    }
}
