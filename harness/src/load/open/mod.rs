//! The open loop: requests are sent when they are due, whether or not earlier ones were
//! answered.
//!
//! A closed loop hides what a slow server does to its users. Each connection waits for an
//! answer before it sends again, so a server that stalls gets hardly any requests while it
//! stalls: the few that are stuck weigh no more than the thousands before, and those that
//! users would have sent meanwhile are never sent. Gil Tene calls this *coordinated omission*,
//! because the load generator spares the server just when it is slow ("How NOT to Measure
//! Latency", Strange Loop 2015). Real users do not know of each other, and keep coming.
//!
//! An open loop therefore fixes the instants of all requests beforehand ([`Schedule`]), and
//! a latency counts from that intended instant, as in wrk2
//! (<https://github.com/giltene/wrk2>). A request that waits for a connection, or for a late
//! load generator, has waited. The time from the real sending is kept beside it, to show what
//! a closed loop would have hidden.
//!
//! A request ends in one of these ways:
//!
//! - It is sent at once over a free connection. Connections are kept open, are used in turn,
//!   and carry one request at a time.
//! - If no connection is free, it waits in the [`Queue`]. If the queue is full, it is
//!   *dropped*.
//! - After the last window, the load waits for answers as long as its patience. A request
//!   without an answer by then has timed out, which is a fault.
//! - No request vanishes from the percentiles: [`OpenWindow::latency_at`] counts all that
//!   were offered.
//!
//! The generator itself can be late: another process takes its processor, or the rate is more
//! than it can send. [`OpenWindow`] keeps its own lateness apart from waiting for the server, and
//! [`Validity`](isolab_reports::figures::Validity) says when a window is no longer valid because of
//! it.
//!
//! The load runs to its end even if the server answers nothing. It lasts as long as its
//! windows, and at most its patience longer.
//!
//! - [`schedule`]: when requests are due; [`timer`]: waiting for that instant.
//! - [`queue`]: where requests wait for a connection.
//! - [`ledger`]: what happened to each request; [`outcome`]: the result.

pub mod ledger;
pub mod outcome;
pub mod queue;
pub mod schedule;
pub mod timer;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use super::closed::connection;
use super::{Expected, Fault, block_on, exchange};
use crate::http1::{Receiver, Wire};
use ledger::{Ledger, Times};
pub use outcome::{LATE, OpenOutcome, OpenWindow};
use queue::{Queue, Ticket};
use schedule::Schedule;
pub use schedule::{Arrivals, Spread};
use timer::Timer;

/// A generator that is behind sends this many due requests before it looks for answers again.
const BATCH: u32 = 16;

/// An open loop to run.
#[derive(Clone, Debug)]
pub struct OpenLoad {
    /// The server.
    pub address: SocketAddr,
    /// The one request that all connections send.
    pub request: Wire,
    /// The expected answer.
    pub expected: Expected,
    /// Requests per second.
    pub rate_per_s: NonZeroU64,
    /// The intervals between requests.
    pub arrivals: Arrivals,
    /// Number of connections, at least one. All are opened before the load begins.
    pub connections: usize,
    /// How many requests may wait for a connection. Further ones are dropped.
    pub queue_max: usize,
    /// The lengths of the windows, one after the other. A request belongs to the window in which
    /// it was due.
    pub windows: Vec<Duration>,
    /// How long to wait for answers after the last window.
    pub patience: Duration,
    /// Whether this thread never sleeps. It then needs a processor to itself, and sends within
    /// microseconds of the intended instant; otherwise it is late by the time that waking up
    /// takes.
    pub is_spinning: bool,
}

/// Runs a load on the calling thread. `at_boundary` is called when the first window
/// begins and whenever one ends, by the clock, to read other clocks at the same moment.
/// Answers that come after a window's end are work of the next window.
///
/// # Errors
/// If a connection cannot be opened, or the timer fails.
pub fn run(load: &OpenLoad, at_boundary: impl FnMut()) -> Result<OpenOutcome> {
    block_on(generate(load, at_boundary))
}

/// Opens connections to one server.
pub(super) async fn connect(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for number in 1..=count {
        let failed = || format!("connection {number} of {count} to {address} failed");
        streams.push(connection::open(address).await.with_context(failed)?);
    }
    Ok(streams)
}

/// The common state of the pacing and the connections.
struct Run<'a> {
    load: &'a OpenLoad,
    queue: Queue,
    ledger: RefCell<Ledger>,
    timer: Timer,
    began: Instant,
}

