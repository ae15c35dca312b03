//! `isolab guest`: this binary as the server in a container, or as the runtime of one. Only executors call it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::executors;
use crate::exit::{DONE, FAILED};

/// `isolab guest`.
#[derive(Debug, Args)]
pub struct GuestArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Evaluate a handler, and write the engine's heap after that to stdout
    Snapshot {
        /// The handler
        handler: PathBuf,
        /// Give it streams and `fetch`, also if its source does not name them
        #[arg(long)]
        streams: bool,
    },
    /// Run or delete a container, as the programs that do so are told
    Container {
        /// `--root STATE run --bundle BUNDLE ID`, or `--root STATE delete --force ID`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Serve the handler in a snapshot to the host of this container
    Serve {
        /// The snapshot
        snapshot: PathBuf,
    },
}

/// Makes or serves a snapshot, or runs a container.
///
/// # Errors
/// If the file cannot be read, if the handler does not start, or if this binary has no runtime.
pub fn run(arguments: GuestArgs) -> Result<u8> {
    match arguments.action {
        Action::Snapshot { handler, streams } => {
            let source = std::fs::read_to_string(&handler)
                .with_context(|| format!("{} cannot be read", handler.display()))?;
            std::io::stdout().write_all(&executors::handler_snapshot(&source, streams)?)?;
            Ok(DONE)
        }
        Action::Container { arguments } => executors::run_container(arguments),
        Action::Serve { snapshot } => {
            let bytes =
                std::fs::read(&snapshot).with_context(|| format!("{} cannot be read", snapshot.display()))?;
            let ended = executors::serve_snapshot(bytes)?;
            Ok(if ended == ExitCode::SUCCESS { DONE } else { FAILED })
        }
    }
}
