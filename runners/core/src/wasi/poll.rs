//! Clocks, and sleeping.
//!
//! A call of `poll_oneoff` has two halves: [`Poll::begin`] reads the events that the guest waits for,
//! and [`Poll::finish`] writes those that have happened. The host waits in between, in its own way:
//! [`Wasi::poll_oneoff`] sleeps on the calling thread; a host that can suspend its guest lets others
//! run meanwhile.

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{End, Errno, Memory, Outcome, Refusal, Wasi};

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

/// Sizes of `subscription` and `event`, in bytes.
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;

/// The most subscriptions of one call, because each takes memory of the host.
const SUBSCRIPTIONS: u32 = 4096;

/// The origin of the monotonic clock. Any fixed instant will do.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn now(clock: u32) -> Result<Duration, Refusal> {
    match clock {
        REALTIME => Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()),
        MONOTONIC => Ok(ORIGIN.elapsed()),
        _ => Err(Errno::Inval.into()),
    }
}

/// An event that a guest waits for.
#[derive(Debug)]
struct Subscription {
    userdata: u64,
    event: Awaited,
}

#[derive(Debug)]
enum Awaited {
    /// The end of this time.
    Clock(Duration),
    /// A stream. Standard streams are always ready, and there are no others.
    Stream { kind: u8, fd: u32 },
}

impl Subscription {
    fn read(memory: &Memory<'_>, at: u32) -> Result<Self, Refusal> {
        const ABSOLUTE: u8 = 1;
        let [kind] = memory.array(at, 8)?;
        let event = match kind {
            0 => {
                let (clock, [flags, _]) = (memory.u32(at, 16)?, memory.array(at, 40)?);
                let time = Duration::from_nanos(memory.u64(at, 24)?);
                let begin = if flags & ABSOLUTE == 0 { Duration::ZERO } else { now(clock)? };
                Awaited::Clock(time.saturating_sub(begin))
            }
            1 | 2 => Awaited::Stream { kind, fd: memory.u32(at, 16)? },
            _ => return Err(Errno::Inval.into()),
        };
        Ok(Self { userdata: memory.u64(at, 0)?, event })
    }

    /// The bytes of the event, if it has happened.
    fn happened(&self, waited: Duration) -> Option<[u8; EVENT as usize]> {
        let (errno, kind) = match self.event {
            Awaited::Clock(after) if after <= waited => (Errno::Success, 0),
            Awaited::Clock(_) => return None,
            Awaited::Stream { kind, fd } if Wasi::is_stream(fd) => (Errno::Success, kind),
            Awaited::Stream { kind, .. } => (Errno::Badf, kind),
        };
        let mut bytes = [0; EVENT as usize];
        bytes[..8].copy_from_slice(&self.userdata.to_le_bytes());
        bytes[8..10].copy_from_slice(&(errno as u16).to_le_bytes());
        bytes[10] = kind;
        Some(bytes)
    }
}

/// A call of `poll_oneoff` between its two halves.
#[derive(Debug)]
pub struct Poll {
    subscriptions: Vec<Subscription>,
    /// The time until the first event.
    wait: Duration,
    /// The time until the guest's deadline.
    left: Duration,
    /// Where the events and their number go.
    events: u32,
    happened: u32,
}

impl Poll {
    /// Begins a call with its four parameters, by a guest whose deadline is this.
    ///
    /// # Errors
    /// If a subscription is malformed or lies outside of the memory.
    pub fn begin(memory: &Memory<'_>, parameters: [u32; 4], deadline: Instant) -> Result<Self, Refusal> {
        let [subscriptions, events, count, happened] = parameters;
        if !(1..=SUBSCRIPTIONS).contains(&count) {
            return Err(Errno::Inval.into());
        }
        memory.slice(subscriptions, count * SUBSCRIPTION)?;
        let places = (0..count).map(|index| subscriptions + index * SUBSCRIPTION);
        let subscriptions = places.map(|at| Subscription::read(memory, at)).collect::<Result<Vec<_>, _>>()?;
        let waits = subscriptions.iter().map(|subscription| match subscription.event {
            Awaited::Clock(after) => after,
            Awaited::Stream { .. } => Duration::ZERO,
        });
        let wait = waits.min().unwrap_or_default();
        let left = deadline.saturating_duration_since(Instant::now());
        Ok(Self { subscriptions, wait, left, events, happened })
    }

