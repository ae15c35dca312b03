//! The threads of a server: which run, and in which role.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::pool::inbox::{Message, Role};
use crate::run_error::RunError;
use crate::state::ServerState;
use crate::worker::{self, Progress};

/// All threads of a server. Dropping it has them drain, and waits for nothing.
pub(crate) struct Threads {
    pub(crate) state: Arc<ServerState>,
    seats: Mutex<Vec<Seat>>,
}

/// The thread at one index, if there is one.
enum Seat {
    /// No thread yet. The messages for it.
    Vacant(UnboundedReceiver<Message>),
    Running(Thread),
    /// A thread that could not be started, or whose end has been seen.
    Gone,
}

/// A thread that has been started.
pub(crate) struct Thread {
    pub(crate) handle: JoinHandle<()>,
    pub(crate) progress: watch::Receiver<Progress>,
}

impl Thread {
    pub(crate) fn is_stopping(&self) -> bool {
        self.has_ended() || *self.progress.borrow() == Progress::Stopping
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.progress.has_changed().is_err()
    }
}

impl Threads {
    pub(crate) fn new(state: &Arc<ServerState>, inboxes: Vec<UnboundedReceiver<Message>>) -> Self {
        let seats = inboxes.into_iter().map(Seat::Vacant).collect();
        Self { state: Arc::clone(state), seats: Mutex::new(seats) }
    }

    fn seats(&self) -> MutexGuard<'_, Vec<Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread at the first vacant seat. Returns its index when it is ready; `None` if no
    /// seat is vacant.
    pub(crate) async fn start(&self, role: Role) -> Result<Option<usize>, RunError> {
        let is_ready = {
            let mut seats = self.seats();
            let vacant = seats.iter().position(|seat| matches!(seat, Seat::Vacant(_)));
            let Some(index) = vacant else { return Ok(None) };
            let Seat::Vacant(inbox) = std::mem::replace(&mut seats[index], Seat::Gone) else {
                unreachable!("its position was looked for");
            };
            let (ready, is_ready) = oneshot::channel();
            let (sender, progress) = watch::channel(Progress::Serving);
            let state = Arc::clone(&self.state);
            // The thread's pools ask for its role.
            state.threads()[index].set_role(role);
            let name = if role == Role::Compute { "compute" } else { "worker" };
            let thread = std::thread::Builder::new().name(format!("{name}-{index}"));
            match thread.spawn(move || worker::run(&state, index, inbox, ready, &sender)) {
                Ok(handle) => seats[index] = Seat::Running(Thread { handle, progress }),
                Err(error) => {
                    self.state.threads()[index].set_role(Role::Vacant);
                    return Err(error.into());
                }
            }
            (index, is_ready)
        };
        let (index, is_ready) = is_ready;
        let ready = is_ready.await.map_err(|_| RunError::Panic).and_then(|ready| Ok(ready?));
        if let Err(error) = ready {
            self.state.threads()[index].set_role(Role::Vacant);
            return Err(error);
        }
        Ok(Some(index))
    }

    /// Takes the threads in this role, to wait for their end.
    pub(crate) fn take(&self, role: Role) -> Vec<(usize, Thread)> {
        let mut taken = Vec::new();
        let mut seats = self.seats();
        for (index, _) in self.state.pools.in_role(role) {
            match std::mem::replace(&mut seats[index], Seat::Gone) {
                Seat::Running(thread) => taken.push((index, thread)),
                other => seats[index] = other,
            }
        }
        taken
    }

    /// Has the threads in this role finish their requests, stop their instances and end.
    pub(crate) fn drain(&self, role: Role, until: Instant) {
        self.state.pools.in_role(role).for_each(|(_, thread)| thread.tell(Message::Drain(until)));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let until = after(self.state.config.bounds.drain);
        for role in [Role::Worker, Role::Compute] {
            self.drain(role, until);
        }
    }
}

/// The instant after this duration. A duration that is too long for the clock gives an instant far in the future.
pub(crate) fn after(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365);
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now + FAR)
}
