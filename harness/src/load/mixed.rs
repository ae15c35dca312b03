//! A closed loop over many functions: every request is for a function that is drawn anew, a few
//! of them often and most of them hardly ever.
//!
//! The popularity of the function of rank *k* is proportional to *k*^-*s* (Zipf's law).

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use hdrhistogram::Histogram;
use isolab_core::laps::nanoseconds;
use isolab_frontend::admin::api::INSTANCE;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Zipf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::closed::connection;
use super::exchange::{self, Answer, AnswerCheck};
use super::outcome::{Fault, Problems, histogram};
use super::{Expected, block_on, spin};
use crate::http1::{Receiver, Wire};

/// One function, as the load asks for it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The request.
    pub request: Wire,
    /// The expected answer.
    pub expected: Expected,
}

/// A mixed load to run.
#[derive(Clone, Debug)]
pub struct MixedLoad {
    /// The server, which must say which instance answered and how often it was used.
    pub address: SocketAddr,
    /// The functions by rank, the most popular first.
    pub targets: Vec<Target>,
    /// The exponent *s* of Zipf's law.
    pub exponent: f64,
    /// Decides the functions that are asked for.
    pub seed: u64,
    /// Number of connections.
    pub connections: usize,
    /// The lengths of the windows, one after the other. The first one is cold.
    pub windows: Vec<Duration>,
    /// How long to wait for answers after the last window.
    pub patience: Duration,
    /// Whether this thread never sleeps.
    pub is_spinning: bool,
}

/// One window of a mixed load.
#[derive(Clone, Debug)]
pub struct MixedWindow {
    /// From the answer before the first to the last.
    pub duration: Duration,
    /// Right answers.
    pub responses: u64,
    /// Of these, first answers of an instance.
    pub cold: u64,
    /// Different functions that answered.
    pub functions: u64,
    /// From sending a request to its complete answer, in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// The same for first answers of an instance.
    pub cold_latency_ns: Histogram<u64>,
}

/// All windows of a mixed load.
#[derive(Clone, Debug)]
pub struct MixedOutcome {
    /// The windows that were finished, in order.
    pub windows: Vec<MixedWindow>,
    /// Everything that went wrong.
    pub problems: Problems,
}

/// Runs a load on the calling thread. `at_boundary` is called when the first window begins and
/// whenever one ends.
///
/// # Errors
/// If a connection cannot be opened, or there is no function.
pub fn run(load: &MixedLoad, at_boundary: impl FnMut()) -> Result<MixedOutcome> {
    block_on(generate(load, at_boundary))
}

async fn generate(load: &MixedLoad, at_boundary: impl FnMut()) -> Result<MixedOutcome> {
    let popularity = Zipf::new(load.targets.len() as f64, load.exponent)
        .with_context(|| format!("no popularity of {} functions", load.targets.len()))?;
    let streams = super::open::connect(load.address, load.connections).await?;
    let state = RefCell::new(Mix::begin(load, popularity, at_boundary));
    let connections = join_all(streams.into_iter().map(|stream| drive(load, stream, &state)));
    let longest = load.windows.iter().sum::<Duration>() + load.patience;
    let is_over = tokio::select! {
        _ = connections => false,
        () = tokio::time::sleep(longest) => true,
        () = spin(), if load.is_spinning => unreachable!("spinning never ends"),
    };
    let mut state = state.into_inner();
    if is_over {
        let reason = || format!("no answer within {:?}", load.patience);
        state.problems.add(Fault::TimedOut, load.connections as u64, reason);
    }
    Ok(MixedOutcome { windows: state.windows, problems: state.problems })
}

/// The common state of the connections.
struct Mix<'a, F> {
    load: &'a MixedLoad,
    popularity: Zipf<f64>,
    random: StdRng,
    windows: Vec<MixedWindow>,
    open: MixedWindow,
    has_answered: Vec<bool>,
    began: Instant,
    problems: Problems,
    at_boundary: F,
}

