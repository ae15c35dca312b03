//! Waiting for an instant more exactly than tokio's timers, which count whole milliseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Sleeping is not worth it for less: setting a timer and waking up takes longer.
const SHORT: Duration = Duration::from_micros(20);

/// Waits without blocking the other futures of its thread.
pub struct Timer {
    /// None if the thread never sleeps.
    kernel: Option<AsyncFd<Descriptor>>,
}

struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// With `is_spinning` it polls the clock, and is late by at most the time that the other
    /// futures take in between. Otherwise it sleeps on a high-resolution timer of the kernel, and
    /// is late by the time of waking up, about 50 µs on an idle processor.
    ///
    /// # Errors
    /// If the kernel gives no timer.
    pub fn new(is_spinning: bool) -> io::Result<Self> {
        if is_spinning {
            return Ok(Self { kernel: None });
        }
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        // SAFETY: The descriptor is the timer's own, which nothing closes or replaces before
        // the `AsyncFd` that it is moved into is dropped.
        let timer = unsafe { AsyncFd::register_with_interest(Descriptor(timer), Interest::READABLE) }?;
        Ok(Self { kernel: Some(timer) })
    }

    /// Ends at this instant or later, never before.
    ///
    /// # Errors
    /// If the kernel's timer fails.
    pub async fn until(&self, instant: Instant) -> io::Result<()> {
        loop {
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let Some(kernel) = self.kernel.as_ref().filter(|_| left > SHORT) else {
                tokio::task::yield_now().await;
                continue;
            };
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left));
            kernel.get_ref().0.set(expiration, TimerSetTimeFlags::empty())?;
            let mut guard = kernel.readable().await?;
            // A late event of an earlier setting only causes one more turn.
            if let Ok(expired) = guard.try_io(|timer| timer.get_ref().0.wait().map_err(Into::into)) {
                expired?;
            }
            // The event has been read. Were it kept, the next wait would not yield to the other
            // futures.
            guard.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_wait_never_ends_early_and_lets_others_run() {
        for is_spinning in [false, true] {
            let timer = Timer::new(is_spinning).unwrap();
            let begun = Instant::now();
            timer.until(begun).await.unwrap();
            for step_us in [1_000, 50, 50, 50, 1_000, 1_000, 30_000] {
                let instant = Instant::now() + Duration::from_micros(step_us);
                let mut others = 0;
                let other = async {
                    loop {
                        others += 1;
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! { biased; ended = timer.until(instant) => ended.unwrap(), () = other => {} }
                assert!(Instant::now() >= instant, "{is_spinning} {step_us}");
                assert!(others > 0, "{is_spinning} {step_us}");
            }
            // Otherwise short waits would never let the others run.
            let kept = timer.kernel.as_ref().and_then(|kernel| kernel.readable().now_or_never());
            assert!(kept.is_none(), "the event is kept");
        }
    }
}
