//! The clock: the only place that calls the four phases and times them.
//!
//! Executors never measure themselves. The server, `isolab invoke` and the bench `phases`
//! call `prepare`, `start`, `invoke` and `stop` through here. Only the conformance suite,
//! which times nothing, calls an executor itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isolab_core::{
    Error, Executor, Function, Instance, Laps, Memory, Outside, Prepared, Request, Response, Variant,
};

/// The result of a phase, and how long the phase took. A failed phase is timed as well.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// The result.
    pub value: T,
    /// Wall-clock time from the phase's beginning to its end.
    pub duration: Duration,
    /// The laps that the executor marked, and when the phase began.
    pub laps: Laps,
}

/// Times one phase, from [`Clock::begin`] to [`Clock::end`].
pub(crate) struct Clock {
    pub(crate) laps: Laps,
}

impl Clock {
    pub(crate) fn begin() -> Self {
        Self { laps: Laps::begin() }
    }

    pub(crate) fn end(&self) -> Duration {
        self.laps.begun().elapsed()
    }

    fn timed<T>(self, value: T) -> Timed<T> {
        Timed { duration: self.end(), value, laps: self.laps }
    }
}

impl<T, E> Timed<Result<T, E>> {
    /// Turns the value inside out, for callers that only need the time of a success.
    pub fn transpose(self) -> Result<Timed<T>, E> {
        let Self { value, duration, laps } = self;
        value.map(|value| Timed { value, duration, laps })
    }
}

/// Makes the artifact of a variant. May compute for seconds on the calling thread.
pub async fn prepare(
    executor: &dyn Executor,
    function: &Function,
    variant: Variant,
) -> Timed<Result<Arc<dyn Prepared>, Error>> {
    let mut clock = Clock::begin();
    let value = executor.prepare(function, variant, &mut clock.laps).await;
    clock.timed(value)
}

/// An invocation that has begun.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + 'a>>;

/// A live instance, its identity, and how often it has been used.
pub struct Live {
    id: u64,
    uses: u64,
    instance: Box<dyn Instance>,
}

impl Live {
    /// Starts an instance. Its id is unique in this process.
    pub async fn start(prepared: &dyn Prepared) -> Timed<Result<Self, Error>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);

        let mut clock = Clock::begin();
        let started = prepared.start(&mut clock.laps).await;
        let Timed { value, duration, laps } = clock.timed(started);
        let id = || NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Timed { value: value.map(|instance| Self { id: id(), uses: 0, instance }), duration, laps }
    }

    /// Has the instance answer one request. After an error it may only be stopped.
    pub async fn invoke(&mut self, request: Request) -> Timed<Result<Response, Error>> {
        let mut clock = Clock::begin();
        let value = self.invoke_on(&mut clock, request).await;
        clock.timed(value)
    }

    /// As [`Live::invoke`], for the server: moving a [`Timed`] would cost every request.
    pub(crate) fn invoke_on<'a>(&'a mut self, clock: &'a mut Clock, request: Request) -> Answering<'a> {
        self.uses += 1;
        self.instance.invoke(request, &mut clock.laps)
    }

    /// Ends the instance.
    pub async fn stop(self) -> Timed<Result<(), Error>> {
        let mut clock = Clock::begin();
        let value = self.instance.stop(&mut clock.laps).await;
        clock.timed(value)
    }

    /// Unique in this process, counted from 1 in the order of starting.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How often the instance has been invoked, failures included.
    pub fn uses(&self) -> u64 {
        self.uses
    }

    /// The instance's memory, as the model knows it.
    pub fn memory(&mut self) -> Memory {
        self.instance.memory()
    }

    /// The parts of the instance that lie outside of this process.
    pub fn outside(&self) -> Outside {
        self.instance.outside()
    }
}
