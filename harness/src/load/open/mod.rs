//! An open loop: requests are sent when they are due, whatever became of earlier ones.
//!
//! A closed loop cannot tell what a slow server does to its users. Each of its
//! connections waits for an answer before it asks again, so a server that stalls is
//! hardly asked while it does: the few requests that are stuck count no more than the
//! thousands before, and those that would have come meanwhile are never sent. Gil Tene
//! calls this *coordinated omission*, as the load generator spares the server just when
//! it is slow ("How NOT to Measure Latency", Strange Loop 2015). Users do not know of
//! each other and keep coming.
//!
//! So here the instants at which requests are to be sent are fixed beforehand
//! ([`Schedule`]), and a latency counts from that intended instant, as in wrk2
//! (<https://github.com/giltene/wrk2>): a request that has to wait for a connection, or
//! for a generator that was late itself, has waited. The time from really sending is
//! kept beside it, to show what would have been hidden.
//!
//! What becomes of a request:
//!
//! - It is sent at once over a connection that is free. Connections are kept, are used
//!   in turn, and have one request at a time.
//! - If none is free, it waits ([`Queue`]). If the queue is full, it is *dropped*.
//! - After the last window, answers are waited for as long as the patience lasts. What
//!   has none by then is timed out, a fault.
//! - Nothing vanishes from the percentiles: [`OpenWindow::latency_at`] has all that was
//!   offered as its base.
//!
//! The load goes on to its end even if the server answers nothing: it lasts as long as
//! its windows and at most the patience.
//!
//! - [`schedule`]: when requests are due; [`timer`], which waits for that.
//! - [`queue`]: where they wait for a connection.
//! - [`ledger`] counts them; [`outcome`] is what comes out.

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
pub use schedule::Arrivals;
use schedule::Schedule;
use timer::Timer;

/// So many requests that are due already are sent before answers are looked for again,
/// where the generator has to catch up.
const BATCH: u32 = 16;

/// What is sent, to whom, and when.
#[derive(Clone, Debug)]
pub struct OpenLoad {
    /// The server.
    pub address: SocketAddr,
    /// The one request that is sent again and again.
    pub request: Wire,
    /// What makes an answer a right one.
    pub expected: Expected,
    /// Requests in a second.
    pub rate_per_s: NonZeroU64,
    /// How they are spread over it.
    pub arrivals: Arrivals,
    /// How many connections there are, at least one. All are opened beforehand.
    pub connections: usize,
    /// How many requests may wait for a connection. More are dropped.
    pub queue_max: usize,
    /// The windows, one after the other. A request is in the one that it was meant for.
    pub windows: Vec<Duration>,
    /// How long answers are waited for after the last window.
    pub patience: Duration,
    /// Whether this thread never sleeps. It then has to have a processor to itself, and
    /// sends within microseconds of the intended instant; else within the time that
    /// waking up takes.
    pub is_spinning: bool,
}

/// Runs a load on the calling thread. `at_boundary` is called when the first window
/// begins and whenever one ends, by the clock, to read other clocks at the same moment.
/// Answers that are still to come then are work of the next window.
pub fn run(load: &OpenLoad, at_boundary: impl FnMut()) -> Result<OpenOutcome> {
    block_on(generate(load, at_boundary))
}

/// Opens so many connections to one server.
pub(super) async fn connect(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    for number in 1..=count {
        let failed = || format!("connection {number} of {count} to {address} failed");
        streams.push(connection::open(address).await.with_context(failed)?);
    }
    Ok(streams)
}

/// What the connections and the one that knows when share.
struct Run<'a> {
    load: &'a OpenLoad,
    queue: Queue,
    ledger: RefCell<Ledger>,
    timer: Timer,
    began: Instant,
}

async fn generate(load: &OpenLoad, mut at_boundary: impl FnMut()) -> Result<OpenOutcome> {
    anyhow::ensure!(load.connections > 0, "a load needs a connection");
    let streams = connect(load.address, load.connections).await?;
    let queue = Queue::new(load.queue_max, load.connections);
    let ledger = RefCell::new(Ledger::new(&load.windows));
    let timer = Timer::new(load.is_spinning).context("the load generator's timer cannot be made")?;
    // Memory that connections need is taken before the clock starts.
    let receivers: Vec<_> = streams.iter().map(|_| Receiver::default()).collect();
    at_boundary();
    let run = Run { load, queue, ledger, timer, began: Instant::now() };
    let mut connections: FuturesUnordered<_> =
        streams.into_iter().zip(receivers).map(|(stream, receiver)| run.serve(stream, receiver)).collect();
    let pace = async {
        run.pace(&mut at_boundary).await?;
        run.timer.until(Instant::now() + load.patience).await
    };
    // What is due is handed out first, and sent by its connection in the same turn.
    tokio::select! {
        biased;
        ended = pace => ended.context("the load generator's timer")?,
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
        for end in ends {
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
            at_boundary();
        }
        self.queue.close();
        Ok(())
    }

    fn offer(&self, intended: Duration) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.offered(intended);
        if self.queue.offer(intended).is_err() {
            ledger.dropped(intended);
        }
    }

    /// One connection's loop. Where the server has closed it, it is opened again; where
    /// that fails, the request that it was meant for fails.
    async fn serve(&self, stream: TcpStream, mut receiver: Receiver) {
        // All give way once together, at the very beginning, so that the runtime's list of
        // those that do need not grow when all of them are busy for the first time.
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
            // As in the closed loop: answers that have come are read before anything more
            // is sent.
            tokio::task::yield_now().await;
        }
    }

    /// The next request for a connection, which is given up if the server closes it while
    /// it is idle.
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
        let Ticket { intended, is_waiting } = ticket;
        let sent = self.began.elapsed();
        self.ledger.borrow_mut().sent(intended, sent, is_waiting);
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

/// Ends when a connection that nothing was asked of is readable, which is its end.
async fn closed(stream: &TcpStream) {
    loop {
        let ready = stream.readable().await;
        let read = ready.and_then(|()| stream.try_read(&mut [0]));
        if !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            return;
        }
    }
}
