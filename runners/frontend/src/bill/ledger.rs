//! An instance's books between two of its bills.

use std::cell::Cell;
use std::time::{Duration, Instant};

use isolab_core::{Instance, Outside as Places};

use super::groups::Groups;
use super::{Bill, Billing, Outside, Peak, Time, Usage, processes};

/// Reading control groups may take this part of the time of a server that bills by itself.
const READING_SHARE: u32 = 200;

thread_local! {
    /// When the server may read control groups again by itself. All instances of a thread share it:
    /// with a time for each, many containers would together take many times the share.
    static NEXT_READING: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// A model's peak may be this old if the server bills by itself: some models need longer to say
/// it than to answer.
const PEAK_AGE: Duration = Duration::from_micros(100);

/// An invocation that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// How often the instance has been used, this time included.
    pub(crate) uses: u64,
    /// Whether it answered.
    pub(crate) has_answered: bool,
    /// When it ended.
    pub(crate) now: Instant,
}

/// The books of one instance.
pub(crate) struct Ledger {
    outside: Source,
    /// The last peak that the model said, and when.
    peak: Option<(Instant, Peak)>,
    /// Whether the model has begun a peak that it was not asked for yet.
    is_watching: bool,
}

/// Where usage outside of this process is read.
enum Source {
    Nowhere,
    Counted(Box<Reading>),
    Unreadable,
}

/// Everything that counts an instance's usage outside of this process.
enum Counts {
    Groups(Groups),
    /// Processes without a control group of their own. Their instance knows the peak of their memory.
    Processes(Vec<u32>),
}

impl Counts {
    fn read(&self) -> std::io::Result<Usage> {
        match self {
            Self::Groups(groups) => groups.read(),
            Self::Processes(ids) => processes::read(ids),
        }
    }

    fn begin_peak(&mut self) {
        if let Self::Groups(groups) = self {
            groups.begin_peak();
        }
    }

    fn peak(&self) -> Option<Peak> {
        match self {
            Self::Groups(groups) => Some(groups.peak()),
            Self::Processes(_) => None,
        }
    }
}

/// Counts and their last reading.
struct Reading {
    counts: Counts,
    /// `None` before the first reading.
    last: Option<Usage>,
    /// How often the instance had been used then.
    uses: u64,
    /// Whether a bill has read them before.
    is_read: bool,
}

impl Ledger {
    /// Opens the books of an instance. Everything before the first bill of an instance that was
    /// never used counts towards that bill: its groups were made for it.
    pub(crate) fn open(places: &Places, uses: u64) -> Self {
        let counted = |counts| {
            let last = (uses == 0).then(Usage::default);
            Source::Counted(Box::new(Reading { counts, last, uses, is_read: false }))
        };
        let outside = match (Groups::open(&places.cgroups), &places.helpers[..]) {
            (Ok(groups), _) => counted(Counts::Groups(groups)),
            (Err(_), []) if places.cgroups.is_empty() => Source::Nowhere,
            (Err(_), helpers) if places.cgroups.is_empty() => counted(Counts::Processes(helpers.to_vec())),
            (Err(error), _) => {
                tracing::warn!("the bill of a control group: {error}");
                Source::Unreadable
            }
        };
        Self { outside, peak: None, is_watching: false }
    }

    /// Before an invocation of an instance that was used this often.
    pub(crate) fn begin(&mut self, instance: &dyn Instance, billing: Billing, uses: u64) {
        match &mut self.outside {
            Source::Counted(reading) => {
                if matches!(reading.counts, Counts::Processes(_)) {
                    instance.watch_memory();
                }
                if let Err(error) = reading.begin(billing, uses) {
                    tracing::warn!("the bill of an instance outside: {error}");
                    self.outside = Source::Unreadable;
                }
            }
            Source::Nowhere | Source::Unreadable => {
                if !self.is_watching || !billing.is_constant {
                    instance.watch_memory();
                    self.is_watching = true;
                }
            }
        }
    }

    /// After an invocation with this usage of the thread and this time.
    pub(crate) fn end(
        &mut self,
        instance: &dyn Instance,
        billing: Billing,
        (thread, time): (Usage, Time),
        ended: Ended,
    ) -> Bill {
        let Ended { uses, has_answered, now } = ended;
        match &mut self.outside {
            Source::Counted(reading) => {
                let (outside, mut peak) = reading.end(billing, uses, now);
                if peak.is_none() && matches!(outside, Outside::Read { .. }) {
                    peak = Some(self.peak_of(instance, billing, has_answered, now));
                }
                Bill { time, thread, outside, peak }
            }
            Source::Nowhere => {
                let peak = self.peak_of(instance, billing, has_answered, now);
                Bill { time, thread, outside: Outside::Nothing, peak: Some(peak) }
            }
            Source::Unreadable => {
                let peak = self.peak_of(instance, billing, has_answered, now);
                Bill { time, thread, outside: Outside::Unreadable, peak: Some(peak) }
            }
        }
    }

    /// The usage outside that no bill has shown, before the instance is stopped.
    pub(crate) fn close(self) -> Usage {
        let Source::Counted(reading) = self.outside else { return Usage::default() };
        reading.counts.read().map_or_else(|_| Usage::default(), |now| now - reading.last.unwrap_or(now))
    }

    fn peak_of(
        &mut self,
        instance: &dyn Instance,
        billing: Billing,
        has_answered: bool,
        now: Instant,
    ) -> Peak {
        if !has_answered {
            return Peak::Unknown("the invocation failed");
        }
        let is_young = |at: Instant| now.saturating_duration_since(at) < PEAK_AGE;
        match self.peak {
            Some((at, peak)) if billing.is_constant && !billing.is_asked && is_young(at) => peak,
            _ => {
                let peak = instance.peak_memory().map_or_else(Peak::Unknown, Peak::Invocation);
                self.peak = Some((now, peak));
                self.is_watching = false;
                peak
            }
        }
    }
}

impl Reading {
    fn begin(&mut self, billing: Billing, uses: u64) -> std::io::Result<()> {
        // If the server bills, the end of one bill is the beginning of the next: the container's
        // work in between is also work for its function.
        let is_continued = billing.is_constant || !self.is_read;
        if self.last.is_none() || !is_continued {
            self.last = Some(self.counts.read()?);
            self.uses = uses;
            self.counts.begin_peak();
        }
        Ok(())
    }

    fn end(&mut self, billing: Billing, uses: u64, now: Instant) -> (Outside, Option<Peak>) {
        let answers = uses - self.uses;
        if !billing.is_asked && NEXT_READING.get().is_some_and(|next| now < next) {
            return (Outside::Later(answers), None);
        }
        let Ok(read) = self.counts.read() else {
            return (Outside::Unreadable, self.counts.peak());
        };
        let usage = read - self.last.replace(read).unwrap_or(read);
        let peak = self.counts.peak();
        self.uses = uses;
        self.counts.begin_peak();
        self.is_read = true;
        let ended = Instant::now();
        NEXT_READING.set(Some(ended + ended.saturating_duration_since(now) * READING_SHARE));
        (Outside::Read { usage, answers }, peak)
    }
}
