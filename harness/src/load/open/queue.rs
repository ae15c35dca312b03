//! Requests that wait for a connection, and connections that wait for a request.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::Notify;

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// When it was due, since the load's beginning.
    pub intended: Duration,
    /// When the generator handed it to a connection or to the queue.
    pub handed: Duration,
    /// Whether no connection was free at that moment.
    pub is_waiting: bool,
}

/// There is neither a free connection nor a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The queue between the pacing and the connections, all on one thread.
pub struct Queue {
    line: RefCell<Line>,
    filled: Notify,
}

struct Line {
    tickets: VecDeque<Ticket>,
    free: usize,
    waiting_max: usize,
    is_closed: bool,
}

impl Queue {
    /// At most `waiting_max` requests wait for one of `connections`. Allocates for all of them.
    pub fn new(waiting_max: usize, connections: usize) -> Self {
        let tickets = VecDeque::with_capacity(waiting_max.saturating_add(connections));
        let line = Line { tickets, free: 0, waiting_max, is_closed: false };
        Self { line: RefCell::new(line), filled: Notify::new() }
    }

    /// Hands a request to a free connection, or lets it wait.
    pub fn offer(&self, intended: Duration, handed: Duration) -> Result<(), Full> {
        let mut line = self.line.borrow_mut();
        // Requests for which a free connection has been woken do not wait.
        let ahead = line.tickets.len();
        if ahead >= line.free.saturating_add(line.waiting_max) {
            return Err(Full);
        }
        let is_waiting = ahead >= line.free;
        line.tickets.push_back(Ticket { intended, handed, is_waiting });
        self.filled.notify_one();
        Ok(())
    }

    /// Ends the offers.
    pub fn close(&self) {
        self.line.borrow_mut().is_closed = true;
        self.filled.notify_waiters();
    }

    /// Waits for the next request; none once the queue is closed and empty.
    pub async fn take(&self) -> Option<Ticket> {
        loop {
            {
                let mut line = self.line.borrow_mut();
                let ticket = line.tickets.pop_front();
                if ticket.is_some() || line.is_closed {
                    return ticket;
                }
            }
            let _free = Free::count(&self.line);
            self.filled.notified().await;
        }
    }
}

/// One more connection is free as long as this lives, even if its future is dropped.
struct Free<'a>(&'a RefCell<Line>);

impl<'a> Free<'a> {
    fn count(line: &'a RefCell<Line>) -> Self {
        line.borrow_mut().free += 1;
        Self(line)
    }
}

impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().free -= 1;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use futures_util::{FutureExt, poll};

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn more_than_the_bound_does_not_wait() {
        let queue = Queue::new(2, 1);
        assert_eq!([0, 1, 2].map(|at| queue.offer(ms(at), ms(at))), [Ok(()), Ok(()), Err(Full)]);
        let first = queue.take().now_or_never().flatten();
        assert_eq!(first, Some(Ticket { intended: ms(0), handed: ms(0), is_waiting: true }));
        assert_eq!([3, 4].map(|at| queue.offer(ms(at), ms(at))), [Ok(()), Err(Full)]);
        queue.close();
        let rest: Vec<_> =
            std::iter::from_fn(|| queue.take().now_or_never().flatten()).map(|it| it.intended).collect();
        assert_eq!(rest, [ms(1), ms(3)], "the queue keeps its order");
    }

    #[tokio::test]
    async fn a_free_connection_needs_no_place_in_the_queue() {
        let queue = Queue::new(0, 2);
        let mut takes = std::pin::pin!(join(queue.take(), queue.take()));
        assert!(poll!(takes.as_mut()).is_pending());
        assert_eq!([0, 1, 2].map(|at| queue.offer(ms(at), ms(at))), [Ok(()), Ok(()), Err(Full)]);
        let (first, second) = takes.await;
        let ticket = |at| Some(Ticket { intended: ms(at), handed: ms(at), is_waiting: false });
        assert_eq!((first, second), (ticket(0), ticket(1)));
        assert_eq!(queue.offer(ms(3), ms(3)), Err(Full), "both are busy");
    }

    #[tokio::test]
    async fn a_connection_that_stops_waiting_is_not_free() {
        let queue = Queue::new(0, 1);
        {
            let mut take = std::pin::pin!(queue.take());
            assert!(poll!(take.as_mut()).is_pending());
        }
        assert_eq!(queue.offer(ms(0), ms(0)), Err(Full));
        let mut take = std::pin::pin!(queue.take());
        assert!(poll!(take.as_mut()).is_pending());
        queue.close();
        assert_eq!(take.await, None);
    }
}
