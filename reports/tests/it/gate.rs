//! The gate of `isolab report OLD NEW` against simulated runs whose truth is known: drawn like real
//! ones, with a host that differs from run to run, from repetition to repetition and from process
//! to process.
//!
//! Seeds are fixed, so every test always gives the same result.

use hdrhistogram::Histogram;
use isolab_reports::compare::{self, Compared};
use isolab_reports::row::HOST;
use isolab_reports::{Latencies, Row, RunFolder, Summary};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};

use crate::support::{self, block, number};

const EXECUTORS: [(&str, f64); 3] = [("wasm", 10e3), ("v8", 100e3), ("docker", 1e6)];
const FUNCTIONS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const CONNECTIONS: [u64; 4] = [1, 8, 32, 128];
const REPETITIONS: u32 = 5;
/// The default of `report --smallest-percent`.
const SMALLEST: f64 = 0.05;

/// The deviations of the host's speed, on the scale of logarithms.
struct Host {
    random: ChaCha8Rng,
    of_runs: f64,
    of_repetitions: f64,
    of_processes: f64,
}

impl Host {
    fn factor(&mut self, deviation: f64) -> f64 {
        LogNormal::new(0.0, deviation).unwrap().sample(&mut self.random)
    }

    /// A run in which `wasm` takes `slower` times as long for everything.
    fn run(&mut self, id: &str, slower: f64) -> Summary {
        let executors = EXECUTORS.map(|(name, _)| support::executor(name, name, "a model"));
        let mut folder = RunFolder { run: support::run(executors.to_vec(), Vec::new()), rows: Vec::new() };
        folder.run.id = id.into();
        let run = self.factor(self.of_runs);
        for repetition in 0..REPETITIONS {
            let repetition_ns = run * self.factor(self.of_repetitions);
            for function in FUNCTIONS {
                for (executor, start_ns) in EXECUTORS {
                    let base = Row { repetition, ..block(executor, function, "rust") };
                    let code = if executor == "wasm" { slower } else { 1.0 };
                    let speed = repetition_ns * self.factor(self.of_processes);
                    self.startup(&mut folder.rows, &base, start_ns * speed * code);
                    self.loads(&mut folder.rows, &base, start_ns * speed * code);
                    self.memory(&mut folder.rows, &base, start_ns);
                }
                let base = Row { repetition, sample: folder.rows.len() as u64, ..block(HOST, "", "") };
                let loop_ns = 1e7 * repetition_ns * self.factor(self.of_processes);
                folder.rows.push(number(&base, "calibration", "duration_ns", loop_ns as u64));
            }
        }
        Summary::of(&folder)
    }

    fn startup(&mut self, rows: &mut Vec<Row>, base: &Row, start_ns: f64) {
        for sample in 0..15 {
            let value = (start_ns * self.factor(0.2)) as u64;
            rows.push(Row { sample, uses: Some(1), ..number(base, "start", "duration_ns", value) });
            let warm = Row { sample, uses: Some(sample + 2), reuse: Some("warm".into()), ..base.clone() };
            rows.push(number(&warm, "response", "duration_ns", (3.0 * start_ns * self.factor(0.2)) as u64));
        }
    }

    fn loads(&mut self, rows: &mut Vec<Row>, base: &Row, answer_ns: f64) {
        for connections in CONNECTIONS {
            for sample in 0..3 {
                let reuse = Some("warm".to_owned());
                let window = Row { sample, reuse, connections: Some(connections), ..base.clone() };
                let noise = self.factor(0.02);
                rows.push(number(&window, "load", "duration_ns", (1_000.0 * answer_ns * noise) as u64));
                rows.push(number(&window, "load", "responses_count", 1_000));
                let cpu_ns = (900.0 * answer_ns * self.factor(0.02)) as u64;
                rows.push(number(&window, "load", "cpu_ns", cpu_ns));
                let mut histogram = Histogram::<u64>::new(2).unwrap();
                for _ in 0..40 {
                    let latency_ns = answer_ns * connections as f64 * self.factor(0.3);
                    histogram.record_n(latency_ns as u64 + 1, 25).unwrap();
                }
                let histogram = Some(Latencies::from(&histogram));
                rows.push(Row { histogram, ..number(&window, "load", "latency_count", 1_000) });
            }
        }
    }

    fn memory(&mut self, rows: &mut Vec<Row>, base: &Row, each: f64) {
        for live in [1, 4, 8, 16] {
            let bytes = (1e7 + each * live as f64) * self.factor(0.001);
            let at = Row { live_instances: Some(live), invocations: Some(1), ..base.clone() };
            rows.push(number(&at, "memory", "pss_bytes", bytes as u64));
        }
    }

    fn pair(&mut self, slower: f64) -> Compared {
        let runs = [self.run("old", 1.0), self.run("new", slower)];
        compare::compare(&runs).unwrap()
    }
}

/// A host whose speed differs by these deviations between runs, repetitions and processes.
fn host(seed: u64, [of_runs, of_repetitions, of_processes]: [f64; 3]) -> Host {
    Host { random: ChaCha8Rng::seed_from_u64(seed), of_runs, of_repetitions, of_processes }
}

const QUIET: [f64; 3] = [0.01, 0.02, 0.02];
const DRIFTING: [f64; 3] = [0.03, 0.04, 0.03];

#[test]
fn identical_code_passes_in_a_hundred_of_a_hundred_pairs() {
    let mut hosts = [host(1, QUIET), host(2, DRIFTING)];
    let mut figures = usize::MAX;
    for pair in 0..100 {
        let compared = hosts[pair % 2].pair(1.0);
        figures = figures.min(compared.runs[0].changes.len());
        let worse = compared.worse(SMALLEST).map(|change| (&change.executor, &change.after.name));
        assert_eq!(worse.collect::<Vec<_>>(), Vec::new(), "pair {pair}");
    }
    assert!(figures > 300, "{figures} figures");
}

#[test]
fn a_slowdown_by_a_fifth_closes_the_gate() {
    let mut host = host(3, QUIET);
    for pair in 0..20 {
        let compared = host.pair(1.2);
        let worse: Vec<_> = compared.worse(SMALLEST).collect();
        let others = worse.iter().filter(|change| change.executor != "wasm").count();
        assert!(worse.len() > 20 && others == 0, "pair {pair}: {} worse, {others} of others", worse.len());
    }
}
