//! Exit codes, and which error leads to which.

use std::process::ExitCode;

use isolab_core::Cause;
use isolab_core::function::{LoadError, UnknownFunction};
use isolab_core::reuse::ReuseError;
use isolab_core::spec::SpecError;
use isolab_frontend::RunError;

/// The command did everything that it was asked to do.
pub const DONE: u8 = 0;
/// Something that was measured failed, or is not available on this machine.
pub const FAILED: u8 = 1;
/// The input cannot be understood.
pub const BAD_INPUT: u8 = 2;
/// The server has ended, but a function still held its thread. The message names it.
pub const STUCK: u8 = 3;
/// The user pressed Ctrl-C, or the process received SIGTERM.
pub const INTERRUPTED: u8 = 130;

/// Bad input for which there is no other type of error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

impl BadInput {
    /// An error for this reason.
    pub fn because(reason: impl Into<String>) -> anyhow::Error {
        Self(reason.into()).into()
    }
}

/// The user interrupted the command.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Whether a function cannot be made into what an executor runs.
fn is_bad_function(error: &isolab_core::Error) -> bool {
    matches!(error.cause, Cause::Artifact(_))
}

/// The exit code of an error.
pub fn code(error: &anyhow::Error) -> u8 {
    let is_bad_input = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<BadInput>()
            || cause.is::<SpecError>()
            || cause.is::<ReuseError>()
            || cause.is::<UnknownFunction>()
            || cause.is::<LoadError>()
            || cause.downcast_ref::<isolab_core::Error>().is_some_and(is_bad_function)
    };
    if error.chain().any(<dyn std::error::Error>::is::<Interrupted>) {
        INTERRUPTED
    } else if error.is::<BadInput>() || error.chain().any(is_bad_input) {
        BAD_INPUT
    } else if matches!(error.downcast_ref(), Some(RunError::Stuck { .. })) {
        STUCK
    } else {
        FAILED
    }
}

/// Prints an error on stderr, and returns the exit code.
pub fn report(result: anyhow::Result<u8>) -> ExitCode {
    result
        .unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            code(&error)
        })
        .into()
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use isolab_core::Spec;

    use super::*;

    #[test]
    fn an_error_keeps_its_code_through_context() {
        let spec = Spec::parse("a b").context("reading --executor").unwrap_err();
        assert_eq!(code(&spec), BAD_INPUT);
        assert_eq!(code(&BadInput::because("no").context("outer")), BAD_INPUT);
        assert_eq!(code(&anyhow::Error::from(Interrupted).context("outer")), INTERRUPTED);
        let stuck = RunError::Stuck { workers: Vec::new(), unclosed: Vec::new() };
        assert_eq!(code(&anyhow::Error::from(stuck).context("outer")), STUCK);
        assert_eq!(code(&RunError::Panic.into()), FAILED);
        assert_eq!(code(&anyhow::anyhow!("disk full")), FAILED);
    }
}
