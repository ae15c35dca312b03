//! How much a cell answers under a closed loop, how long answers take, and what they
//! cost.

use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use isolab_core::Reuse;
use isolab_reports::Row;
use isolab_reports::row::LATENCIES;

use super::cost::{self, Meter};
use super::rows::Rows;
use super::{Bench, Character, identity};
use crate::http1::Wire;
use crate::load::Expected;
use crate::load::closed::{self, ClosedLoad, ClosedWindow, Span};
use crate::server::child::Child;

/// The first window only fills pools and caches; of the others it is this part.
const WARM_UP: u32 = 2;
/// How long nothing may be answered. Longer than any function's deadline.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Loads a child with every number of connections, one after the other. Answers the
/// highest rate, in answers per second, and the connections that it was reached with.
pub fn measure(
    bench: &Bench<'_>,
    character: &Character,
    reuse: Reuse,
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<Capacity> {
    let mut capacity = Capacity { per_second: 0.0, connections: 1 };
    for connections in bench.amounts(character).load.connections {
        let places = cost::places(bench, character, reuse, child, *connections)?;
        let load = load(bench, character, child, *connections)?;
        let mut meter = Meter::new(&places, load.windows.len());
        let outcome = closed::run(&load, || meter.read())?;
        let outcome = outcome.faultless().with_context(|| format!("{connections} connections"))?;
        let windows: Vec<_> = outcome.windows.iter().zip(meter.windows()?).skip(1).collect();
        for (sample, (window, cost)) in windows.iter().enumerate() {
            let row =
                Row { connections: Some(*connections as u64), ..rows.row_of(reuse, "load", sample as u64) };
            add_window(rows, &row, window);
            cost.add(rows, &row, character);
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

/// What the closed loop reached.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Answers in a second: the median over the windows.
    pub per_second: f64,
    /// With so many connections.
    pub connections: usize,
}

/// What the load case must be answered with. Asks for it once.
pub fn expected(bench: &Bench<'_>, child: &Child) -> Result<(Wire, Expected)> {
    let case = bench.load_case();
    let request = Wire::of_case(case, bench.function(), &child.address().to_string())?;
    let first = child.connect()?.send(&request)?;
    identity::compare(case, &first.response)?;
    let status = first.response.status().as_u16();
    let body = case.expected_body();
    // A function without cases may answer differently each time.
    let is_strict = body.is_some();
    Ok((request, Expected { status, body: body.cloned().unwrap_or_default(), is_strict }))
}

/// Whether the load generator has a processor to itself: containers run on it too.
pub fn is_spinning(bench: &Bench<'_>, character: &Character) -> bool {
    bench.lab.pinning.is_some() && !character.is_outside()
}

fn load(bench: &Bench<'_>, character: &Character, child: &Child, connections: usize) -> Result<ClosedLoad> {
    let amounts = bench.amounts(character).load;
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
        is_spinning: is_spinning(bench, character),
    })
}

fn add_window(rows: &mut Rows<'_>, row: &Row, window: &ClosedWindow) {
    rows.add(row, "responses_count", window.responses);
    rows.add_duration(row, window.duration);
    add_latencies(rows, row, "latency", &window.latency_ns);
}

/// Adds the points of a distribution of latencies that are kept.
pub fn add_latencies(rows: &mut Rows<'_>, row: &Row, name: &str, latency_ns: &Histogram<u64>) {
    if latency_ns.is_empty() {
        return;
    }
    for (point, quantile) in LATENCIES {
        rows.add(row, &format!("{name}_{point}_ns"), latency_ns.value_at_quantile(quantile));
    }
}
