//! Burns exactly 10 ms of CPU time, or `us` microseconds: a known truth for the CPU time
//! under load.
//!
//! Native code asks the thread's own CPU clock, which stands still while another thread
//! has the processor. Wasm has no such clock and goes by the monotonic one.

use std::time::Duration;

use isolab_sdk::{Request, Response};

const BURNT: Duration = Duration::from_millis(10);

/// Answers when the time is over.
pub fn handle(request: &Request<'_>) -> Response {
    let asked = request.query_value("us").and_then(|us| us.parse().ok()).map(Duration::from_micros);
    let burnt = asked.unwrap_or(BURNT);
    let begun = now();
    while now().saturating_sub(begun) < burnt {
        std::hint::spin_loop();
    }
    Response::text(200, "burnt")
}

#[cfg(unix)]
fn now() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has its clock").into()
}

#[cfg(not(unix))]
fn now() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed()
}

isolab_sdk::export!(handle);
