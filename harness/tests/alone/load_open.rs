//! The open loop, against servers whose every delay is known.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use isolab::load::closed::{self, ClosedLoad, Span};
use isolab::load::open::{self, Arrivals, OpenLoad, OpenWindow};

use crate::alone;
use crate::support::server::{Behaviour, Reply, Server, Stall, Stalls, expected, request};

const PERIOD: Duration = Duration::from_secs(1);
const STALL: Duration = Duration::from_millis(400);
const RATE_PER_S: u64 = 500;
const PERIODS: u32 = 4;

/// How far a percentile may be from theory: a tenth of a stall. Two requests are 2 ms
/// apart, so that much a rank is worth at most; the histogram's step is a thousandth. The
/// rest is for what waits at a stall's end to be worked off (200 requests over 8
/// connections), and for a machine that does other things too.
const TOLERANCE: Duration = Duration::from_millis(40);

fn open_load(server: &Server, rate_per_s: u64, windows: Vec<Duration>) -> OpenLoad {
    OpenLoad {
        address: server.address,
        request: request(),
        expected: expected(),
        rate_per_s: NonZeroU64::new(rate_per_s).unwrap(),
        arrivals: Arrivals::Constant,
        connections: 8,
        queue_max: 10_000,
        windows,
        patience: Duration::from_secs(20),
        is_spinning: false,
    }
}

/// Every request comes to one end, none to two and none to no end at all.
fn adds_up(window: &OpenWindow) {
    assert_eq!(window.offered, window.responses + window.dropped + window.faulty, "{window:?}");
    assert_eq!((window.latency_ns.len(), window.service_ns.len()), (window.responses, window.responses));
    assert!(window.late_waiting <= window.late && window.late <= window.offered);
}

/// The time that each request must have waited, sorted: a request that is due at an
/// instant within a stall is answered when the stall is over, any other at once.
fn theory(began: Instant, stalls: &[Stall]) -> Vec<Duration> {
    let wait = |index: u64| {
        let due = began + Duration::from_secs(1) * u32::try_from(index).unwrap() / RATE_PER_S as u32;
        let stall = stalls.iter().find(|stall| stall.from <= due && due < stall.to);
        stall.map_or(Duration::ZERO, |stall| stall.to.duration_since(due))
    };
    let mut waits: Vec<_> = (0..RATE_PER_S * u64::from(PERIODS)).map(wait).collect();
    waits.sort_unstable();
    waits
}

/// With a stall of S in every P, and requests at constant intervals, the share that waits
/// longer than x is (S - x) / P for x < S: so the quantile q is S - (1 - q) P, or 0.
fn formula(quantile: f64) -> Duration {
    let waits = STALL.as_secs_f64() - (1.0 - quantile) * PERIOD.as_secs_f64();
    Duration::from_secs_f64(waits.max(0.0))
}

fn close_to(measured: Duration, expected: Duration, what: &str) {
    assert!(measured.abs_diff(expected) <= TOLERANCE, "{what}: {measured:?} where {expected:?} is expected");
}

#[test]
fn known_stalls_give_the_percentiles_of_theory_and_a_closed_loop_hides_them() {
    let _alone = alone();
    let stalls = Some(Stalls { period: PERIOD, length: STALL });
    let server = Server::start(Behaviour { stalls, ..Behaviour::default() });
    let mut boundaries = Vec::new();
    let load = open_load(&server, RATE_PER_S, vec![PERIOD * PERIODS]);
    let outcome = open::run(&load, || boundaries.push(Instant::now())).unwrap().faultless().unwrap();
    let window = &outcome.windows[0];
    adds_up(window);
    assert_eq!((window.offered, window.dropped), (RATE_PER_S * u64::from(PERIODS), 0));
    assert_eq!(boundaries.len(), 2);

    let waits = theory(boundaries[0], &server.stalled());
    for quantile in [0.5, 0.7, 0.9, 0.99, 1.0] {
        let rank = (quantile * waits.len() as f64).ceil() as usize;
        let what = format!("quantile {quantile}");
        close_to(waits[rank - 1], formula(quantile), &format!("{what} of the server's stalls"));
        let measured = Duration::from_nanos(window.latency_at(quantile).unwrap());
        close_to(measured, waits[rank - 1], &what);
    }
    // All that were due in a stall were late but those at its very end and those that the
    // connections took in; and it is the server they waited for.
    let stuck = waits.iter().filter(|wait| **wait > TOLERANCE).count() as u64;
    // On a busy host the generator is late for some of them.
    let late = window.late_waiting + window.generator_late;
    assert!(late + 8 * u64::from(PERIODS) >= stuck && window.late_waiting > late / 2, "{stuck} {late}");

    // The time from the real sending does not show it, ...
    let raw = Duration::from_nanos(window.service_at(0.9).unwrap());
    close_to(raw, Duration::ZERO, "raw p90");
    // ... nor does a closed loop, which stops asking while the server stalls.
    let closed = ClosedLoad {
        addresses: vec![server.address],
        request: request(),
        expected: expected(),
        connections: 1,
        windows: vec![Span::lasting(PERIOD * 2)],
        patience: Duration::from_secs(20),
        is_spinning: false,
    };
    let closed = closed::run(&closed, || {}).unwrap().faultless().unwrap();
    close_to(Duration::from_nanos(closed.windows[0].quantile_ns(0.9)), Duration::ZERO, "closed p90");
}

