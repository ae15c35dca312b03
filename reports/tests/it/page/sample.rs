//! A run with plausible numbers: four executors, four functions, two variants, every
//! experiment. The numbers are made up, and only their shapes are true.

mod models;
mod run;

use isolab_reports::row::{Cold, HOST, LATENCIES, Limit};
use isolab_reports::{Row, RunFolder};

use crate::support::{block, number};
use models::{FUNCTIONS, MODELS, Model};

/// Numbers that look as if they were measured, the same in each run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        // Constants of Knuth's MMIX, as in Numerical Recipes.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn around(&mut self, value: f64) -> u64 {
        (value * (0.97 + 0.06 * self.next())).round() as u64
    }
}

/// The sample run; `density` multiplies the number of starts.
pub(crate) fn folder(density: u64) -> RunFolder {
    let mut noise = Noise(7);
    let mut rows = Vec::new();
    for (function, rust, js) in FUNCTIONS {
        for (variant, work) in [("rust", rust), ("js", js)] {
            for model in &MODELS {
                // There is no JavaScript without an engine.
                if model.spec == "direct" && variant == "js" {
                    continue;
                }
                let js = if variant == "js" && model.spec.starts_with("wasm") { 8.0 } else { 1.0 };
                for repetition in 0..2 {
                    let base = Row { repetition, ..block(model.spec, function, variant) };
                    startup(&mut rows, &mut noise, &base, model, work, js, density);
                    memory(&mut rows, &mut noise, &base, model, js);
                    loads(&mut rows, &mut noise, &base, model, work * js);
                    edges(&mut rows, &mut noise, &base, model, work * js);
                }
            }
        }
    }
    for sample in 0..32 {
        let drift = if sample > 24 { 1.012 } else { 1.0 };
        let row = Row { sample, ..block(HOST, "", "") };
        put(&mut rows, &row, "calibration", "duration_ns", noise.around(5e6 * drift));
    }
    RunFolder { run: run::run(), rows }
}

fn put(rows: &mut Vec<Row>, base: &Row, phase: &str, metric: &str, value: u64) {
    rows.push(number(base, phase, metric, value));
}

fn startup(
    rows: &mut Vec<Row>,
    noise: &mut Noise,
    base: &Row,
    model: &Model,
    work: f64,
    js: f64,
    density: u64,
) {
    let start = model.start_ns * js;
    for (cached, factor) in [(false, 900.0), (true, 18.0)] {
        let row = Row { cached: Some(cached), ..base.clone() };
        put(rows, &row, "prepare", "duration_ns", noise.around((start.sqrt() * 1e3 + 2e4) * factor / 18.0));
        let first = start + work + 3e5 * factor;
        put(
            rows,
            &Row { cold: Some(Cold::Function), ..row.clone() },
            "response",
            "duration_ns",
            noise.around(first),
        );
    }
    let host = Row { cold: Some(Cold::Host), cached: Some(true), ..base.clone() };
    put(rows, &host, "response", "duration_ns", noise.around(start + work + 21e6));
    for twin in [None, Some(true)] {
        if twin.is_some() && base.function != "hello" {
            continue;
        }
        for sample in 0..model.samples * density {
            let row = Row { sample, uses: Some(1), reuse: Some("fresh".into()), twin, ..base.clone() };
            let this = noise.around(start) as f64;
            put(rows, &row, "start", "duration_ns", this as u64);
            for (lap, part) in model.laps {
                put(rows, &row, &format!("start.{lap}"), "duration_ns", (this * part) as u64);
            }
            let invoke = noise.around(model.invoke_ns + work) as f64;
            put(rows, &row, "invoke", "duration_ns", invoke as u64);
            put(rows, &row, "stop", "duration_ns", noise.around(start / 9.0));
            let cold = Row { cold: Some(Cold::Instance), ..row.clone() };
            put(rows, &cold, "response", "duration_ns", (this + invoke) as u64 + noise.around(21e3));
            let warm = Row { uses: Some(sample + 2), reuse: Some("warm".into()), ..row };
            put(rows, &warm, "response", "duration_ns", noise.around(model.invoke_ns / 2.0 + work + 18e3));
        }
    }
}

fn memory(rows: &mut Vec<Row>, noise: &mut Noise, base: &Row, model: &Model, js: f64) {
    for live in model.live {
        for invocations in [0, 1, 100] {
            let row = Row { live_instances: Some(*live), invocations: Some(invocations), ..base.clone() };
            let each = model.instance_bytes * js * *live as f64;
            let outside = model.spec.starts_with("docker");
            let server = model.idle_bytes + if outside { 0.0 } else { each };
            put(rows, &row, "memory", "pss_bytes", noise.around(server));
            put(rows, &row, "memory", "private_bytes", noise.around(server * 0.8));
            put(rows, &row, "memory", "model_bytes", noise.around(each * 0.9));
            if outside {
                put(rows, &row, "memory", "cgroup_bytes", noise.around(each * 0.3));
                put(rows, &row, "memory", "helpers_pss_bytes", noise.around(each * 0.7));
            }
        }
    }
}

