//! The CPU time and page faults of the thread that executes a phase.
//!
//! The kernel's own counters are read only when they may have changed in a way that this
//! process cannot see. While a thread keeps its processor, its CPU clock runs with the wall
//! clock, which costs a tenth; while it has no fault, the number of its faults is the last one.
//! [`Watch`] tells both.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use isolab_core::laps::nanoseconds;
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

use super::Usage;
use super::watch::{Marks, Watch};

/// The longest time for which the CPU clock is taken to run with the wall clock. A hypervisor
/// may take the processor away unseen; the kernel's clock leaves that time out.
const TRUSTED: Duration = Duration::from_micros(100);

/// More faults than this between two readings, and the records of them cost more than reading
/// the kernel's counters each time.
const MANY_FAULTS: u64 = 4;

/// Readings until the watch is tried again.
const READINGS_WITHOUT_WATCH: u32 = 1_000;

/// The usage of the calling thread since it began. `now` is the present time.
pub(crate) fn read(now: Instant) -> Usage {
    thread_local!(static METER: Meter = Meter::new(Watch::open().ok()));
    METER.with(|meter| meter.read(now))
}

/// Why each reading takes two system calls; `None` if few do.
pub(crate) fn refused() -> Option<std::io::Error> {
    Watch::open().err()
}

/// Reads the counters of one thread.
struct Meter {
    /// `None` if the kernel refuses it.
    watch: Option<Watch>,
    /// Readings until the watch is turned on again; 0 while it is on.
    until_watch: Cell<u32>,
    /// At the last reading; `None` if they tell nothing.
    marks: Cell<Option<Marks>>,
    /// The kernel's CPU clock at a time, in nanoseconds.
    clock: Cell<(Instant, u64)>,
    last: Cell<Usage>,
}

impl Meter {
    fn new(watch: Option<Watch>) -> Self {
        let (marks, until_watch) = (Cell::new(None), Cell::new(0));
        Self { watch, until_watch, marks, clock: Cell::new((Instant::now(), 0)), last: Cell::default() }
    }

    fn read(&self, now: Instant) -> Usage {
        let marks = self.marks();
        let before = self.marks.replace(marks);
        let both = marks.zip(before);
        let mut usage = self.last.get();
        if both.is_none_or(|(marks, before)| marks.faults != before.faults) {
            self.read_faults(&mut usage);
        }
        let (at, clock_ns) = self.clock.get();
        let since = now.saturating_duration_since(at);
        let kept_on = both.is_some_and(|(marks, before)| marks.turns == before.turns);
        let cpu_ns =
            if kept_on && since < TRUSTED { clock_ns + nanoseconds(since) } else { self.read_clock(now) };
        // An estimate may have been ahead of the kernel's clock.
        usage.cpu_ns = cpu_ns.max(usage.cpu_ns);
        self.last.set(usage);
        usage
    }

    /// `None` without a watch that is on.
    fn marks(&self) -> Option<Marks> {
        let watch = self.watch.as_ref()?;
        match self.until_watch.get() {
            0 => return Some(watch.marks()),
            1 => watch.turn(true),
            _ => {}
        }
        self.until_watch.set(self.until_watch.get() - 1);
        None
    }

    #[cold]
    fn read_faults(&self, usage: &mut Usage) {
        let read = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread can read its own usage");
        let count = |faults| u64::try_from(faults).unwrap_or_default();
        let minor_faults = count(read.minor_page_faults());
        let many = minor_faults.saturating_sub(usage.minor_faults) > MANY_FAULTS;
        usage.minor_faults = minor_faults;
        usage.major_faults = count(read.major_page_faults());
        if let Some(watch) = self.watch.as_ref().filter(|_| many && self.until_watch.get() == 0) {
            watch.turn(false);
            self.until_watch.set(READINGS_WITHOUT_WATCH);
            self.marks.set(None);
        }
    }

    /// The CPU clock at `now`, a moment ago.
    #[cold]
    fn read_clock(&self, now: Instant) -> u64 {
        let asked = Instant::now();
        let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has its clock");
        let answered = Instant::now();
        let clock_ns = nanoseconds(clock.into());
        // The kernel read it half-way between.
        let at = asked + answered.duration_since(asked) / 2;
        self.clock.set((at, clock_ns));
        // A thread that lost its processor since `now` used less than the time since then.
        let since = at.saturating_duration_since(now);
        if since < TRUSTED / 10 { clock_ns.saturating_sub(nanoseconds(since)) } else { clock_ns }
    }
}

/// The account of one phase: the usage of all its polls.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) usage: Usage,
    /// A time that need not be read again: the phase's beginning, and later its end.
    pub(crate) known: Option<Instant>,
}

impl Account {
    /// The account of a phase that begins now.
    pub(crate) fn begin(now: Instant) -> Self {
        Self { usage: Usage::default(), known: Some(now) }
    }
}

/// The polls of a phase: the longest, and the time between them. It reads the clock only if there is
/// more than one.
#[derive(Debug)]
pub(crate) struct Polls {
    /// When the last poll began.
    begun: Instant,
    /// When it ended, if the phase waits.
    pending_since: Option<Instant>,
    /// The longest of the polls before.
    longest: Duration,
    /// The phase's waiting time: the time between the polls, in which no code of the phase ran on
    /// this thread.
    pub(crate) waited: Duration,
}