#[test]
fn a_request_without_a_place_is_dropped_and_one_without_an_answer_times_out() {
    let _alone = alone();
    let server = Server::start(Behaviour { reply: |_| Reply::Never, ..Behaviour::default() });
    let mut load = open_load(&server, 200, vec![Duration::from_millis(500)]);
    (load.connections, load.queue_max, load.patience) = (2, 5, Duration::from_millis(200));
    let outcome = open::run(&load, || {}).unwrap();
    let window = &outcome.windows[0];
    adds_up(window);
    assert_eq!([window.offered, window.dropped, window.faulty, window.responses], [100, 93, 7, 0]);
    assert_eq!((outcome.problems.faults.timed_out_count, outcome.problems.faults.total()), (7, 7));
    assert_eq!((window.latency_at(0.5), window.service_at(0.5)), (None, None));
    assert!(outcome.faultless().unwrap_err().to_string().contains("no answer within 200ms"));
}

#[test]
fn faulty_answers_are_counted_by_kind_and_lost_connections_opened_again() {
    let _alone = alone();
    let reply = |number| match number % 10 {
        1 => Reply::Status(500),
        3 => Reply::Other,
        5 => Reply::Close,
        7 => Reply::Last,
        _ => Reply::Right,
    };
    let server = Server::start(Behaviour { reply, ..Behaviour::default() });
    let windows = vec![Duration::from_millis(300), Duration::from_millis(200)];
    let mut boundaries = 0;
    let outcome = open::run(&open_load(&server, 400, windows), || boundaries += 1).unwrap();
    assert_eq!(boundaries, 3);
    assert_eq!(outcome.windows.iter().map(|window| window.offered).collect::<Vec<_>>(), [120, 80]);
    outcome.windows.iter().for_each(adds_up);
    let faults = outcome.problems.faults;
    assert_eq!(
        [faults.status_count, faults.body_count, faults.transfer_count, faults.timed_out_count],
        [20, 20, 20, 0]
    );
}

/// At a low rate a connection can be idle for longer than a server keeps it.
#[test]
fn a_connection_that_the_server_closed_while_idle_is_not_a_fault() {
    let _alone = alone();
    let server = Server::start(Behaviour { reply: |_| Reply::Leave, ..Behaviour::default() });
    let mut load = open_load(&server, 10, vec![Duration::from_secs(1)]);
    load.connections = 1;
    let outcome = open::run(&load, || {}).unwrap().faultless().unwrap();
    assert_eq!(outcome.windows[0].responses, 10);
}

#[test]
fn a_spinning_generator_counts_the_same() {
    let _alone = alone();
    let server = Server::start(Behaviour::default());
    for arrivals in [Arrivals::Constant, Arrivals::Poisson { seed: 1 }] {
        let mut load = open_load(&server, 1000, vec![Duration::from_millis(200); 2]);
        (load.is_spinning, load.arrivals, load.patience) = (true, arrivals, Duration::from_secs(20));
        // The connections end as soon as all is answered, and the patience is not used up.
        let begun = Instant::now();
        let outcome = open::run(&load, || {}).unwrap().faultless().unwrap();
        assert!(begun.elapsed() < load.patience);
        outcome.windows.iter().for_each(adds_up);
        let offered: u64 = outcome.windows.iter().map(|window| window.offered).sum();
        // A Poisson count of 400 has a standard deviation of 20; the seed makes it one number.
        assert!(offered == 400 || arrivals != Arrivals::Constant && offered.abs_diff(400) < 100, "{offered}");
    }
}