async fn generate(load: &OpenLoad, mut at_boundary: impl FnMut()) -> Result<OpenOutcome> {
    anyhow::ensure!(load.connections > 0, "a load needs at least one connection");
    let streams = connect(load.address, load.connections).await?;
    let queue = Queue::new(load.queue_max, load.connections);
    let ledger = RefCell::new(Ledger::new(&load.windows));
    let timer = Timer::new(load.is_spinning).context("cannot make the timer of the load generator")?;
    // Allocated before the clock starts.
    let receivers: Vec<_> = streams.iter().map(|_| Receiver::default()).collect();
    at_boundary();
    let run = Run { load, queue, ledger, timer, began: Instant::now() };
    let mut connections: FuturesUnordered<_> =
        streams.into_iter().zip(receivers).map(|(stream, receiver)| run.serve(stream, receiver)).collect();
    let pace = async {
        run.pace(&mut at_boundary).await?;
        run.timer.until(Instant::now() + load.patience).await
    };
    // Requests that are due come first; their connections send them in the same turn.
    tokio::select! {
        biased;
        ended = pace => ended.context("the timer of the load generator failed")?,
        () = async { while connections.next().await.is_some() {} } => {}
    }
    drop(connections);
    Ok(run.ledger.into_inner().close(load.patience))
}

impl Run<'_> {
    /// Hands out each request when it is due, until the last window is over.
    async fn pace(&self, at_boundary: &mut impl FnMut()) -> io::Result<()> {
        let mut schedule = Schedule::new(self.load.rate_per_s, self.load.arrivals).peekable();
        let ends = self.ledger.borrow().ends().to_vec();
        for (index, end) in ends.into_iter().enumerate() {
            let mut behind = 0;
            while let Some(intended) = schedule.next_if(|intended| *intended < end) {
                let due = self.began + intended;
                if Instant::now() < due {
                    self.timer.until(due).await?;
                    behind = 0;
                } else {
                    behind += 1;
                    if behind % BATCH == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                self.offer(intended);
            }
            self.timer.until(self.began + end).await?;
            self.ledger.borrow_mut().ends_window(index);
            at_boundary();
        }
        self.queue.close();
        Ok(())
    }

    fn offer(&self, intended: Duration) {
        let handed = self.began.elapsed();
        let mut ledger = self.ledger.borrow_mut();
        ledger.offered(intended);
        if self.queue.offer(intended, handed).is_err() {
            ledger.dropped(intended, handed);
        }
    }

    /// One connection's loop. It opens the connection again when the server has closed it; if
    /// that fails, so does the next request.
    async fn serve(&self, stream: TcpStream, mut receiver: Receiver) {
        // All connections yield once at the very beginning, so that the runtime's list of
        // yielding tasks has grown before the clock matters.
        tokio::task::yield_now().await;
        let mut stream = Some(stream);
        while let Some(ticket) = self.next(&mut stream).await {
            let opened = match stream.take() {
                Some(open) => Ok(open),
                None => connection::open(self.load.address).await,
            };
            let keep_alive = match opened {
                Ok(open) => self.ask(stream.insert(open), &mut receiver, ticket).await,
                Err(error) => {
                    let reason = || error.to_string();
                    self.ledger.borrow_mut().fault(Fault::Transfer, ticket.intended, reason);
                    continue;
                }
            };
            if !keep_alive {
                stream = connection::open(self.load.address).await.ok();
            }
            // As in the closed loop: read answers before sending more.
            tokio::task::yield_now().await;
        }
    }

    /// The next request for a connection. The connection is given up if the server closes it
    /// while it is idle.
    async fn next(&self, stream: &mut Option<TcpStream>) -> Option<Ticket> {
        let mut ticket = std::pin::pin!(self.queue.take());
        loop {
            let Some(idle) = stream.as_ref() else { return ticket.await };
            tokio::select! {
                biased;
                () = closed(idle) => *stream = None,
                ticket = &mut ticket => return ticket,
            }
        }
    }

    /// Sends one request and counts its answer. Returns whether the connection can be
    /// used again.
    async fn ask(&self, stream: &mut TcpStream, receiver: &mut Receiver, ticket: Ticket) -> bool {
        let intended = ticket.intended;
        let sent = self.began.elapsed();
        self.ledger.borrow_mut().sent(ticket, sent);
        let answer = exchange::exchange(stream, receiver, &self.load.request).await;
        let times = Times { intended, sent, answered: self.began.elapsed() };
        let mut ledger = self.ledger.borrow_mut();
        match exchange::check(&self.load.expected, &answer, receiver.body()) {
            exchange::AnswerCheck::Right { differs } => ledger.right(times, differs),
            exchange::AnswerCheck::Faulty(fault) => ledger
                .fault(fault, intended, || exchange::reason(&self.load.expected, &answer, receiver.body())),
        }
        answer.is_ok_and(|head| head.keep_alive)
    }
}

/// Ends when an idle connection becomes readable: the server has closed it.
async fn closed(stream: &TcpStream) {
    loop {
        let ready = stream.readable().await;
        let read = ready.and_then(|()| stream.try_read(&mut [0]));
        if !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            return;
        }
    }
}
