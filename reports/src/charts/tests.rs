//! Charts of rows with known results.

use super::*;
use crate::figures::Summary;
use crate::rows::row::{Cold, LATENCIES};
use crate::rows::{Row, RunFolder};

const RUN: &str = r#"{"schema": 2, "id": "a", "status": "complete", "command": [], "seed": 1, "started": "",
    "ended": null, "preset": {}, "machine": {}, "build": {}, "cells": [], "notes": [],
    "executors": [{"name": "wasm", "spec": "wasm:a", "model": "", "versions": [], "unavailable": null}],
    "host_warnings": [], "blocks_done": [],
    "prices": {"per_cpu_second": 0, "per_gib_second": 0, "currency": "", "source": ""},
    "selection": {"executors": [], "functions": [], "variants": [], "reuses": [], "experiments": []}}"#;

fn folder(rows: Vec<Row>) -> RunFolder {
    RunFolder { run: serde_json::from_str(RUN).unwrap(), rows }
}

fn row(phase: &str, metric: &str, value: u64) -> Row {
    Row {
        executor: "wasm:a".into(),
        function: "hello".into(),
        variant: "rust".into(),
        reuse: Some("warm".into()),
        phase: phase.into(),
        metric: metric.into(),
        value,
        ..Row::default()
    }
}

