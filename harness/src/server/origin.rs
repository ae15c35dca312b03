//! The host to which functions send requests, if they are granted the host `origin`.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result};
use isolab_core::Function;
use isolab_core::function::Host;
use isolab_outbound::origin::Origin;

use crate::host::affinity;

/// The host that the lab takes the place of.
pub fn host() -> Host {
    Host { name: "origin".into(), port: 80 }
}

/// Starts the origin if one of these functions is granted it. It stays on this processor, or by default on
/// those of the calling thread.
///
/// # Errors
/// If the system gives no port, or refuses the processor.
pub fn start_for<'a>(
    functions: impl IntoIterator<Item = &'a Function>,
    cpu: Option<usize>,
) -> Result<Option<Origin>> {
    let host = host();
    if !functions.into_iter().any(|function| function.grants().hosts.contains(&host)) {
        return Ok(None);
    }
    let start = || {
        cpu.map_or(Ok(()), affinity::pin)?;
        Origin::start().context("cannot start the host `origin`")
    };
    // The origin's thread inherits the processor of the thread that starts it.
    let started = thread::scope(|scope| scope.spawn(start).join());
    started.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(Some)
}

/// The argument of `--connect-to` that leads functions to an origin.
pub fn connect_to(address: SocketAddr) -> String {
    format!("{}={address}", host())
}
