//! Ctrl-C while measuring.
//!
//! Measuring blocks on sockets, so that a signal must not only be noted: the child
//! that is being measured is told to end, whereupon every wait for it ends. It gets a
//! moment to remove what it has made, such as containers, and is killed after that.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{INTERRUPTED, Interrupted};

struct State {
    is_requested: bool,
    /// The process group that ends with an interrupt; it is not reaped while it stands here.
    victim: Option<Pid>,
}

static STATE: Mutex<State> = Mutex::new(State { is_requested: false, victim: None });

fn state() -> std::sync::MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How long a child has after an interrupt before it is killed.
pub const GRACE: Duration = Duration::from_secs(3);

/// Takes SIGINT and SIGTERM from now on. The first asks for an orderly end, the
/// second ends the process at once.
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
        .context("the thread that waits for signals cannot be started")?;
    Ok(())
}

fn request() {
    state().is_requested = true;
    signal_victim(Signal::SIGTERM);
}

fn signal_victim(signal: Signal) {
    if let Some(group) = state().victim {
        // It may have ended by itself, which is what is wanted.
        let _ = killpg(group, signal);
    }
}

/// Whether an end was asked for.
pub fn is_requested() -> bool {
    state().is_requested
}

/// An error if an end was asked for.
pub fn check() -> Result<(), Interrupted> {
    if is_requested() { Err(Interrupted) } else { Ok(()) }
}

/// Names the process group that an interrupt ends, until [`forget`].
pub fn register(group: Pid) {
    let mut state = state();
    state.victim = Some(group);
    if state.is_requested {
        let _ = killpg(group, Signal::SIGTERM);
    }
}

/// Takes back [`register`]; to be called before the group's leader is reaped.
pub fn forget() {
    state().victim = None;
}
