//! Watches the threads from outside, and replaces those that guests hold.
//!
//! A guest may hold a worker for long: a quick route has turned slow. The worker's idle
//! connections then move to another worker, and the route becomes slow at once. A guest that still
//! holds its thread after its deadline, and had the chance to let go ([`Overdue`]), cannot be
//! interrupted: the thread is lost. Its requests are answered with errors, and a new thread takes its place.

use std::convert::Infallible;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Response;
use tokio::time::{Instant, MissedTickBehavior};

use crate::http::problem::{self, Problem};
use crate::overdue::Overdue;
use crate::pool::inbox::{Message, Role};
use crate::route::Route;
use crate::telemetry::activity::{Execution, PollNumber};
use crate::threads::Threads;

/// Between two looks at the threads. A worker that is in the same poll at two looks is held by a
/// guest: a quick route's polls take a hundredth of this time.
const INTERVAL: Duration = Duration::from_millis(100);

/// The same for a server without compute threads, which only looks for lost ones.
const LONG_INTERVAL: Duration = Duration::from_secs(1);

/// A poll that a look found a thread in.
struct Seen {
    number: PollNumber,
    since: Instant,
    execution: Execution,
    is_relieved: bool,
    overdue: Option<Overdue>,
}

/// Starts compute threads when they are wanted, and looks after all threads.
pub(crate) async fn supervise(threads: &Threads) -> Infallible {
    let computing = &threads.state.pools.computing;
    let mut tick = tokio::time::interval(if computing.is_on() { INTERVAL } else { LONG_INTERVAL });
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: Vec<_> = threads.state.threads().iter().map(|_| None).collect();
    loop {
        tokio::select! {
            () = computing.wanted.notified() => {
                while computing.take_wanted() {
                    start_compute_thread(threads).await;
                }
            }
            _ = tick.tick() => {
                for (index, seen) in seen.iter_mut().enumerate() {
                    look(threads, index, seen).await;
                }
            }
        }
    }
}

async fn look(threads: &Threads, index: usize, seen: &mut Option<Seen>) {
    let state = &threads.state;
    let thread = &state.threads()[index];
    let role = thread.role();
    if !matches!(role, Role::Worker | Role::Compute) {
        return;
    }
    let now = Instant::now();
    let Some(number) = thread.activity.poll_number() else {
        *seen = None;
        thread.is_stalled.store(false, Ordering::Relaxed);
        return;
    };
    let Some(before) = seen.as_mut().filter(|before| before.number == number) else {
        *seen = thread.activity.read().map(|execution| Seen {
            number,
            since: now,
            execution,
            is_relieved: false,
            overdue: None,
        });
        thread.is_stalled.store(false, Ordering::Relaxed);
        return;
    };
    let Some(route) = state.routes().by_index(before.execution.route) else { return };
    let route = &*route;
    if role == Role::Worker && !before.is_relieved && state.pools.computing.is_on() {
        before.is_relieved = true;
        relieve(threads, index, before.number, route).await;
    }
    if now.duration_since(before.since) > route.function.limits().deadline {
        let Some(overdue) = &mut before.overdue else {
            before.overdue = thread.kernel_id.get().and_then(|id| Overdue::begin(*id, role));
            return;
        };
        if overdue.is_over() {
            lose(threads, index, before, route, role).await;
        }
    }
}

/// A guest holds a worker: its idle connections move, and the guest's route becomes slow.
async fn relieve(threads: &Threads, index: usize, poll: PollNumber, route: &Route) {
    let state = &threads.state;
    let thread = &state.threads()[index];
    thread.is_stalled.store(true, Ordering::Relaxed);
    if let Some(change) = route.pace.slow_down() {
        state.pools.leave(route.index, change);
    }
    if state.free_worker().is_none() {
        start(threads, Role::Worker).await;
    }
    let Some(_held) = thread.activity.claim(poll) else { return };
    if state.free_worker().is_some() {
        move_idle(threads, index);
    }
}

/// Moves the idle connections of a thread that is held.
fn move_idle(threads: &Threads, index: usize) {
    for (stream, admission) in threads.state.threads()[index].registry.take_idle() {
        let Some(worker) = threads.state.free_worker() else {
            // The thread that is held has the socket open, too.
            let _ = stream.shutdown(Shutdown::Both);
            continue;
        };
        let admission = admission.moved_to(&worker.metrics);
        worker.tell(Message::Serve(stream, admission));
    }
}

/// A guest does not let go of its thread: others take over everything that the thread had.
async fn lose(threads: &Threads, index: usize, seen: &Seen, route: &Route, role: Role) {
    let state = &threads.state;
    let thread = &state.threads()[index];
    thread.is_stalled.store(true, Ordering::Relaxed);
    // Another worker may have been started already, when this one was relieved.
    if role == Role::Worker && state.pools.in_role(Role::Worker).count() <= state.config.workers {
        start(threads, Role::Worker).await;
    }
    let Some(held) = thread.activity.claim(seen.number) else { return };
    thread.set_role(Role::Lost);
    let _ = thread.lost_in.set(seen.execution);
    let (function, executor) = (route.function.name(), &route.served.spec);
    let phase = seen.execution.phase;
    tracing::error!("{phase} of `{function}` on {executor} cannot be interrupted: its thread is lost");
    // Without compute threads this refuses the route from now on.
    if let Some(change) = route.pace.slow_down() {
        state.pools.leave(route.index, change);
    }
    if role == Role::Compute {
        route.lost.compute_threads.fetch_add(1, Ordering::Relaxed);
        state.pools.computing.lose(index, phase, thread.registry.attended());
    } else {
        route.lost.workers.fetch_add(1, Ordering::Relaxed);
        move_idle(threads, index);
        let cell = thread.metrics.existing(route.index);
        let counts = cell.as_ref().map(|cell| &cell.responses);
        thread.registry.close_all(|is_guilty| {
            let response = Response::from(problem_of(route, seen.execution, is_guilty));
            // The routes of the other requests are known to the lost thread only.
            counts.filter(|_| is_guilty).unwrap_or(&thread.metrics.unrouted).count(response.status());
            problem::last_response(&response)
        });
    }
    // If the guest lets go some day, its thread ends.
    thread.tell(Message::Drain(Instant::now()));
    drop(held);
    if role == Role::Compute {
        start_compute_thread(threads).await;
    }
}

/// The answer to a request whose worker is lost.
fn problem_of(route: &Route, execution: Execution, is_guilty: bool) -> Problem {
    if is_guilty {
        return route.uninterrupted(execution.phase).into();
    }
    let detail = "another request holds the thread that served this connection; try again";
    Problem::new(&problem::UNAVAILABLE, detail)
}

async fn start_compute_thread(threads: &Threads) {
    match start(threads, Role::Compute).await {
        Some(index) => threads.state.pools.add_compute_thread(index),
        None => threads.state.pools.computing.give_up(),
    }
}

async fn start(threads: &Threads, role: Role) -> Option<usize> {
    match threads.start(role).await {
        Ok(Some(index)) => Some(index),
        Ok(None) => {
            tracing::error!("no thread can take the place of one that a function holds: too many were lost");
            None
        }
        Err(error) => {
            tracing::error!("no thread can be started: {error}");
            None
        }
    }
}
