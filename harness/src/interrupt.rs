//! Ctrl-C while measuring.
//!
//! Measuring blocks on sockets, so it is not enough to note a signal. The child that is being
//! measured gets SIGTERM, which ends every wait for it. It has a moment to remove what it has
//! made, such as containers, and is killed after that.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{INTERRUPTED, Interrupted};

struct State {
    is_requested: bool,
    /// The process group that an interrupt ends. It is not reaped while it is registered.
    victim: Option<Pid>,
}

static STATE: Mutex<State> = Mutex::new(State { is_requested: false, victim: None });

fn state() -> std::sync::MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Time of a child between an interrupt and its kill.
pub const GRACE: Duration = Duration::from_secs(3);

/// Handles SIGINT and SIGTERM from now on. The first signal ends the run in order, the second
/// ends the process at once.
///
/// # Errors
/// If the signals cannot be handled.
pub fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wait = async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        request();
        tokio::select! {
            _ = interrupt.recv() => std::process::exit(INTERRUPTED.into()),
            _ = terminate.recv() => std::process::exit(INTERRUPTED.into()),
            () = tokio::time::sleep(GRACE) => signal_victim(Signal::SIGKILL),
        }
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(INTERRUPTED.into());
    };
    std::thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || runtime.block_on(wait))
        .context("cannot start the thread that waits for signals")?;
    Ok(())
}

fn request() {
    state().is_requested = true;
    signal_victim(Signal::SIGTERM);
}

fn signal_victim(signal: Signal) {
    if let Some(group) = state().victim {
        // An error means that it has ended already.
        let _ = killpg(group, signal);
    }
}

/// Whether the user has interrupted the run.
pub fn is_requested() -> bool {
    state().is_requested
}

/// Nothing, unless the user has interrupted the run.
///
/// # Errors
/// [`Interrupted`], if so.
pub fn check() -> Result<(), Interrupted> {
    if is_requested() { Err(Interrupted) } else { Ok(()) }
}

/// Registers the process group that an interrupt ends, until [`forget`].
pub fn register(group: Pid) {
    let mut state = state();
    state.victim = Some(group);
    if state.is_requested {
        let _ = killpg(group, Signal::SIGTERM);
    }
}

/// Takes back [`register`]. Call it before the group's leader is reaped.
pub fn forget() {
    state().victim = None;
}
