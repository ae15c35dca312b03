//! The part of WASI preview 1 that a sandbox offers: clocks, random numbers, the standard
//! streams, arguments, an environment, sleep and exit. There are no files and no network: calls with such
//! a descriptor fail with `EBADF`.
//!
//! It knows no engine. An engine gives it the guest's memory as bytes, finds the imports by their
//! names ([`calls::find`]), and ends the guest if a call says so ([`End`]).
//!
//! Only `poll_oneoff` waits. It sleeps on the calling thread, unless the host can suspend its guest
//! and does so between the two halves of the call ([`Poll`]).
//!
//! The crate `wasmtime-wasi`, used from synchronous code, blocks on a tokio runtime for every
//! write and sleep. That panics on the front end's workers, which run in a tokio runtime
//! already, and a sleep would not end at the deadline. In this implementation an unused WASI
//! is four empty buffers.

pub mod calls;
pub mod command;
mod errno;
mod granted;
mod memory;
mod poll;
mod streams;

use std::time::Instant;

use bytes::Bytes;

use crate::{Cause, Limits};
pub use calls::MODULE;
pub use errno::Errno;
pub use granted::Granted;
pub use memory::{Buffer, Memory};
pub use poll::Poll;
pub use streams::Tail;

/// Why a call ends the guest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// The guest ended itself through `proc_exit`.
    #[error("exit code {0}")]
    Exit(u32),
    /// It slept until its deadline.
    #[error("the deadline passed")]
    Deadline,
    /// It broke a rule.
    #[error("{0}")]
    Cause(Cause),
}

/// Why a call fails: with an error number for the guest, or with the end of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The guest goes on with this number.
    Errno(Errno),
    /// The guest ends.
    End(End),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Writes how many texts there are, and how many bytes they take.
fn put_sizes(texts: &[Vec<u8>], memory: &mut Memory<'_>, count: u32, size: u32) -> Outcome {
    let bytes: usize = texts.iter().map(|text| text.len() + 1).sum();
    memory.put_u32(count, texts.len() as u32)?;
    memory.put_u32(size, bytes as u32)
}

/// Writes the texts, and their addresses.
fn put_texts(texts: &[Vec<u8>], memory: &mut Memory<'_>, mut pointer: u32, mut at: u32) -> Outcome {
    for text in texts {
        memory.put_u32(pointer, at)?;
        memory.put(at, text)?;
        memory.put(at.wrapping_add(text.len() as u32), &[0])?;
        pointer = pointer.wrapping_add(4);
        at = at.wrapping_add(text.len() as u32 + 1);
    }
    Ok(())
}

/// The most random bytes of one call, which the deadline cannot interrupt.
const RANDOM_BYTES: u32 = 16 << 20;

/// The result of a call.
pub type Outcome = Result<(), Refusal>;

/// Where standard output goes.
pub enum Stdout {
    /// To the lab's log.
    Console,
    /// Into memory, as the body of the response.
    Body {
        /// The body so far.
        bytes: Vec<u8>,
        /// The most that it may be, in bytes.
        limit_bytes: u64,
    },
}

/// The state of one instance.
pub struct Wasi {
    stdin: Bytes,
    stdout: Stdout,
    stderr: Tail,
    /// Texts without the NUL that the guest sees after each.
    arguments: Vec<Vec<u8>>,
    /// The same, entries `name=value`.
    environment: Vec<Vec<u8>>,
    deadline: Instant,
}

impl Wasi {
    /// A state without input, arguments and environment. A sleep ends at the deadline.
    pub fn new(stdout: Stdout, deadline: Instant) -> Self {
        let (stderr, arguments, environment) = (Tail::default(), Vec::new(), Vec::new());
        Self { stdin: Bytes::new(), stdout, stderr, arguments, environment, deadline }
    }

    /// Sets when a sleep ends at the latest.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// When a sleep ends at the latest.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sets what the guest reads from standard input.
    pub fn set_stdin(&mut self, stdin: Bytes) {
        self.stdin = stdin;
    }

    /// Sets the arguments, of which the first is the program's name, without the NUL that the guest
    /// sees.
    pub fn set_arguments(&mut self, arguments: Vec<Vec<u8>>) {
        self.arguments = arguments;
    }

    /// Sets the environment's entries `name=value`, without the NUL that the guest sees.
    pub fn set_environment(&mut self, environment: Vec<Vec<u8>>) {
        self.environment = environment;
    }

    /// Takes the body that was written to standard output.
    pub fn take_body(&mut self) -> Bytes {
        match &mut self.stdout {
            Stdout::Console => Bytes::new(),
            Stdout::Body { bytes, .. } => std::mem::take(bytes).into(),
        }
    }

    /// The end of standard error.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The cause of an end by a call.
    pub fn cause_of_end(&self, end: End, limits: &Limits) -> Cause {
        match end {
            End::Cause(cause) => cause,
            End::Deadline => Cause::DeadlineExceeded(limits.deadline),
            End::Exit(_) if self.ran_out_of_memory() => Cause::OutOfMemory(limits.memory_bytes),
            exit @ End::Exit(_) => Cause::Crashed(self.explained(exit.to_string())),
        }
    }

    /// The cause of a trap that an engine describes like this.
    pub fn cause_of_trap(&self, reason: String, limits: &Limits) -> Cause {
        if self.ran_out_of_memory() {
            return Cause::OutOfMemory(limits.memory_bytes);
        }
        Cause::Trapped(self.explained(reason))
    }

    /// Whether Rust's standard library has aborted the guest because a growth of its memory was refused.
    /// Most engines do not tell.
    fn ran_out_of_memory(&self) -> bool {
        let aborted =
            |line: &str| line.starts_with("memory allocation of ") && line.ends_with(" bytes failed");
        self.stderr().lines().any(aborted)
    }

    /// A reason, with the end of standard error if there is one.
    fn explained(&self, reason: String) -> String {
        let stderr = self.stderr();
        if stderr.is_empty() { reason } else { format!("{reason}: {stderr}") }
    }

    fn random(memory: &mut Memory<'_>, at: u32, len: u32) -> Outcome {
        if len > RANDOM_BYTES {
            return Err(Errno::Inval.into());
        }
        rand::RngCore::fill_bytes(&mut rand::rng(), memory.slice_mut(at, len)?);
        Ok(())
    }
}
