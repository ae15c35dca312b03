//! One module for each command.

pub mod bench;
pub mod build;
pub mod doctor;
pub mod invoke;
pub mod load;
pub mod report;
pub mod reproduce;
pub mod serve;

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bytes::Bytes;
use isolab_core::{Cache, Variant, guest};
use tracing_subscriber::EnvFilter;

use crate::exit::BadInput;
use crate::utc::Utc;

/// The cache of this command: the one asked for, else the checkout's.
fn cache(asked: Option<&PathBuf>) -> Cache {
    Cache::new(asked.cloned().unwrap_or_else(|| guest::workspace().join("target/isolab-cache")))
}

/// A body as given by `--data`: a text, or `@` and a file.
fn data(asked: &str) -> Result<Bytes> {
    match asked.strip_prefix('@') {
        None => Ok(Bytes::copy_from_slice(asked.as_bytes())),
        Some(path) => std::fs::read(path).map(Bytes::from).with_context(|| format!("{path} cannot be read")),
    }
}

pub(crate) fn variant(asked: &str) -> Result<Variant> {
    asked.parse().map_err(|reason: String| BadInput::because(reason))
}

/// Names a run, or what a server makes outside of its process, by time and process:
/// no two are the same.
fn run_id() -> String {
    format!("{}-{}", Utc::now().compact(), std::process::id())
}

/// Shows warnings on stderr; more with `ISOLAB_LOG=debug`, in the syntax of
/// [`EnvFilter`].
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("ISOLAB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!is_plain && std::io::stderr().is_terminal())
        .init();
}
