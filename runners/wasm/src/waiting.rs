//! Instances that wait without holding their thread.
//!
//! A module that imports `poll_oneoff`, or outbound requests, can wait ([`Way::of`]), and so can each module of
//! the full host of WASI. It runs on a stack of its own, so that the host can suspend it: while it waits, and at
//! each tick of the epoch while it computes. Its thread then serves others. Its future must be polled in a tokio
//! runtime with a timer.
//!
//! Any other module can only compute. It runs on the stack of its thread, which costs less, and
//! holds the thread until it answers: its future ends at the first poll.

use std::time::Instant;

use isolab_core::wasi::calls::{MODULE, POLL};
use isolab_core::wire;
use wasmtime::{Module, UpdateDeadline};

use crate::exchanges;
use crate::wasi::WasiHost;

/// For how many ticks of the epoch a guest computes before it yields.
pub(crate) const SLICE_TICKS: u64 = 1;

/// How the instances of a module run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// On the stack of the thread.
    Straight,
    /// On a stack of their own.
    Waiting,
    /// The same, and the bodies of requests and answers flow.
    Streaming,
}

impl Way {
    /// The way for a module, and for the handler that it was initialised with if it is a JavaScript
    /// engine. The engine itself waits for timers only, so a handler that names none does not pay
    /// for a stack. A handler that finds the timers without their names waits on its thread.
    pub(crate) fn of(module: &Module, wasi: WasiHost, handler: Option<&[u8]>) -> Self {
        if module.get_export(wire::STREAM).is_some() {
            return Self::Streaming;
        }
        let sleeps = imports_poll(module) && handler.is_none_or(names_a_timer);
        let waits = wasi == WasiHost::Full || sleeps || exchanges::is_imported(module);
        if waits { Self::Waiting } else { Self::Straight }
    }

    /// Whether a wait of the module's instances holds their thread.
    pub(crate) fn sleeps_on_thread(self, module: &Module) -> bool {
        self == Self::Straight && imports_poll(module)
    }

    /// Whether instances have a stack of their own.
    pub(crate) fn is_suspendable(self) -> bool {
        self != Self::Straight
    }
}

fn imports_poll(module: &Module) -> bool {
    module.imports().any(|import| (import.module(), import.name()) == (MODULE, POLL))
}

fn names_a_timer(handler: &[u8]) -> bool {
    ["setTimeout", "setInterval"]
        .iter()
        .any(|name| handler.windows(name.len()).any(|found| found == name.as_bytes()))
}

/// At the end of a slice, a guest with this deadline yields, or ends.
pub(crate) fn at_end_of_slice(deadline: Instant) -> UpdateDeadline {
    if deadline <= Instant::now() {
        return UpdateDeadline::Interrupt;
    }
    // Unlike a future that merely wakes itself, this one lets the runtime look at its sockets and
    // timers before the guest goes on.
    UpdateDeadline::YieldCustom(SLICE_TICKS, Box::pin(tokio::task::yield_now()))
}