    /// How long the host has to wait before it finishes the call: until the first event, and at
    /// most until the guest's deadline. Zero if an event has happened already.
    pub fn wait(&self) -> Duration {
        self.wait.min(self.left)
    }

    /// Writes the events that have happened, and their number.
    ///
    /// # Errors
    /// If the deadline came first, and if the events lie outside of the memory.
    pub fn finish(self, memory: &mut Memory<'_>) -> Outcome {
        if self.wait >= self.left {
            return Err(Refusal::End(End::Deadline));
        }
        let mut at = self.events;
        for event in self.subscriptions.iter().filter_map(|subscription| subscription.happened(self.wait)) {
            memory.put(at, &event)?;
            at = at.wrapping_add(EVENT);
        }
        memory.put_u32(self.happened, at.wrapping_sub(self.events) / EVENT)
    }
}

impl Wasi {
    pub(super) fn clock_res_get(memory: &mut Memory<'_>, clock: u32, at: u32) -> Outcome {
        now(clock)?;
        memory.put_u64(at, 1)
    }

    pub(super) fn clock_time_get(memory: &mut Memory<'_>, clock: u32, at: u32) -> Outcome {
        let nanoseconds = u64::try_from(now(clock)?.as_nanos()).map_err(|_| Errno::Inval)?;
        memory.put_u64(at, nanoseconds)
    }

