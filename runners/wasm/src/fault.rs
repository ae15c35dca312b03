//! Finds the cause to report when a phase fails.

use isolab_core::{Cause, Limits};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::host::Host;
use crate::wasi::Exit;

/// Why a phase failed, as the engine or as this crate says it.
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

impl Failure {
    /// Whether the guest exited with success.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Engine(error) if error.downcast_ref() == Some(&Exit(0)))
    }

    /// The cause, with the end of the guest's standard error if that explains it.
    pub(crate) fn cause(self, host: &Host, limits: &Limits) -> Cause {
        let error = match self {
            // A language may report a refused growth as an exception.
            Self::Cause(Cause::Threw(_)) if host.memory.refused() => {
                return Cause::OutOfMemory(limits.memory_bytes);
            }
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
        let with_stderr = |text: String| match host.stderr() {
            tail if tail.is_empty() => text,
            tail => format!("{text}: {tail}"),
        };
        if let Some(exit) = error.downcast_ref::<Exit>() {
            return Cause::Crashed(with_stderr(exit.to_string()));
        }
        match trap {
            Some(trap) => Cause::Trapped(with_stderr(trap.to_string())),
            // The full host ends a guest that gives it a bad address, or opens too much.
            None if host.full.is_some() => Cause::Trapped(with_stderr(format!("{error:#}"))),
            None => Cause::Internal(format!("{error:#}")),
        }
    }
}
