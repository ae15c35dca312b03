//! Why a server did not run, or did not end as it should.

use std::fmt;

use isolab_core::{Error, Phase};

/// Why a server did not run, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The listener or a worker could not be set up.
    #[error("the server could not be started: {0}")]
    Start(#[from] std::io::Error),
    /// A worker's thread panicked.
    #[error("a worker of the server panicked; the log has its message")]
    Panic,
    /// Executors could not remove everything that they keep outside of the process.
    #[error("not everything was removed: {}", list(.0))]
    Close(Vec<Error>),
    /// Guests did not let go of their threads. Everything else has ended, and
    /// the process should end without waiting for them.
    #[error("{}{}", list(workers), also(unclosed))]
    Stuck {
        /// The threads that did not end.
        workers: Vec<StuckWorker>,
        /// The errors of executors that could not be closed.
        unclosed: Vec<Error>,
    },
}

/// A worker or compute thread that did not end in time, and what it was executing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckWorker {
    /// The name of the thread.
    pub thread: String,
    /// The guest that keeps the thread; `None` if no executor was being called.
    pub guest: Option<Guest>,
}

/// A call of an executor that did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The executor's spec in short form.
    pub executor: String,
    /// The function's name.
    pub function: String,
    /// The phase that does not end.
    pub phase: Phase,
    /// The instance's id; none while the instance is being started.
    pub instance: Option<u64>,
}

impl fmt::Display for StuckWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, guest } = self;
        let Some(Guest { executor, function, phase, instance }) = guest else {
            return write!(f, "{thread} did not end, and was not executing a function");
        };
        write!(f, "{thread} did not end: {phase} of `{function}` on {executor} does not return")?;
        match instance {
            Some(id) => write!(f, " (instance {id})"),
            None => Ok(()),
        }
    }
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn also(unclosed: &[Error]) -> String {
    if unclosed.is_empty() {
        String::new()
    } else {
        format!("; not everything was removed: {}", list(unclosed))
    }
}
