//! Burns exactly 10 ms of CPU time, or `us` microseconds: a known value that the CPU time
//! measured under load must show. Or runs `rounds` of a loop: a set amount of work, which a slower
//! host takes longer for.
//!
//! Native code reads the CPU clock of its thread, which stops while another thread runs.
//! Wasm has no such clock and reads the monotonic one.

use std::time::Duration;

use isolab_sdk::{Request, Response};

const BURNT: Duration = Duration::from_millis(10);

/// Answers once the time is burnt.
pub fn handle(request: &Request<'_>) -> Response {
    if let Some(rounds) = request.query_value("rounds").and_then(|rounds| rounds.parse().ok()) {
        std::hint::black_box(work(rounds));
        return Response::text(200, "burnt");
    }
    let asked = request.query_value("us").and_then(|us| us.parse().ok()).map(Duration::from_micros);
    let burnt = asked.unwrap_or(BURNT);
    let begun = now();
    while now().saturating_sub(begun) < burnt {
        std::hint::spin_loop();
    }
    Response::text(200, "burnt")
}

/// A chain of multiplications and additions (the constants of D. E. Knuth's MMIX).
fn work(rounds: u32) -> u64 {
    (0..rounds).fold(1, |number: u64, _| {
        std::hint::black_box(number)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407)
    })
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
