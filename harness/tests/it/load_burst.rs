//! Bursts, against servers that know how many requests there are.

use std::net::Ipv4Addr;
use std::time::Duration;

use isolab::load::burst::{self, Burst};
use tokio::net::TcpSocket;

use crate::support::server::{Behaviour, Reply, Server, expected, request};

const REQUESTS: usize = 50;

fn burst(server: &Server) -> Burst {
    Burst {
        address: server.address,
        request: request(),
        expected: expected(),
        requests: REQUESTS,
        idle: Duration::from_millis(10),
        patience: Duration::from_secs(20),
        is_spinning: false,
    }
}

/// The server answers nothing before it has all requests: one after the other would
/// never be answered.
#[test]
fn all_requests_are_sent_before_any_answer() {
    for is_spinning in [false, true] {
        let server = Server::start(Behaviour { hold_until: REQUESTS as u64, ..Behaviour::default() });
        let outcome = burst::run(&Burst { is_spinning, ..burst(&server) }).unwrap().faultless().unwrap();
        assert_eq!((outcome.requests, outcome.responses, outcome.refused), (50, 50, 0));
        assert_eq!(outcome.latency_ns.len(), 50);
        let last = Duration::from_nanos(outcome.latency_at(1.0).unwrap());
        // They are the same instant, up to the histogram's three digits.
        assert!(last >= outcome.duration && last <= outcome.duration.mul_f64(1.001), "{outcome:?}");
        assert!(outcome.sending < last);
    }
}

#[test]
fn every_request_is_counted_once() {
    let reply = |number| match number % 5 {
        0 => Reply::Status(503),
        1 => Reply::Status(500),
        2 => Reply::Close,
        3 => Reply::Never,
        _ => Reply::Right,
    };
    let server = Server::start(Behaviour { reply, hold_until: REQUESTS as u64, ..Behaviour::default() });
    let outcome = burst::run(&Burst { patience: Duration::from_millis(500), ..burst(&server) }).unwrap();
    let faults = outcome.problems.faults;
    assert_eq!(
        [
            outcome.responses,
            outcome.refused,
            faults.status_count,
            faults.transfer_count,
            faults.timed_out_count
        ],
        [10; 5],
        "{outcome:?}"
    );
    assert!(outcome.latency_at(0.2).is_some() && outcome.latency_at(0.21).is_none());
    assert!(outcome.faultless().is_err());
}

#[test]
fn a_large_request_is_sent_whole() {
    let server = Server::start(Behaviour::default());
    let mut burst = burst(&server);
    // Far more than a socket's buffers take at once.
    let padding = format!("GET / HTTP/1.1\r\nx-padding: {}\r\n\r\n", "x".repeat(16 << 20));
    (burst.request.bytes, burst.requests) = (padding.into(), 2);
    let outcome = burst::run(&burst).unwrap().faultless().unwrap();
    assert_eq!(outcome.responses, 2);
}

#[test]
fn a_burst_without_a_server_is_an_error() {
    // A port that is taken, and at which nobody listens.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = closed.local_addr().unwrap();
    let server = Server::start(Behaviour::default());
    let error = burst::run(&Burst { address, ..burst(&server) }).unwrap_err();
    assert!(format!("{error:#}").contains(&format!("connection 1 of 50 to {address} failed")), "{error:#}");
}
