//! The closed loop: a cell's highest rate, the latencies of its answers, and their cost.

use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::{Function, Reuse};
use isolab_reports::Row;

use super::cost::{self, Meter};
use super::rows::Rows;
use super::{Bench, BlockProfile, identity, steady};
use crate::http1::Wire;
use crate::load::Expected;
use crate::load::closed::{self, ClosedLoad, ClosedWindow, Span};
use crate::server::child::Child;

/// The first window, which only fills pools and caches, is this many times shorter than the others.
const WARM_UP: u32 = 2;
/// A load is broken off after this time without an answer. It is longer than any function's
/// deadline.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Loads a child with every number of connections, one after the other.
///
/// # Errors
/// If an answer is faulty, or the child's cost cannot be read.
pub fn measure(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<Capacity> {
    let mut capacity = Capacity { per_second: 0.0, connections: 1 };
    for connections in bench.amounts(profile).load.connections {
        let places = cost::places(bench, profile, reuse, child, *connections)?;
        let load = load(bench, profile, child, *connections)?;
        let bounds = bench.amounts(profile).warm_up;
        if let Some(warmed_up) = steady::under_load(&load, reuse, profile.invoke, &bounds)? {
            let row = Row { connections: Some(*connections as u64), ..rows.row_of(reuse, "load", 0) };
            warmed_up.add(rows, &row);
        }
        let mut meter = Meter::new(&places, load.windows.len());
        let outcome = closed::run(&load, || meter.read())?;
        let outcome = outcome.faultless().with_context(|| format!("{connections} connections"))?;
        let windows: Vec<_> = outcome.windows.iter().zip(meter.windows()?).skip(1).collect();
        for (sample, (window, cost)) in windows.iter().enumerate() {
            let row =
                Row { connections: Some(*connections as u64), ..rows.row_of(reuse, "load", sample as u64) };
            add_window(rows, &row, window);
            cost.add(rows, &row, profile);
        }
        let mut rates: Vec<_> = windows.iter().map(|(window, _)| window.per_second()).collect();
        rates.sort_by(f64::total_cmp);
        let per_second = rates.get(rates.len() / 2).copied().unwrap_or_default();
        if per_second > capacity.per_second {
            capacity = Capacity { per_second, connections: *connections };
        }
        rows.commit()?;
    }
    Ok(capacity)
}

/// The highest rate of the closed loop.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Answers per second: the median over the windows.
    pub per_second: f64,
    /// The number of connections with which it was reached.
    pub connections: usize,
}

/// The request of the load case and its expected answer, which is checked once.
pub fn expected(bench: &Bench<'_>, child: &Child) -> Result<(Wire, Expected)> {
    expected_of(&bench.block.function, child)
}

/// The request of a function's load case and its expected answer, which is checked once.
pub fn expected_of(function: &Function, child: &Child) -> Result<(Wire, Expected)> {
    let case = function.load_case();
    let request = Wire::of_case(case, function.name(), &child.address().to_string())?;
    let first = child.connect()?.send(&request)?;
    identity::compare(case, &first.response)?;
    let status = first.response.status().as_u16();
    let body = case.expected_body();
    // A function without cases may answer differently each time.
    let is_strict = body.is_some();
    Ok((request, Expected { status, body: body.cloned().unwrap_or_default(), is_strict }))
}

/// Whether the load generator has a processor to itself.
pub fn is_spinning(bench: &Bench<'_>, profile: &BlockProfile) -> bool {
    bench.lab.is_generator_alone(profile.is_outside())
}

/// The load with this number of connections.
///
/// # Errors
/// If the expected answer is not given.
pub fn load(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    child: &Child,
    connections: usize,
) -> Result<ClosedLoad> {
    let amounts = bench.amounts(profile).load;
    let (request, expected) = expected(bench, child)?;
    let span = Span { duration: amounts.window, answers: amounts.window_answers };
    let warm_up = Span { duration: span.duration / WARM_UP, answers: span.answers.min(connections as u64) };
    let mut windows = vec![warm_up];
    windows.resize(1 + amounts.windows as usize, span);
    Ok(ClosedLoad {
        addresses: vec![child.address()],
        request,
        expected,
        connections,
        windows,
        patience: PATIENCE,
        is_spinning: is_spinning(bench, profile),
    })
}

/// Adds the answers of one window.
pub fn add_window(rows: &mut Rows<'_>, row: &Row, window: &ClosedWindow) {
    rows.add(row, "responses_count", window.responses);
    rows.add_duration(row, window.duration);
    rows.add_latencies(row, "latency_count", &window.latency_ns);
}