impl Polls {
    /// The first poll begins now.
    pub(crate) fn begin(now: Instant) -> Self {
        Self { begun: now, pending_since: None, longest: Duration::ZERO, waited: Duration::ZERO }
    }

    /// Whether the phase has had one poll only.
    pub(crate) fn is_single(&self) -> bool {
        self.longest.is_zero()
    }

    /// The longest poll of a phase whose last one ended now.
    #[cold]
    pub(crate) fn longest(&self, now: Instant) -> Duration {
        self.longest.max(now.saturating_duration_since(self.begun))
    }

    #[cold]
    fn pause(&mut self) {
        let now = Instant::now();
        self.longest = self.longest(now);
        self.pending_since = Some(now);
    }

    fn go_on(&mut self) {
        if let Some(since) = self.pending_since.take() {
            self.begun = Instant::now();
            self.waited += self.begun.saturating_duration_since(since);
        }
    }
}

/// A phase whose polls are timed, and added to an account, if there is one. Other work of the thread
/// between the polls is not.
pub(crate) struct Metered<'a, F> {
    pub(crate) future: F,
    pub(crate) polls: &'a mut Polls,
    pub(crate) account: Option<&'a mut Account>,
}

impl<F: Future + Unpin> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, polls, account } = &mut *self;
        polls.go_on();
        let polled = match account {
            None => Pin::new(future).poll(context),
            Some(account) => {
                let before = read(account.known.take().unwrap_or_else(Instant::now));
                let polled = Pin::new(future).poll(context);
                let now = Instant::now();
                account.usage += read(now) - before;
                account.known = polled.is_ready().then_some(now);
                polled
            }
        };
        if polled.is_pending() {
            polls.pause();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    fn clock() -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
    }

    /// Computes until the thread's CPU clock has gone on for that long.
    fn burn(duration: Duration) {
        let until = clock() + duration;
        while clock() < until {}
    }

    fn touch(bytes: usize) {
        let mut pages = memmap2::MmapMut::map_anon(bytes).unwrap();
        pages.fill(1);
        std::hint::black_box(&pages);
    }

    /// With the watch and without.
    fn meters() -> Vec<Meter> {
        [Watch::open().ok(), None].map(Meter::new).into()
    }

    #[test]
    fn the_sum_of_many_readings_is_the_threads_clock() {
        for meter in meters() {
            let (begun, first) = (clock(), meter.read(Instant::now()));
            let mut sum = Usage::default();
            let mut before = first;
            for turn in 0..2_000 {
                burn(Duration::from_micros(5));
                if turn % 100 == 0 {
                    std::thread::yield_now();
                }
                let now = meter.read(Instant::now());
                sum += now - before;
                before = now;
            }
            let truth = clock().saturating_sub(begun).as_nanos() as f64;
            let off = sum.cpu_ns as f64 / truth - 1.0;
            assert!(off.abs() < 0.02, "{} ns instead of {truth}, {:+.2} %", sum.cpu_ns, off * 100.0);
        }
    }

    #[test]
    fn faults_are_those_of_the_kernel_whether_few_or_many() {
        let faults = || getrusage(UsageWho::RUSAGE_THREAD).unwrap().minor_page_faults();
        for meter in meters() {
            for bytes in [4096, 4 << 20, 4096, 4096] {
                // The first touch brings in what the test itself needs.
                touch(bytes);
                let (before, begun) = (meter.read(Instant::now()), faults());
                touch(bytes);
                let (after, ended) = (meter.read(Instant::now()), faults());
                let counted = (after - before).minor_faults;
                assert_eq!(counted, u64::try_from(ended - begun).unwrap(), "{bytes} bytes");
                assert!(counted > 0);
            }
        }
    }

    #[test]
    fn only_the_polls_of_a_phase_are_on_its_account() {
        let mut account = Account::begin(Instant::now());
        let mut polls = 0;
        let future = poll_fn(|_| {
            polls += 1;
            burn(Duration::from_millis(2));
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut polls = Polls::begin(Instant::now());
        let mut metered = Metered { future, polls: &mut polls, account: Some(&mut account) };
        assert_eq!((&mut metered).now_or_never(), None);
        // Another connection's work.
        burn(Duration::from_millis(20));
        assert_eq!((&mut metered).now_or_never(), Some(()));
        assert!(polls.waited >= Duration::from_millis(20), "{polls:?}");
        let cpu_ns = account.usage.cpu_ns;
        assert!((3_900_000..6_000_000).contains(&cpu_ns), "{cpu_ns} ns");
        assert!(account.known.is_some());
    }

    #[test]
    fn the_longest_poll_is_told_without_the_time_in_between() {
        let begun = Instant::now();
        let mut polls = Polls::begin(begun);
        let mut turns = [4, 1, 2].into_iter();
        let future = poll_fn(|_| {
            burn(Duration::from_millis(turns.next().unwrap()));
            if turns.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        let mut metered = Metered { future, polls: &mut polls, account: None };
        assert_eq!((&mut metered).now_or_never(), None);
        burn(Duration::from_millis(200));
        assert_eq!((&mut metered).now_or_never(), None);
        burn(Duration::from_millis(200));
        assert_eq!((&mut metered).now_or_never(), Some(()));
        let longest = polls.longest(Instant::now());
        let whole = begun.elapsed();
        assert!(
            longest >= Duration::from_millis(4) && longest + Duration::from_millis(400) < whole,
            "{longest:?}"
        );
    }
}
