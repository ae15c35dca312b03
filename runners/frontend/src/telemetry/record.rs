//! Every phase, kept for experiments until they are asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use isolab_core::laps::nanoseconds;
use isolab_core::{Error, Laps, Phase};
use serde::Serialize;

use crate::route::Route;

/// How many phases are kept; the oldest are lost first.
pub(crate) const ROOM: usize = 65_536;

/// One phase. Small, because a server whose memory is being measured keeps many.
pub(crate) struct Entry {
    /// The route's index.
    pub(crate) route: usize,
    phase: Phase,
    /// Id and number of uses.
    instance: Option<(u64, u64)>,
    begun: Instant,
    duration: Duration,
    laps: Box<[(&'static str, Duration)]>,
    cached: Option<bool>,
    failed: Option<&'static str>,
}

impl Entry {
    pub(crate) fn new<T>(
        route: &Route,
        phase: Phase,
        result: &Result<T, Error>,
        duration: Duration,
        laps: &Laps,
    ) -> Self {
        Self {
            route: route.index,
            phase,
            instance: None,
            begun: laps.begun(),
            duration,
            laps: laps.durations().collect(),
            cached: None,
            failed: result.as_ref().err().map(|error| error.cause.name()),
        }
    }

    pub(crate) fn instance(mut self, instance: Option<(u64, u64)>) -> Self {
        self.instance = instance;
        self
    }

    pub(crate) fn cached(mut self, cached: Option<bool>) -> Self {
        self.cached = cached;
        self
    }
}

/// The phases since they were last asked for.
pub(crate) struct Recorder {
    begun: Instant,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<Entry>,
    lost: u64,
}

impl Recorder {
    /// Begins the time that `begun_ns` counts.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), ring: Mutex::default() }
    }

    pub(crate) fn push(&self, entry: Entry) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.entries.len() == ROOM {
            ring.entries.pop_front();
            ring.lost += 1;
        }
        ring.entries.push_back(entry);
    }

    /// Takes all phases, in the order in which they ended, and says how many were
    /// lost before them.
    pub(crate) fn drain(&self) -> (VecDeque<Entry>, u64) {
        let ring = std::mem::take(&mut *self.ring.lock().unwrap_or_else(PoisonError::into_inner));
        (ring.entries, ring.lost)
    }

    /// Appends one phase as a line of JSON.
    pub(crate) fn write(&self, entry: &Entry, route: &Route, out: &mut Vec<u8>) {
        let line = Line {
            executor: &route.served.spec,
            function: route.function.name(),
            variant: route.variant,
            instance: entry.instance.map(|(id, _)| id),
            uses: entry.instance.map(|(_, uses)| uses),
            phase: entry.phase,
            duration_ns: nanoseconds(entry.duration),
            begun_ns: nanoseconds(entry.begun.saturating_duration_since(self.begun)),
            laps: entry.laps.iter().map(|(lap, duration)| (*lap, nanoseconds(*duration))).collect(),
            cached: entry.cached,
            failed: entry.failed,
        };
        serde_json::to_writer(&mut *out, &line).expect("a struct of text and numbers serialises");
        out.push(b'\n');
    }
}

#[derive(Serialize)]
struct Line<'a> {
    executor: &'a str,
    function: &'a str,
    variant: isolab_core::Variant,
    instance: Option<u64>,
    uses: Option<u64>,
    phase: Phase,
    duration_ns: u64,
    begun_ns: u64,
    laps: Vec<(&'static str, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached: Option<bool>,
    /// The name of the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'static str>,
}
