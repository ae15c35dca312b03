//! Every phase, kept until an experiment reads it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use isolab_core::laps::nanoseconds;
use isolab_core::{Artifact, Error, Laps, Phase};

use crate::route::Route;

/// The most phases that are kept; beyond it the oldest are dropped. An answer of each of 100,000 instances fits.
const CAPACITY: usize = 131_072;

/// One phase. Small, because a server whose memory is measured keeps many.
pub(crate) struct Entry {
    /// The route's index.
    pub(crate) route: usize,
    pub(crate) phase: Phase,
    /// The instance's id, and how often it has been used.
    pub(crate) instance: Option<(u64, u64)>,
    begun: Instant,
    pub(crate) duration: Duration,
    /// The part of `duration` in which no code of the phase ran on the thread.
    pub(crate) waited: Duration,
    pub(crate) laps: Box<[(&'static str, Duration)]>,
    /// The artifact that `prepare` made or found.
    pub(crate) artifact: Option<Box<Artifact>>,
    /// The name of the cause, if the phase failed.
    pub(crate) failed: Option<&'static str>,
}

impl Entry {
    pub(crate) fn new<T>(
        route: &Route,
        phase: Phase,
        result: &Result<T, Error>,
        (duration, waited): (Duration, Duration),
        laps: &Laps,
    ) -> Self {
        Self {
            route: route.index,
            phase,
            instance: None,
            begun: laps.begun(),
            duration,
            waited,
            laps: laps.durations().collect(),
            artifact: None,
            failed: result.as_ref().err().map(|error| error.cause.name()),
        }
    }

    pub(crate) fn instance(mut self, instance: Option<(u64, u64)>) -> Self {
        self.instance = instance;
        self
    }

    pub(crate) fn artifact(mut self, artifact: Option<&Artifact>) -> Self {
        self.artifact = artifact.cloned().map(Box::new);
        self
    }
}

/// The phases since the last call of [`Recorder::drain`].
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
    /// An empty record. [`Recorder::begun_ns`] counts from now.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), ring: Mutex::default() }
    }

    pub(crate) fn push(&self, entry: Entry) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.entries.len() == CAPACITY {
            ring.entries.pop_front();
            ring.lost += 1;
        }
        ring.entries.push_back(entry);
    }

    /// Takes all phases, in the order in which they ended, and the number of phases that
    /// were dropped before them.
    pub(crate) fn drain(&self) -> (VecDeque<Entry>, u64) {
        let ring = std::mem::take(&mut *self.ring.lock().unwrap_or_else(PoisonError::into_inner));
        (ring.entries, ring.lost)
    }

    /// When a phase began, in nanoseconds after the record began.
    pub(crate) fn begun_ns(&self, entry: &Entry) -> u64 {
        nanoseconds(entry.begun.saturating_duration_since(self.begun))
    }
}
