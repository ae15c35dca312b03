//! Burns exactly 10 ms of CPU time, or `us` microseconds: a known value that the CPU time
//! measured under load must show.
//!
//! Native code reads the CPU clock of its thread, which stops while another thread runs.
//! Wasm has no such clock and reads the monotonic one.

use std::time::Duration;

use isolab_sdk::{Request, Response};

const BURNT: Duration = Duration::from_millis(10);

/// Answers once the time is burnt.
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