impl<'a, F: FnMut()> Mix<'a, F> {
    fn begin(load: &'a MixedLoad, popularity: Zipf<f64>, mut at_boundary: F) -> Self {
        at_boundary();
        Self {
            load,
            popularity,
            random: StdRng::seed_from_u64(load.seed),
            windows: Vec::with_capacity(load.windows.len()),
            open: MixedWindow::empty(),
            has_answered: vec![false; load.targets.len()],
            began: Instant::now(),
            problems: Problems::default(),
            at_boundary,
        }
    }

    fn is_open(&self) -> bool {
        self.windows.len() < self.load.windows.len()
    }

    /// The rank of the next function, counted from 0.
    fn draw(&mut self) -> usize {
        let rank = self.popularity.sample(&mut self.random) as usize;
        rank.clamp(1, self.load.targets.len()) - 1
    }

    fn right(&mut self, rank: usize, is_cold: bool, latency: Duration, now: Instant, differs: bool) {
        if !self.is_open() {
            return;
        }
        let latency_ns = nanoseconds(latency);
        self.open.responses += 1;
        self.open.latency_ns.saturating_record(latency_ns);
        if is_cold {
            self.open.cold += 1;
            self.open.cold_latency_ns.saturating_record(latency_ns);
        }
        self.open.functions += u64::from(!std::mem::replace(&mut self.has_answered[rank], true));
        self.problems.differing += u64::from(differs);
        let duration = now.duration_since(self.began);
        if duration >= self.load.windows[self.windows.len()] {
            self.open.duration = duration;
            self.windows.push(std::mem::replace(&mut self.open, MixedWindow::empty()));
            self.has_answered.fill(false);
            self.began = now;
            (self.at_boundary)();
        }
    }
}

impl MixedWindow {
    fn empty() -> Self {
        Self {
            duration: Duration::ZERO,
            responses: 0,
            cold: 0,
            functions: 0,
            latency_ns: histogram(),
            cold_latency_ns: histogram(),
        }
    }
}

async fn drive<F: FnMut()>(load: &MixedLoad, mut stream: TcpStream, state: &RefCell<Mix<'_, F>>) {
    let mut receiver = Receiver::default();
    while state.borrow().is_open() {
        let rank = state.borrow_mut().draw();
        let Target { request, expected } = &load.targets[rank];
        let sent = Instant::now();
        let (answer, is_cold) = ask(&mut stream, &mut receiver, request).await;
        let now = Instant::now();
        let keep_alive = answer.as_ref().is_ok_and(|head| head.keep_alive);
        match exchange::check(expected, &answer, receiver.body()) {
            AnswerCheck::Right { differs } => {
                state.borrow_mut().right(rank, is_cold, now.duration_since(sent), now, differs);
            }
            AnswerCheck::Faulty(fault) => {
                let reason = || exchange::reason(expected, &answer, receiver.body());
                state.borrow_mut().problems.add(fault, 1, reason);
                // One fault fails the cell; more of them would tell no more.
                return;
            }
        }
        if !keep_alive {
            match connection::open(load.address).await {
                Ok(opened) => stream = opened,
                Err(error) => {
                    state.borrow_mut().problems.add(Fault::Transfer, 1, || error.to_string());
                    return;
                }
            }
        }
        // Read the answers of other connections before sending more.
        tokio::task::yield_now().await;
    }
}

/// Sends a request; its answer, and whether it is its instance's first.
async fn ask(stream: &mut TcpStream, receiver: &mut Receiver, wire: &Wire) -> (Answer, bool) {
    let mut is_cold = false;
    let answer = async {
        stream.write_all(&wire.bytes).await?;
        receiver.reset();
        loop {
            let read = stream.read(receiver.space()).await?;
            let head = receiver.advance(read, &wire.method, |name, value| {
                is_cold |= name.eq_ignore_ascii_case(INSTANCE.as_str()) && value.ends_with(b";uses=1");
            });
            let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            if let Some(head) = head.map_err(invalid)? {
                return Ok(head);
            }
        }
    }
    .await;
    (answer, is_cold)
}
