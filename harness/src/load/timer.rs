//! Waiting for an instant, more exactly than tokio's timers do: those go by whole
//! milliseconds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Instant;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits without holding up the other futures of its thread.
pub struct Timer {
    /// None where the thread never sleeps.
    kernel: Option<AsyncFd<Descriptor>>,
}

struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    /// Looks at the clock all the time (`is_spinning`), exact to about the time that the
    /// other futures take in between; else sleeps in the kernel on one of its
    /// high-resolution timers, exact to the time of waking up: some 50 µs on an idle
    /// processor.
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

    /// Ends at this instant or after it, never before; at once where it is over.
    pub async fn until(&self, instant: Instant) -> io::Result<()> {
        loop {
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let Some(kernel) = &self.kernel else {
                tokio::task::yield_now().await;
                continue;
            };
            let expiration = Expiration::OneShot(TimeSpec::from_duration(left));
            kernel.get_ref().0.set(expiration, TimerSetTimeFlags::empty())?;
            let mut guard = kernel.readable().await?;
            // An event of an earlier setting that comes late only means to wait once more.
            if let Ok(rung) = guard.try_io(|timer| timer.get_ref().0.wait().map_err(Into::into)) {
                rung?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_never_ends_early_and_lets_others_run() {
        for is_spinning in [false, true] {
            let timer = Timer::new(is_spinning).unwrap();
            let begun = Instant::now();
            timer.until(begun).await.unwrap();
            let (mut others, mut instant) = (0, begun);
            for step_us in [1, 50, 1_000, 30_000] {
                instant += Duration::from_micros(step_us);
                let other = async {
                    loop {
                        others += 1;
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! { biased; ended = timer.until(instant) => ended.unwrap(), () = other => {} }
                assert!(Instant::now() >= instant, "{is_spinning} {step_us}");
            }
            assert!(others > 4, "{is_spinning}: {others}");
        }
    }
}
