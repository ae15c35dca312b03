//! The clock: the only place that calls the four phases and times them.
//!
//! Executors never measure themselves. The server, `isolab invoke` and the bench `phases`
//! call `prepare`, `start`, `invoke` and `stop` through here. Only the conformance suite,
//! which times nothing, calls an executor itself.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use isolab_core::{
    Error, Executor, Function, Instance, Laps, Memory, Outside, Prepared, Request, Response, Streams, Variant,
};

use crate::bill::Billing;
use crate::bill::Time;
use crate::bill::ledger::{Ended, Ledger};
use crate::bill::meter::{Account, Metered, Polls};
pub use crate::bill::{Bill, Outside as OutsideUsage, Peak, Usage};
use crate::pace::Held;

/// The result of a phase, and how long the phase took. A failed phase is timed as well.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// The result.
    pub value: T,
    /// Wall-clock time from the phase's beginning to its end.
    pub duration: Duration,
    /// The laps that the executor marked, and when the phase began.
    pub laps: Laps,
    /// The part of `duration` in which no code of the phase ran on this thread: it waited for a
    /// timer, another process or host, or for its turn on the thread.
    pub waited: Duration,
    /// CPU time and page faults of the thread during the phase, if the phase is metered.
    pub usage: Option<Usage>,
    /// The longest time for which the phase held its thread.
    longest_poll: Duration,
}

impl<T> Timed<T> {
    pub(crate) fn held(&self) -> Held {
        Held { longest: self.longest_poll, cpu: self.usage.map(|usage| Duration::from_nanos(usage.cpu_ns)) }
    }
}

/// Times one phase, from [`Clock::begin`] to [`Clock::end`], and meters it if that is asked for.
pub(crate) struct Clock {
    pub(crate) laps: Laps,
    polls: Polls,
    account: Option<Account>,
}

impl Clock {
    pub(crate) fn begin(is_metered: bool) -> Self {
        let laps = Laps::begin();
        let polls = Polls::begin(laps.begun());
        let account = is_metered.then(|| Account::begin(laps.begun()));
        Self { laps, polls, account }
    }

    /// When the phase ended; now if it has not.
    fn ended(&self) -> Instant {
        self.account.as_ref().and_then(|account| account.known).unwrap_or_else(Instant::now)
    }

    pub(crate) fn end(&self) -> Duration {
        self.ended().duration_since(self.laps.begun())
    }

    /// How long the phase waited, so far.
    pub(crate) fn waited(&self) -> Duration {
        self.polls.waited
    }

    /// How long the phase held its thread. It must have taken `duration`.
    pub(crate) fn held(&self, duration: Duration) -> Held {
        let is_single = self.polls.is_single();
        Held {
            longest: if is_single { duration } else { self.polls.longest(self.laps.begun() + duration) },
            cpu: self.usage().map(|usage| Duration::from_nanos(usage.cpu_ns)),
        }
    }

    /// Usage of this thread during the phase, if it is metered.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.account.as_ref().map(|account| account.usage)
    }

    fn timed<T>(self, value: T) -> Timed<T> {
        let duration = self.end();
        let (longest_poll, waited) = (self.held(duration).longest, self.waited());
        Timed { duration, waited, longest_poll, usage: self.usage(), value, laps: self.laps }
    }
}

impl<T, E> Timed<Result<T, E>> {
    /// Turns the value inside out, for callers that only need the time of a success.
    pub fn transpose(self) -> Result<Timed<T>, E> {
        let Self { value, duration, laps, waited, usage, longest_poll } = self;
        value.map(|value| Timed { value, duration, laps, waited, usage, longest_poll })
    }
}

/// Makes the artifact of a variant. May compute for seconds on the calling thread.
pub async fn prepare(
    executor: &dyn Executor,
    function: &Function,
    variant: Variant,
) -> Timed<Result<Arc<dyn Prepared>, Error>> {
    let mut clock = Clock::begin(false);
    let value = executor.prepare(function, variant, &mut clock.laps).await;
    clock.timed(value)
}

/// An invocation that has begun.
pub(crate) type Answering<'a> = Metered<'a, Pin<Box<dyn Future<Output = Result<Response, Error>> + 'a>>>;

/// An invocation with streams that has begun.
pub(crate) type Streaming<'a> =
    Metered<'a, Pin<Box<dyn Future<Output = Result<Option<Response>, Error>> + 'a>>>;

/// A live instance, its identity, and how often it has been used.
pub struct Live {
    id: u64,
    uses: Cell<u64>,
    instance: Box<dyn Instance>,
    /// From the first bill on. Boxed, because most instances have none.
    ledger: RefCell<Option<Box<Ledger>>>,
}

impl Live {
    /// Starts an instance. Its id is unique in this process.
    pub async fn start(prepared: &dyn Prepared) -> Timed<Result<Self, Error>> {
        Self::start_as(false, prepared).await
    }

