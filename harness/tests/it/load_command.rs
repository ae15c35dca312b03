//! `isolab load --rate`, by the real binary over real sockets.

use std::time::Duration;

use crate::support::run;
use crate::support::server::{Behaviour, Reply, Server, Stalls};
use serde_json::Value;

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn a_rate_is_kept_and_accounted_for() {
    let server = Server::start(Behaviour::default());
    for (arrivals, seed) in [("constant", Value::Null), ("poisson", 7.into())] {
        let line =
            format!("load {} --rate 300 --duration 500ms --arrivals {arrivals} --seed 7", server.url());
        let finished = run(line.split(' ').chain(["--json"]));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let json = json(&finished.stdout);
        let number = |pointer: &str| {
            json.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {pointer}: {json}"))
        };
        assert_eq!((&json["arrivals"], &json["seed"]), (&arrivals.into(), &seed));
        let count = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("no {name}: {json}"));
        assert_eq!((count("rate_per_s"), count("duration_ns")), (300, 500_000_000));
        let offered = count("offered_count");
        // The seed makes the Poisson count, of mean 150 and standard deviation 12, one number.
        assert!(offered == 150 || arrivals == "poisson" && offered.abs_diff(150) < 60, "{json}");
        let [answered, dropped, unanswered] =
            ["requests_count", "dropped_count", "unanswered_count"].map(count);
        assert_eq!((offered, answered, unanswered), (answered + dropped, offered, 0), "{json}");
        assert!((number("/offered_per_s") - offered as f64 / 0.5).abs() < 1e-6, "{json}");
        assert!(number("/requests_per_s") > 0.0, "{json}");
        assert!(count("late_waiting_count") <= count("late_count"), "{json}");
        for kind in ["latency_ns", "service_ns"] {
            let points =
                ["min", "p50", "p90", "p99", "p999", "max"].map(|name| number(&format!("/{kind}/{name}")));
            assert!(points.is_sorted() && points[0] > 0.0, "{json}");
        }
        assert!(number("/latency_ns/p50") >= number("/service_ns/p50") * 0.999, "{json}");
        assert_eq!((count("errors_count"), count("differing_count")), (0, 0), "{json}");
    }
}

#[test]
fn the_text_has_both_latencies_side_by_side() {
    let server = Server::start(Behaviour::default());
    let finished = run(format!("load {} --rate 100 --duration 200ms", server.url()).split(' '));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let words =
        ["requests/s achieved of 100 offered", "dropped", "late", "from due", "from sending", "p99.9"];
    for word in words {
        assert!(finished.stdout.contains(word), "{word}: {}", finished.stdout);
    }
}

#[test]
fn faulty_answers_fail_the_load_and_percentiles_say_that_there_is_none() {
    // The first one sets what is expected.
    let reply = |number| if number < 10 { Reply::Right } else { Reply::Status(500) };
    let server = Server::start(Behaviour { reply, ..Behaviour::default() });
    let line = format!("load {} --rate 200 --duration 300ms", server.url());
    let finished = run(line.split(' '));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for word in ["no answer", "the first: status 500 instead of 200", "60 unanswered"] {
        assert!(finished.stdout.contains(word), "{word}: {}", finished.stdout);
    }
}

#[test]
fn a_server_that_closes_the_connection_is_bad_input() {
    let server = Server::start(Behaviour { reply: |_| Reply::Close, ..Behaviour::default() });
    let finished = run(format!("load {} --rate 10", server.url()).split(' '));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{finished:?}");
    assert!(finished.stderr.contains("does not answer"), "{finished:?}");
}

/// One thread that is stalled for 100 ms in every 200 ms: no rate keeps 20 ms, and each keeps 1 s.
#[test]
fn the_highest_rate_that_keeps_a_bound_is_searched() {
    let stalls = Some(Stalls { period: Duration::from_millis(200), length: Duration::from_millis(100) });
    let server = Server::start(Behaviour { stalls, ..Behaviour::default() });
    let line = format!("load {} --slo 20ms --duration 4s --seed 3 --arrivals poisson --json", server.url());
    let finished = run(line.split(' '));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let json = json(&finished.stdout);
    assert_eq!(
        (json["slo_rate_per_s"].as_u64(), json["slo_ns"].as_u64()),
        (None, Some(20_000_000)),
        "{json}"
    );
    let broken = json["slo_broken_rate_per_s"].as_u64().unwrap();
    let probes = json["probes"].as_array().unwrap();
    assert!(probes.iter().any(|probe| probe["rate_per_s"] == broken), "{json}");
    assert!(probes.iter().all(|probe| probe["latency_p99_ns"].as_u64().is_none_or(|p99| p99 > 20_000_000)));

    let line = format!("load {} --slo 1s --duration 500ms", server.url());
    let finished = run(line.split(' '));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("too short for one probe"), "{finished:?}");
}