fn only_line(chart: Option<Chart>) -> Line {
    match chart {
        Some(Chart::Lines { panels, .. }) => panels[0].items[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn only_bar(chart: Option<Chart>) -> Bar {
    match chart {
        Some(Chart::Bars { panels, .. }) => panels[0].items[0].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_fit_finds_sixteen_mebibytes_per_instance_and_leaves_the_idle_server_out() {
    let at = |live: u64, metric: &str, value: u64| Row {
        live_instances: Some(live),
        invocations: Some(1),
        ..row("memory", metric, value)
    };
    // Half in the server and half outside; the other two metrics must not count.
    let live = |live: u64| {
        [
            at(live, "pss_bytes", 9_000_000 + live * (8 << 20)),
            at(live, "cgroup_bytes", live * (8 << 20)),
            at(live, "private_bytes", 1 << 40),
            at(live, "model_bytes", 1 << 40),
        ]
    };
    let mut rows: Vec<_> = [1, 2, 8].into_iter().flat_map(live).collect();
    rows.push(at(0, "pss_bytes", 1 << 30));
    let folder = folder(rows);
    let summary = Summary::of(&folder);
    let curve = only_line(memory::growth(&summary));
    assert_eq!(curve.note.unwrap(), "16.0 MiB each, from 8.58 MiB");
    let (most, bytes) = *curve.fit.last().unwrap();
    assert!((most - 8.0).abs() < 1e-9 && (bytes - (9e6 + 8.0 * f64::from(16 << 20))).abs() < 1.0);
}

#[test]
fn parts_of_a_start_follow_each_other() {
    let first = |phase: &str, value| Row { uses: Some(1), ..row(phase, "duration_ns", value) };
    let rows = vec![
        first("start", 1000),
        first("start.z", 600),
        first("start.a", 300),
        first("invoke", 500),
        Row { uses: Some(2), ..row("invoke", "duration_ns", 7) },
        Row { cold: Some(Cold::Instance), ..first("response", 5000) },
    ];
    let bar = only_bar(startup::first_answer(&Summary::of(&folder(rows))));
    let parts: Vec<_> = bar.parts.iter().map(|part| (part.name.as_str(), part.from, part.to)).collect();
    assert_eq!(
        parts,
        [
            ("start.z", 0.0, 600.0),
            ("start.a", 600.0, 900.0),
            ("start, the rest", 900.0, 1000.0),
            ("invoke", 1000.0, 1500.0),
            ("connection and front end", 1500.0, 5000.0)
        ]
    );
    assert_eq!(bar.total, "5.00 µs");
}

#[test]
fn shares_of_processor_time_add_up() {
    let at = |metric: &str, value| Row { connections: Some(4), ..row("load", metric, value) };
    let rows = vec![
        at("responses_count", 10),
        at("duration_ns", 1_000_000_000),
        at("cpu_ns", 600_000),
        // Ticks are coarse: they give the proportion, one to three, and not the amount.
        at("user_cpu_ns", 10_000_000),
        at("system_cpu_ns", 30_000_000),
        at("cgroup_cpu_ns", 400_000),
    ];
    let bar = only_bar(cpu::per_request(&Summary::of(&folder(rows)), "warm"));
    let parts: Vec<_> =
        bar.parts.iter().map(|part| (part.name.as_str(), part.to.round(), part.value.as_str())).collect();
    assert_eq!(
        parts,
        [
            ("server, user", 15.0, "15.0 µs"),
            ("server, system", 60.0, "45.0 µs"),
            ("containers", 100.0, "40.0 µs")
        ]
    );
    assert_eq!(bar.total, "100 µs at 4");
}

#[test]
fn a_server_that_answers_less_than_is_offered_is_saturated() {
    let at = |rate: u64, metric: &str, value| Row { rate_per_s: Some(rate), ..row("open", metric, value) };
    let load = |rate: u64, answered: u64, dropped: u64| {
        [
            at(rate, "duration_ns", 1_000_000_000),
            at(rate, "offered_count", rate),
            at(rate, "responses_count", answered),
            at(rate, "dropped_count", dropped),
            at(rate, "latency_p99_ns", 1000 * rate),
        ]
    };
    let rows = [load(1000, 1000, 0), load(2000, 1910, 0), load(3000, 2999, 1), load(4000, 3790, 0)].concat();
    let summary = Summary::of(&folder(rows));
    let line = only_line(load::achieved(&summary, "warm"));
    let saturated: Vec<_> = line.points.iter().map(|point| (point.x, point.saturated)).collect();
    assert_eq!(saturated, [(1000.0, false), (2000.0, false), (3000.0, true), (4000.0, true)]);
    let line = only_line(load::open_latency(&summary, "warm"));
    let latencies: Vec<_> = line.points.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(latencies, [(1000.0, 1e6), (2000.0, 2e6)], "a saturated server has no latency");
}

#[test]
fn repetitions_of_one_load_are_one_point() {
    // Each repetition offers parts of its own capacity.
    let at = |repetition: u32, percent: u64, rate: u64, p99| {
        let numbers = [
            ("duration_ns", 1_000_000_000),
            ("offered_count", rate),
            ("responses_count", rate),
            ("latency_p99_ns", p99),
        ];
        numbers.map(|(metric, value)| Row {
            repetition,
            load_percent: Some(percent),
            rate_per_s: Some(rate),
            ..row("open", metric, value)
        })
    };
    let rows = [
        at(0, 50, 1000, 1000),
        at(0, 90, 1800, 5000),
        at(1, 50, 2000, 3000),
        at(1, 90, 3600, 9000),
        at(2, 50, 1200, 2300),
        at(2, 90, 1980, 9700),
    ]
    .concat();
    let line = only_line(load::open_latency(&Summary::of(&folder(rows)), "warm"));
    let points: Vec<_> = line.points.iter().map(|point| (point.x, point.y, point.samples)).collect();
    // The mean over the repetitions, as in the tables.
    assert_eq!(points, [(1400.0, 2100.0, 3), (2460.0, 7900.0, 3)]);
}

#[test]
fn percentiles_lie_as_far_apart_as_their_nines() {
    let at = |metric: &str, value| Row { connections: Some(1), ..row("load", metric, value) };
    let latencies =
        LATENCIES.iter().zip(1..).map(|((name, _), value)| at(&format!("latency_{name}_ns"), value));
    let rows = latencies.chain([at("responses_count", 10_000)]).collect();
    let (chart, connections) = latency::closed(&Summary::of(&folder(rows)), "warm").unwrap();
    assert_eq!(connections, 1);
    let points = only_line(Some(chart)).points;
    let places: Vec<_> = points.iter().map(|point| (point.x.log10() * 1000.0).round() / 1000.0).collect();
    assert_eq!(places[4..8], [1.0, 1.301, 2.0, 3.0]);
    assert!(points.windows(2).all(|two| two[0].x < two[1].x && two[0].y < two[1].y));
}

#[test]
fn twins_are_compared_and_count_nowhere_else() {
    let one = Row { reuse: None, ..row("start", "duration_ns", 100) };
    let other = Row { twin: Some(true), value: 110, ..one.clone() };
    let summary = Summary::of(&folder(vec![one, other]));
    let Some(Chart::Dots { panels, .. }) = noise::twins(&summary) else { panic!("no chart") };
    assert!((panels[0].items[0].dots[0].value - 1.1).abs() < 1e-9);
    let Some((_, Chart::Dots { panels, .. })) = overview::at_a_glance(&summary).pop() else { panic!("none") };
    let Dot { value, samples, .. } = panels[0].items[0].dots[0];
    assert!((value - 100.0).abs() < 1e-9 && samples == 1, "{value} {samples}");
}
