//! WASI preview 1, as much of it as a sandbox is given: clocks, random numbers, the
//! standard streams, an environment, sleeping and exiting. No files and no network:
//! whatever wants a descriptor of those is told that there is none.
//!
//! It is written here because the `wasmtime-wasi` crate, used from synchronous code,
//! blocks on a tokio runtime for every write and sleep. A worker thread of the front
//! end is inside of one already, where that panics; and a sleep has to end with the
//! deadline. This way an instance also carries no more than four empty buffers.

mod link;
mod memory;
mod poll;
mod streams;

use std::time::Instant;

use bytes::Bytes;
use isolab_core::wasi::Errno;
use wasmtime::Result;

pub(crate) use link::{link, link_rest};
use memory::Memory;
use streams::Tail;

use crate::fault::Exit;

/// Why a call did not succeed: the guest is told, or it ends.
enum Refusal {
    Errno(Errno),
    End(wasmtime::Error),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// The most random bytes of one call: the deadline does not end it.
const RANDOM_BYTES: u32 = 16 << 20;

type Outcome = std::result::Result<(), Refusal>;

/// Where standard output goes.
pub(crate) enum Stdout {
    /// To the lab's log.
    Console,
    /// Into memory: it is the response, of at most so many bytes.
    Body { bytes: Vec<u8>, limit_bytes: u64 },
}

/// The state of one instance.
pub(crate) struct Wasi {
    stdin: Bytes,
    stdout: Stdout,
    stderr: Tail,
    /// `name=value`, without the NUL that the guest sees behind each.
    environment: Vec<Vec<u8>>,
    deadline: Instant,
}

impl Wasi {
    /// No input and no environment. Sleeping ends at the deadline.
    pub(crate) fn new(stdout: Stdout, deadline: Instant) -> Self {
        let (stderr, environment) = (Tail::default(), Vec::new());
        Self { stdin: Bytes::new(), stdout, stderr, environment, deadline }
    }

    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    pub(crate) fn set_stdin(&mut self, stdin: Bytes) {
        self.stdin = stdin;
    }

    pub(crate) fn set_environment(&mut self, environment: Vec<Vec<u8>>) {
        self.environment = environment;
    }

    /// What was written to standard output, if it is a body; leaves it empty.
    pub(crate) fn take_body(&mut self) -> Bytes {
        match &mut self.stdout {
            Stdout::Console => Bytes::new(),
            Stdout::Body { bytes, .. } => std::mem::take(bytes).into(),
        }
    }

    /// The end of what was written to standard error.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Sizes of a list of texts as `args_sizes_get` and `environ_sizes_get` give them.
    fn environ_sizes(&self, memory: &mut Memory<'_>, count: u32, size: u32) -> Outcome {
        let bytes: usize = self.environment.iter().map(|entry| entry.len() + 1).sum();
        memory.put_u32(count, self.environment.len() as u32)?;
        memory.put_u32(size, bytes as u32)
    }

    fn environ(&self, memory: &mut Memory<'_>, pointers: u32, texts: u32) -> Outcome {
        let (mut pointer, mut text) = (pointers, texts);
        for entry in &self.environment {
            memory.put_u32(pointer, text)?;
            memory.put(text, entry)?;
            memory.put(text.wrapping_add(entry.len() as u32), &[0])?;
            pointer = pointer.wrapping_add(4);
            text = text.wrapping_add(entry.len() as u32 + 1);
        }
        Ok(())
    }

    fn random(memory: &mut Memory<'_>, at: u32, len: u32) -> Outcome {
        if len > RANDOM_BYTES {
            return Err(Errno::Inval.into());
        }
        rand::RngCore::fill_bytes(&mut rand::rng(), memory.slice_mut(at, len)?);
        Ok(())
    }

    fn exit(code: u32) -> Result<()> {
        Err(Exit(code).into())
    }
}
