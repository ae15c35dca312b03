//! The state that the host keeps for one guest, and the cause of a failure.

use std::time::Instant;

use isolab_core::wasi::calls::Call;
use isolab_core::wasi::{End, Errno, Granted, Memory, Outcome, Refusal, Stdout, Wasi};
use isolab_core::{Cause, Limits};

/// The host's state of one guest.
pub(crate) struct Host {
    pub(crate) wasi: Wasi,
}

impl Host {
    pub(crate) fn new(granted: &Granted) -> Self {
        let mut wasi = Wasi::new(Stdout::Console, Instant::now());
        granted.give(&mut wasi);
        Self { wasi }
    }

    /// Calls a function of WASI. Returns the number for the guest, or the end of the guest.
    pub(crate) fn call(&mut self, function: Call, memory: &mut [u8], values: &[u64]) -> Result<i32, Ended> {
        answer(function(&mut self.wasi, &mut Memory(memory), values))
    }
}

fn answer(outcome: Outcome) -> Result<i32, Ended> {
    match outcome {
        Ok(()) => Ok(Errno::Success as i32),
        Err(Refusal::Errno(errno)) => Ok(errno as i32),
        Err(Refusal::End(end)) => Err(Ended(end)),
    }
}

/// The end of a guest by a function of WASI, as an error that passes through the engine.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Ended(pub(crate) End);

/// Why code of the guest ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A function of WASI ended it.
    Ended(End),
    /// The engine stopped it at its deadline.
    Deadline,
    /// It broke a rule of Wasm, which the engine describes.
    Trap(String),
    /// Another cause.
    Cause(Cause),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl From<Ended> for Failure {
    fn from(Ended(end): Ended) -> Self {
        Self::Ended(end)
    }
}

impl Failure {
    /// The cause, with the end of the guest's standard error if that explains it.
    pub(crate) fn cause(self, host: &Host, limits: &Limits) -> Cause {
        match self {
            Self::Cause(cause) => cause,
            Self::Deadline => Cause::DeadlineExceeded(limits.deadline),
            Self::Ended(end) => host.wasi.cause_of_end(end, limits),
            Self::Trap(reason) => host.wasi.cause_of_trap(reason, limits),
        }
    }
}

/// The cause for an export that a module lacks.
pub(crate) fn missing(name: &str) -> Cause {
    Cause::Artifact(format!(
        "the module does not export `{name}` in the form of a function; use `isolab_sdk::export!`"
    ))
}

/// The cause for a module that is refused.
pub(crate) fn refused(reason: impl std::fmt::Display) -> Cause {
    Cause::Artifact(format!("the engine refuses the module: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use isolab_core::wasi::calls;

    use super::*;

    const LIMITS: Limits = Limits {
        memory_bytes: 1 << 20,
        deadline: Duration::from_secs(1),
        response_bytes: 1000,
        request_bytes: 1000,
    };

    fn host(stderr: &str) -> Host {
        let mut host = Host::new(&Granted::default());
        let mut memory =
            [&8_u32.to_le_bytes(), &(stderr.len() as u32).to_le_bytes(), stderr.as_bytes()].concat();
        memory.extend([0; 4]);
        let written = memory.len() as u64 - 4;
        let function = calls::import(calls::MODULE, "fd_write").unwrap();
        assert_eq!(host.call(function, &mut memory, &[2, 0, 1, written]).unwrap(), 0);
        host
    }

    fn trap() -> Failure {
        Failure::Trap("unreachable".into())
    }

    #[test]
    fn an_end_is_explained_by_standard_error() {
        assert_eq!(
            trap().cause(&host("at line 3"), &LIMITS),
            Cause::Trapped("unreachable: at line 3".into())
        );
        let exit = Failure::Ended(End::Exit(3)).cause(&host(""), &LIMITS);
        assert_eq!(exit, Cause::Crashed("exit code 3".into()));
        let late = Failure::Ended(End::Deadline).cause(&host("at line 3"), &LIMITS);
        assert_eq!(late, Cause::DeadlineExceeded(LIMITS.deadline));
    }

    #[test]
    fn running_out_of_memory_is_told_by_rust() {
        let aborted = host("memory allocation of 65536 bytes failed");
        assert_eq!(trap().cause(&aborted, &LIMITS), Cause::OutOfMemory(LIMITS.memory_bytes));
    }
}