    /// Waits on the calling thread, where the guest runs.
    pub(super) fn poll_oneoff(&self, memory: &mut Memory<'_>, parameters: [u32; 4]) -> Outcome {
        let poll = Poll::begin(memory, parameters, self.deadline)?;
        if !poll.wait().is_zero() {
            thread::sleep(poll.wait());
        }
        poll.finish(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasi::Stdout;

    fn wasi(left: Duration) -> Wasi {
        Wasi::new(Stdout::Console, Instant::now() + left)
    }

    /// A memory that begins with subscriptions to a clock, from user data and times.
    fn clocks(subscriptions: &[(u64, Duration)]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        for (chunk, (userdata, after)) in bytes.chunks_mut(SUBSCRIPTION as usize).zip(subscriptions) {
            chunk[..8].copy_from_slice(&userdata.to_le_bytes());
            chunk[16] = MONOTONIC as u8;
            chunk[24..32].copy_from_slice(&(after.as_nanos() as u64).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_first_clock_ends_the_wait() {
        let (short, long) = (Duration::from_millis(2), Duration::from_hours(1));
        let mut bytes = clocks(&[(7, long), (8, short)]);
        let begun = Instant::now();
        let outcome = wasi(Duration::from_mins(1)).poll_oneoff(&mut Memory(&mut bytes), [0, 256, 2, 500]);
        assert!(outcome.is_ok() && begun.elapsed() >= short);
        assert_eq!((bytes[500], bytes[256], bytes[264]), (1, 8, 0));
    }

    #[test]
    fn a_sleep_ends_with_the_deadline() {
        let mut bytes = clocks(&[(1, Duration::from_hours(1))]);
        let outcome = wasi(Duration::from_millis(2)).poll_oneoff(&mut Memory(&mut bytes), [0, 256, 1, 500]);
        assert_eq!(outcome, Err(Refusal::End(End::Deadline)));
    }

    #[test]
    fn a_stream_is_ready_at_once_and_a_count_too_large_is_refused() {
        let mut bytes = clocks(&[(1, Duration::from_hours(1))]);
        bytes[SUBSCRIPTION as usize + 8] = 2;
        bytes[SUBSCRIPTION as usize + 16] = 9;
        let wasi = wasi(Duration::from_mins(1));
        assert!(wasi.poll_oneoff(&mut Memory(&mut bytes), [0, 256, 2, 500]).is_ok());
        assert_eq!((bytes[500], bytes[264], bytes[266]), (1, Errno::Badf as u8, 2));
        for count in [0, 1000, u32::MAX] {
            let outcome = wasi.poll_oneoff(&mut Memory(&mut bytes), [0, 256, count, 500]);
            assert!(matches!(outcome, Err(Refusal::Errno(_))), "{count}");
        }
    }

    #[test]
    fn clocks_advance() {
        let mut bytes = vec![0; 16];
        let mut time = |clock| {
            assert!(Wasi::clock_time_get(&mut Memory(&mut bytes), clock, 8).is_ok());
            u64::from_le_bytes(std::array::from_fn(|index| bytes[8 + index]))
        };
        assert!(time(REALTIME) > 1_700_000_000_000_000_000);
        assert!(time(MONOTONIC) <= time(MONOTONIC));
    }

    fn begin(bytes: &mut [u8], count: u32) -> Result<Poll, Refusal> {
        Poll::begin(&Memory(bytes), [0, 256, count, 500], Instant::now() + Duration::from_mins(1))
    }

    #[test]
    fn a_host_is_told_how_long_to_wait() {
        let (short, long) = (Duration::from_secs(2), Duration::from_hours(1));
        let mut bytes = clocks(&[(7, long), (8, short)]);
        assert_eq!(begin(&mut bytes, 2).unwrap().wait(), short);
        let late = begin(&mut bytes, 1).unwrap();
        assert!(late.wait() <= Duration::from_mins(1));
        assert_eq!(late.finish(&mut Memory(&mut bytes)), Err(Refusal::End(End::Deadline)));
    }

    #[test]
    fn an_absolute_time_is_that_of_its_clock() {
        for clock in [REALTIME, MONOTONIC] {
            let in_a_second = now(clock).unwrap() + Duration::from_secs(1);
            let mut bytes = clocks(&[(7, in_a_second)]);
            bytes[16] = clock as u8;
            bytes[40] = 1;
            let wait = begin(&mut bytes, 1).unwrap().wait();
            assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}");
            bytes[24..32].fill(0);
            assert_eq!(begin(&mut bytes, 1).unwrap().wait(), Duration::ZERO);
            bytes[24..32].fill(0xff);
            assert!(begin(&mut bytes, 1).unwrap().wait() > Duration::from_secs(59));
        }
    }

    #[test]
    fn a_malformed_subscription_is_refused() {
        let refused = |place: usize, value: u8| {
            let mut bytes = clocks(&[(7, Duration::ZERO)]);
            bytes[place] = value;
            begin(&mut bytes, 1).err()
        };
        assert_eq!(refused(8, 3), Some(Errno::Inval.into()));
        let mut bytes = clocks(&[(7, Duration::ZERO)]);
        (bytes[16], bytes[40]) = (9, 1);
        assert_eq!(begin(&mut bytes, 1).err(), Some(Errno::Inval.into()));
        let at = |parameters| Poll::begin(&Memory(&mut [0; 512]), parameters, Instant::now()).err();
        for subscriptions in [512 - 47, 512, u32::MAX - 47, u32::MAX] {
            assert_eq!(at([subscriptions, 0, 1, 0]), Some(Errno::Fault.into()), "{subscriptions}");
        }
    }

    #[test]
    fn events_outside_of_the_memory_are_the_guests_fault() {
        let mut bytes = clocks(&[(7, Duration::ZERO)]);
        for (events, happened) in [(512 - 31, 0), (u32::MAX, 0), (256, 509), (256, u32::MAX)] {
            let deadline = Instant::now() + Duration::from_mins(1);
            let poll = Poll::begin(&Memory(&mut bytes), [0, events, 1, happened], deadline).unwrap();
            assert_eq!(poll.finish(&mut Memory(&mut bytes)), Err(Errno::Fault.into()), "{events} {happened}");
        }
    }
}
