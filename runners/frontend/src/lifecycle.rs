//! The clock: the one place where the four phases are called and timed.
//!
//! Executors never measure themselves, and nothing else in the lab calls
//! `prepare`, `start`, `invoke` or `stop` where a duration is wanted: the server,
//! `isolab invoke` and the benches all go through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use isolab_core::{
    Error, Executor, Function, Instance, Laps, Memory, Outside, Prepared, Request, Response, Variant,
};

/// What a phase gave, and how long it took. A phase that failed is timed as well.
#[derive(Clone, Debug)]
pub struct Timed<T> {
    /// What came of it.
    pub value: T,
    /// Wall-clock time from the phase's beginning to its end.
    pub duration: Duration,
    /// What the executor marked on the way, and when the phase began.
    pub laps: Laps,
}

impl<T> Timed<T> {
    fn end(laps: Laps, value: T) -> Self {
        Self { value, duration: laps.begun().elapsed(), laps }
    }

    fn map<U>(self, change: impl FnOnce(T) -> U) -> Timed<U> {
        Timed { value: change(self.value), duration: self.duration, laps: self.laps }
    }
}

impl<T, E> Timed<Result<T, E>> {
    /// Puts the failure outside, for callers that only time what succeeds.
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
    let mut laps = Laps::begin();
    let value = executor.prepare(function, variant, &mut laps).await;
    Timed::end(laps, value)
}

/// A live instance, its identity, and how often it was asked.
pub struct Live {
    id: u64,
    uses: u64,
    instance: Box<dyn Instance>,
}

impl Live {
    /// Starts an instance. Its id is unique in this process.
    pub async fn start(prepared: &dyn Prepared) -> Timed<Result<Self, Error>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);

        let mut laps = Laps::begin();
        let started = prepared.start(&mut laps).await;
        Timed::end(laps, started).map(|started| {
            started.map(|instance| Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), uses: 0, instance })
        })
    }

    /// Has the instance answer one request. After an error it may only be stopped.
    pub async fn invoke(&mut self, request: Request) -> Timed<Result<Response, Error>> {
        self.uses += 1;
        let mut laps = Laps::begin();
        let value = self.instance.invoke(request, &mut laps).await;
        Timed::end(laps, value)
    }

    /// Ends the instance.
    pub async fn stop(self) -> Timed<Result<(), Error>> {
        let mut laps = Laps::begin();
        let value = self.instance.stop(&mut laps).await;
        Timed::end(laps, value)
    }

    /// Unique in this process, counted from 1 in the order of starting.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// How often the instance was invoked, whatever came of it.
    pub fn uses(&self) -> u64 {
        self.uses
    }

    /// What the model knows about the instance's memory.
    pub fn memory(&mut self) -> Memory {
        self.instance.memory()
    }

    /// Where the instance costs the host something outside of this process.
    pub fn outside(&self) -> Outside {
        self.instance.outside()
    }
}