/// Nanoseconds of a processor that a request takes.
fn cost(model: &Model, work: f64, reuse: &str) -> f64 {
    let start = if reuse == "fresh" { model.start_ns * 0.6 } else { 0.0 };
    11e3 + model.invoke_ns + work + start
}

fn loads(rows: &mut Vec<Row>, noise: &mut Noise, base: &Row, model: &Model, work: f64) {
    for reuse in ["fresh", "warm"] {
        let cost = cost(model, work, reuse);
        let row = Row { reuse: Some(reuse.into()), ..base.clone() };
        for connections in model.connections {
            let busy = *connections as f64 / (*connections as f64 + 1.2);
            let rate = 1e9 / cost * busy;
            let latency = *connections as f64 / rate * 1e9;
            for sample in 0..3 {
                for twin in [None, Some(true)] {
                    if twin.is_some() && base.function != "hello" {
                        continue;
                    }
                    let row = Row { sample, twin, connections: Some(*connections), ..row.clone() };
                    put(rows, &row, "load", "responses_count", noise.around(rate * 0.3));
                    put(rows, &row, "load", "duration_ns", 300_000_000);
                    distribution(rows, noise, &row, "load", "latency", latency);
                    processor(rows, noise, &row, "load", model, rate * 0.3 * cost, reuse);
                }
            }
        }
        for percent in [10, 25, 50, 75, 90, 110] {
            let best = 1e9 / cost * 0.97;
            let offered = best * percent as f64 / 100.0;
            let answered = offered.min(best);
            let wait = if percent > 100 { 400.0 } else { 1.0 / (1.02 - percent as f64 / 100.0) };
            let row =
                Row { rate_per_s: Some(offered as u64 + 1), load_percent: Some(percent), ..row.clone() };
            put(rows, &row, "open", "offered_count", (offered * 3.0) as u64);
            put(rows, &row, "open", "responses_count", (answered * 3.0) as u64);
            put(rows, &row, "open", "dropped_count", ((offered - answered) * 2.0) as u64);
            put(rows, &row, "open", "duration_ns", 3_000_000_000);
            distribution(rows, noise, &row, "open", "latency", cost * wait + 2e4);
            distribution(rows, noise, &row, "open", "service", cost * wait.min(3.0) + 2e4);
        }
    }
}

fn distribution(rows: &mut Vec<Row>, noise: &mut Noise, row: &Row, phase: &str, kind: &str, p50: f64) {
    let factors = [0.8, 0.9, 1.0, 1.15, 1.4, 1.7, 2.9, 6.5, 14.0];
    for ((name, _), factor) in LATENCIES.iter().zip(factors) {
        put(rows, row, phase, &format!("{kind}_{name}_ns"), noise.around(p50 * factor));
    }
}

fn processor(
    rows: &mut Vec<Row>,
    noise: &mut Noise,
    row: &Row,
    phase: &str,
    model: &Model,
    total: f64,
    reuse: &str,
) {
    let outside = model.spec.starts_with("docker");
    let server = if outside { total * 0.35 } else { total };
    put(rows, row, phase, "cpu_ns", noise.around(server));
    put(rows, row, phase, "user_cpu_ns", noise.around(server * 0.62));
    put(rows, row, phase, "system_cpu_ns", noise.around(server * 0.38));
    if outside {
        put(rows, row, phase, "cgroup_cpu_ns", noise.around(total * 0.35));
        put(rows, row, phase, "helpers_cpu_ns", noise.around(total * 0.12));
        put(
            rows,
            row,
            phase,
            "daemon_cpu_ns",
            noise.around(total * if reuse == "fresh" { 0.4 } else { 0.01 }),
        );
    }
}

fn edges(rows: &mut Vec<Row>, noise: &mut Noise, base: &Row, model: &Model, work: f64) {
    for reuse in ["fresh", "warm"] {
        for at_once in [1, 4, 16, 64] {
            let row = Row { reuse: Some(reuse.into()), connections: Some(at_once), ..base.clone() };
            let last = cost(model, work, reuse) * at_once as f64 + 1e5;
            put(rows, &row, "burst", "responses_count", at_once);
            put(rows, &row, "burst", "duration_ns", noise.around(last));
            put(rows, &row, "burst", "latency_p99_ns", noise.around(last));
        }
    }
    let most = (1.5e9 / model.instance_bytes).min(1000.0) as u64;
    for live in [1, 4, 16, 64, 256, most].into_iter().filter(|live| *live <= most) {
        let row = Row { live_instances: Some(live), ..base.clone() };
        put(
            rows,
            &row,
            "density",
            "held_bytes",
            noise.around(model.idle_bytes + model.instance_bytes * live as f64),
        );
        let latency = (model.invoke_ns + work + 2e4) * (1.0 + live as f64 / 300.0);
        put(rows, &row, "density", "latency_p99_ns", noise.around(latency));
    }
    let limit = if most == 1000 { Limit::Instances } else { Limit::Memory };
    let row = Row { limit: Some(limit), live_instances: Some(most), ..base.clone() };
    put(rows, &row, "density", "instances_count", most);
}
