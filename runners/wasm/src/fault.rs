//! From what stopped a guest to the cause that is reported.

use isolab_core::{Cause, Limits};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::host::Host;

/// Why a phase did not succeed: found by the engine, or by this crate.
pub(crate) enum Failure {
    Engine(wasmtime::Error),
    Cause(Cause),
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// The guest ended itself through `proc_exit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exit code {0}")]
pub(crate) struct Exit(pub(crate) u32);

impl Failure {
    /// Whether the guest ended itself and reported success.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Engine(error) if error.downcast_ref() == Some(&Exit(0)))
    }

    /// The cause, with the end of the guest's standard error where it says more.
    pub(crate) fn cause(self, host: &Host, limits: &Limits) -> Cause {
        let error = match self {
            Self::Cause(cause) => return cause,
            Self::Engine(error) => error,
        };
        if let Some(cause) = error.downcast_ref::<Cause>() {
            return cause.clone();
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Cause::OverCapacity(error.to_string());
        }
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::Interrupt) {
            return Cause::DeadlineExceeded(limits.deadline);
        }
        if host.memory.refused() {
            return Cause::OutOfMemory(limits.memory_bytes);
        }
        let with_stderr = |text: String| match host.wasi.stderr() {
            tail if tail.is_empty() => text,
            tail => format!("{text}: {tail}"),
        };
        if let Some(exit) = error.downcast_ref::<Exit>() {
            return Cause::Crashed(with_stderr(exit.to_string()));
        }
        match trap {
            Some(trap) => Cause::Trapped(with_stderr(trap.to_string())),
            None => Cause::Internal(format!("{error:#}")),
        }
    }
}
