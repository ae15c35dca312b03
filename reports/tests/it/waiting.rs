//! Requests that wait: their figures and their table.

use hdrhistogram::Histogram;
use isolab_reports::{Format, Latencies, Row, RunFolder, Summary, render};

use crate::support::{self, block, number};

const WAIT_NS: u64 = 100_000_000;
const WINDOW_NS: u64 = 1_000_000_000;
const REST_BYTES: u64 = 10_000_000;

/// An executor that answers at most `most` requests in a second, and needs `each` bytes and `cpu_ns`
/// for a request that waits.
struct Model {
    name: &'static str,
    most: u64,
    each: u64,
    cpu_ns: u64,
}

const MODELS: [Model; 2] = [
    Model { name: "wasm", most: 20_000, each: 50_000, cpu_ns: 20_000 },
    Model { name: "v8", most: 5_000, each: 8_000, cpu_ns: 200_000 },
];

fn rows(model: &Model, repetition: u32) -> Vec<Row> {
    let base = Row { repetition, reuse: Some("warm".into()), ..block(model.name, "wait", "js") };
    let mut rows = Vec::new();
    for in_flight in [1, 10, 100, 1_000_u64] {
        let responses = (in_flight * WINDOW_NS / WAIT_NS).min(model.most);
        let at = |connections, sample| Row { connections: Some(connections), sample, ..base.clone() };
        rows.push(number(&at(0, 0), "waiting", "pss_bytes", REST_BYTES));
        let held = REST_BYTES + in_flight * model.each;
        rows.push(number(&at(in_flight, 1), "waiting", "pss_bytes", held));
        let window = at(in_flight, 0);
        for (metric, value) in [
            ("responses_count", responses),
            ("duration_ns", WINDOW_NS),
            ("in_flight_count", in_flight),
            ("cpu_ns", responses * model.cpu_ns),
        ] {
            rows.push(number(&window, "waiting", metric, value));
        }
        let mut latencies = Histogram::<u64>::new(2).unwrap();
        latencies.record_n(in_flight * WINDOW_NS / responses, responses).unwrap();
        let histogram = Some(Latencies::from(&latencies));
        rows.push(Row { histogram, ..number(&window, "waiting", "latency_count", responses) });
    }
    rows
}

fn summary() -> Summary {
    let executors = MODELS.map(|Model { name, .. }| support::executor(name, name, "a model"));
    let rows = MODELS.iter().flat_map(|model| (0..3).flat_map(|repetition| rows(model, repetition)));
    Summary::of(&RunFolder { run: support::run(executors.to_vec(), Vec::new()), rows: rows.collect() })
}

#[test]
fn a_waiting_request_has_its_memory_and_a_waited_second_its_cpu_time() {
    let summary = summary();
    for (figures, model) in summary.groups[0].executors.iter().zip(&MODELS) {
        let memory = figures.named("waiting_memory").next().unwrap();
        assert!((memory.estimate.value - model.each as f64).abs() < 1.0, "{memory:?}");
        for cpu in figures.named("waiting_cpu_per_second") {
            let in_flight = cpu.settings.connections.unwrap();
            let responses = (in_flight * 10).min(model.most);
            let expected = (responses * model.cpu_ns) as f64 / in_flight as f64;
            assert!((cpu.estimate.value / expected - 1.0).abs() < 1e-9, "{cpu:?} instead of {expected}");
        }
    }
}

#[test]
fn the_table_says_up_to_which_number_the_wait_dominates() {
    let report = render(&summary(), Format::Markdown);
    let begin = report.find("Requests that wait").expect("the table is there");
    let table = &report[begin..];
    let table = &table[..table.find("\n##").unwrap_or(table.len())];
    assert!(table.contains("Up to 100 in flight the wait dominates"), "{table}");
    insta::assert_snapshot!(table);
}