    /// As [`Live::start`], with the thread's usage.
    pub async fn start_billed(prepared: &dyn Prepared) -> Timed<Result<Self, Error>> {
        Self::start_as(true, prepared).await
    }

    pub(crate) async fn start_as(is_metered: bool, prepared: &dyn Prepared) -> Timed<Result<Self, Error>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);

        let mut clock = Clock::begin(is_metered);
        let Clock { laps, polls, account } = &mut clock;
        let started = Metered { future: prepared.start(laps), polls, account: account.as_mut() }.await;
        let live = started.map(|instance| {
            let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
            Self { id, uses: Cell::new(0), instance, ledger: RefCell::default() }
        });
        clock.timed(live)
    }

    /// Has the instance answer one request. After an error that does not spare it, it may only be
    /// stopped.
    pub async fn invoke(&self, request: Request) -> Timed<Result<Response, Error>> {
        let mut clock = Clock::begin(false);
        let value = self.invoke_on(&mut clock, request).await;
        clock.timed(value)
    }

    /// As [`Live::invoke`], with the bill. It contains the start if `started` is its usage.
    pub async fn invoke_billed(
        &self,
        request: Request,
        started: Option<Usage>,
    ) -> (Timed<Result<Response, Error>>, Bill) {
        let billing = Billing { is_asked: true, is_constant: false };
        self.begin_bill(billing);
        let mut clock = Clock::begin(true);
        let value = self.invoke_on(&mut clock, request).await;
        let bill = self.end_bill(billing, &clock, started, value.is_ok());
        (clock.timed(value), bill)
    }

    /// As [`Live::invoke`], for the server: moving a [`Timed`] would cost every request.
    pub(crate) fn invoke_on<'a>(&'a self, clock: &'a mut Clock, request: Request) -> Answering<'a> {
        self.uses.set(self.uses.get() + 1);
        let Clock { laps, polls, account } = clock;
        Metered { future: self.instance.invoke(request, laps), polls, account: account.as_mut() }
    }

    /// As [`Live::invoke_on`], with streams.
    pub(crate) fn stream_on<'a>(
        &'a self,
        clock: &'a mut Clock,
        request: Request,
        streams: Streams,
    ) -> Streaming<'a> {
        self.uses.set(self.uses.get() + 1);
        let Clock { laps, polls, account } = clock;
        Metered { future: self.instance.stream(request, streams, laps), polls, account: account.as_mut() }
    }

    /// Before an invocation that is billed.
    pub(crate) fn begin_bill(&self, billing: Billing) {
        let (mut ledger, uses) = (self.ledger.borrow_mut(), self.uses.get());
        let ledger = ledger.get_or_insert_with(|| Box::new(Ledger::open(&self.instance.outside(), uses)));
        ledger.begin(&*self.instance, billing, uses);
    }

    /// The bill of the invocation on this clock. [`Live::begin_bill`] must have come before.
    pub(crate) fn end_bill(
        &self,
        billing: Billing,
        clock: &Clock,
        started: Option<Usage>,
        has_answered: bool,
    ) -> Bill {
        let mut ledger = self.ledger.borrow_mut();
        let ledger = ledger.as_mut().expect("a bill is begun before it ends");
        let mut thread = started.unwrap_or_default();
        thread += clock.usage().unwrap_or_default();
        let ended = Ended { uses: self.uses.get(), has_answered, now: clock.ended() };
        let time = Time { wall: clock.end(), waited: clock.waited() };
        ledger.end(&*self.instance, billing, (thread, time), ended)
    }

    /// Whether the instance has had a bill.
    pub(crate) fn is_billed(&self) -> bool {
        self.ledger.borrow().is_some()
    }

    /// The usage outside of this process that no bill has shown.
    pub(crate) fn close_bill(&self) -> Usage {
        self.ledger.take().map_or_else(Usage::default, |ledger| ledger.close())
    }

    /// Ends the instance.
    pub async fn stop(self) -> Timed<Result<(), Error>> {
        self.stop_as(false).await
    }

    pub(crate) async fn stop_as(self, is_metered: bool) -> Timed<Result<(), Error>> {
        let mut clock = Clock::begin(is_metered);
        let Clock { laps, polls, account } = &mut clock;
        let value = Metered { future: self.instance.stop(laps), polls, account: account.as_mut() }.await;
        clock.timed(value)
    }

    /// Unique in this process, counted from 1 in the order of starting.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How often the instance has been invoked, failures included.
    pub fn uses(&self) -> u64 {
        self.uses.get()
    }

    /// The instance's memory, as the model knows it.
    pub fn memory(&self) -> Memory {
        self.instance.memory()
    }

    /// The parts of the instance that lie outside of this process.
    pub fn outside(&self) -> Outside {
        self.instance.outside()
    }
}
