//! Ctrl-C while measuring.
//!
//! Measuring blocks on sockets, so it is not enough to note a signal. The children that are being
//! measured get SIGTERM, which ends every wait for them. They have a moment to remove what they
//! have made, such as containers, and are killed after that.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{INTERRUPTED, Interrupted};

struct State {
    is_requested: bool,
    /// The process groups that an interrupt ends. None is reaped while it is registered.
    victims: Vec<Pid>,
}

static STATE: Mutex<State> = Mutex::new(State { is_requested: false, victims: Vec::new() });

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
            () = tokio::time::sleep(GRACE) => signal_victims(Signal::SIGKILL),
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
    signal_victims(Signal::SIGTERM);
}

fn signal_victims(signal: Signal) {
    for group in &state().victims {
        // An error means that it has ended already.
        let _ = killpg(*group, signal);
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

/// Registers a process group that an interrupt ends, until [`forget`].
pub fn register(group: Pid) {
    let mut state = state();
    state.victims.push(group);
    if state.is_requested {
        let _ = killpg(group, Signal::SIGTERM);
    }
}

/// Takes back [`register`]. Call it before the group's leader is reaped.
pub fn forget(group: Pid) {
    state().victims.retain(|victim| *victim != group);
}
