//! A burst: many requests at once to an idle server.
//!
//! Each request has a connection of its own, opened before the burst: accepting connections
//! is not measured. All requests are due when the burst begins, so every latency counts from
//! that instant. [`BurstOutcome::sending`] says how much later the last request was sent.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use http::StatusCode;
use isolab_core::laps::nanoseconds;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::open::{self, outcome as open_outcome};
use super::outcome::{Fault, Problems, histogram};
use super::{Expected, block_on, exchange, spin};
use crate::http1::{Receiver, Wire};

/// A burst to run.
#[derive(Clone, Debug)]
pub struct Burst {
    /// The server.
    pub address: SocketAddr,
    /// The request.
    pub request: Wire,
    /// The expected answer.
    pub expected: Expected,
    /// Number of requests, each over a connection of its own.
    pub requests: usize,
    /// How long the connections stay idle after the last was opened: the server must accept all of
    /// them in this time.
    pub idle: Duration,
    /// How long to wait for answers.
    pub patience: Duration,
    /// Whether this thread polls for answers and never sleeps. It then needs a processor to
    /// itself.
    pub is_spinning: bool,
}

/// The result of a burst. `requests` is the sum of `responses`, `refused` and all faults.
#[derive(Clone, Debug)]
pub struct BurstOutcome {
    /// Requests that were sent.
    pub requests: u64,
    /// Right answers.
    pub responses: u64,
    /// Answers with an unexpected status 503: the server had no capacity.
    pub refused: u64,
    /// Other problems.
    pub problems: Problems,
    /// From the beginning to the last answer, right or not.
    pub duration: Duration,
    /// From the beginning until the last request was sent.
    pub sending: Duration,
    /// From the beginning to the complete answer, for right answers, in nanoseconds.
    pub latency_ns: Histogram<u64>,
}

impl BurstOutcome {
    fn new(requests: usize) -> Self {
        Self {
            requests: requests as u64,
            responses: 0,
            refused: 0,
            problems: Problems::default(),
            duration: Duration::ZERO,
            sending: Duration::ZERO,
            latency_ns: histogram(),
        }
    }

    /// This quantile of the latency over *all* requests, in nanoseconds. A request without a
    /// right answer counts as slower than every answer; a quantile among those has no value.
    pub fn latency_at(&self, quantile: f64) -> Option<u64> {
        open_outcome::at(&self.latency_ns, self.requests, quantile)
    }

    /// The outcome. Refused requests are not faults.
    ///
    /// # Errors
    /// If there was a fault.
    pub fn faultless(self) -> Result<Self> {
        self.problems.faultless("in a burst").map(|()| self)
    }

    fn answer(&mut self, expected: &Expected, answer: &exchange::Answer, body: &[u8], since: Duration) {
        self.duration = since;
        match exchange::check(expected, answer, body) {
            exchange::AnswerCheck::Right { differs } => {
                self.responses += 1;
                self.problems.differing += u64::from(differs);
                self.latency_ns.saturating_record(nanoseconds(since));
            }
            exchange::AnswerCheck::Faulty(Fault::Status) if is_refusal(answer) => self.refused += 1,
            exchange::AnswerCheck::Faulty(fault) => {
                self.problems.add(fault, 1, || exchange::reason(expected, answer, body));
            }
        }
    }

    fn give_up(&mut self, patience: Duration) {
        let outstanding = self.requests - self.responses - self.refused - self.problems.faults.total();
        if outstanding > 0 {
            self.problems.add(Fault::TimedOut, outstanding, || format!("no answer within {patience:?}"));
        }
    }
}

fn is_refusal(answer: &exchange::Answer) -> bool {
    answer.as_ref().is_ok_and(|head| head.status == StatusCode::SERVICE_UNAVAILABLE.as_u16())
}

/// Opens the connections, waits, and runs the burst on the calling thread.
///
/// # Errors
/// If a connection cannot be opened.
pub fn run(burst: &Burst) -> Result<BurstOutcome> {
    block_on(generate(burst))
}

async fn generate(burst: &Burst) -> Result<BurstOutcome> {
    anyhow::ensure!(burst.requests > 0, "a burst needs at least one request");
    let streams = open::connect(burst.address, burst.requests).await?;
    let receivers: Vec<_> = streams.iter().map(|_| Receiver::default()).collect();
    let outcome = RefCell::new(BurstOutcome::new(burst.requests));
    let mut written = Vec::with_capacity(burst.requests);
    tokio::time::sleep(burst.idle).await;

    let began = Instant::now();
    // Send all requests before reading any answer. A request larger than the kernel's buffer
    // is finished later.
    written.extend(streams.iter().map(|stream| match stream.try_write(&burst.request.bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }));
    outcome.borrow_mut().sending = began.elapsed();
    let mut answers: FuturesUnordered<_> = streams
        .into_iter()
        .zip(receivers)
        .zip(written)
        .map(|((stream, receiver), written)| finish(burst, stream, receiver, written, began, &outcome))
        .collect();
    tokio::select! {
        () = async { while answers.next().await.is_some() {} } => {}
        () = tokio::time::sleep(burst.patience) => {}
        () = spin(), if burst.is_spinning => unreachable!("spinning never ends"),
    }
    drop(answers);
    let mut outcome = outcome.into_inner();
    outcome.give_up(burst.patience);
    Ok(outcome)
}

/// Sends the rest of one request, and counts its answer.
async fn finish(
    burst: &Burst,
    mut stream: TcpStream,
    mut receiver: Receiver,
    written: io::Result<usize>,
    began: Instant,
    outcome: &RefCell<BurstOutcome>,
) {
    let request = &burst.request;
    let answer = async {
        let rest = &request.bytes[written?..];
        if !rest.is_empty() {
            stream.write_all(rest).await?;
            let mut outcome = outcome.borrow_mut();
            outcome.sending = outcome.sending.max(began.elapsed());
        }
        exchange::receive(&mut stream, &mut receiver, request).await
    }
    .await;
    let since = began.elapsed();
    outcome.borrow_mut().answer(&burst.expected, &answer, receiver.body(), since);
}
