//! Waiting: a function that waits, with one to a thousand requests in flight.
//!
//! A closed loop has as many requests in flight as connections. Each number has a child of its own,
//! so that the memory of one does not hide that of the next. The server's memory is read at rest,
//! after one answer, and again while all of the requests wait.

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::cost::{self, Meter};
use super::load::{self, PATIENCE};
use super::rows::Rows;
use super::{Bench, BlockProfile, Extent};
use crate::host::probes::places::Held;
use crate::load::closed::{self, ClosedLoad, Span};

/// Requests in flight for each instance outside of the server that a host is taken to bear.
const OUTSIDE: usize = 10;

/// Has every number of requests wait, one after the other.
///
/// # Errors
/// If an answer is faulty, or the child's cost or memory cannot be read.
pub fn measure(bench: &Bench<'_>, profile: &BlockProfile, rows: &mut Rows<'_>) -> Result<()> {
    let reuse = Reuse::Warm;
    let amounts = bench.amounts(profile).waiting;
    let concurrency = concurrency(bench);
    for in_flight in amounts.in_flight.iter().copied() {
        if profile.is_outside() && in_flight > OUTSIDE * concurrency {
            break;
        }
        let extent = Extent { instances: Some(in_flight + 1), ..bench.extent() };
        // The pages of control find the instances outside of the server.
        let child = bench.child_with(reuse, bench.cache, profile.is_outside(), &extent)?;
        let (request, expected) = load::expected(bench, &child)?;
        let instances = in_flight.div_ceil(concurrency);
        let places = cost::places(bench, profile, reuse, &child, instances)?;
        let base = rows.row_of(reuse, "waiting", 0);
        let at_rest = Row { connections: Some(0), ..base.clone() };
        let window_of = |sample| Row { connections: Some(in_flight as u64), sample, ..base.clone() };
        add_held(rows, &at_rest, profile, &places.held()?);

        let span = Span::lasting(amounts.window);
        let load = ClosedLoad {
            addresses: vec![child.address()],
            request,
            expected,
            connections: in_flight,
            windows: vec![span; 1 + amounts.windows as usize],
            patience: PATIENCE,
            is_spinning: load::is_spinning(bench, profile),
        };
        let mut meter = Meter::new(&places, load.windows.len());
        let (mut boundaries, mut held) = (load.windows.len(), None);
        let outcome = closed::run(&load, || {
            meter.read();
            // Reading takes milliseconds, which no window must contain.
            if boundaries == 0 {
                held = Some(places.held());
            }
            boundaries = boundaries.saturating_sub(1);
        })?;
        let outcome = outcome.faultless().with_context(|| format!("{in_flight} requests in flight"))?;
        for (sample, (window, cost)) in outcome.windows.iter().zip(meter.windows()?).skip(1).enumerate() {
            let row = window_of(sample as u64);
            load::add_window(rows, &row, window);
            rows.add(&row, "in_flight_count", in_flight as u64);
            cost.add(rows, &row, profile);
        }
        let held = held.context("the load has no last boundary")??;
        add_held(rows, &window_of(u64::from(amounts.windows)), profile, &held);
        child.stop()?;
        rows.commit()?;
    }
    Ok(())
}

/// How many requests one instance answers at the same time, by its spec.
fn concurrency(bench: &Bench<'_>) -> usize {
    let setting = bench.block.spec.settings().find(|(key, _)| *key == "concurrency");
    setting.and_then(|(_, value)| value.parse().ok()).unwrap_or(1)
}

fn add_held(rows: &mut Rows<'_>, row: &Row, profile: &BlockProfile, held: &Held) {
    rows.add(row, "pss_bytes", held.child.pss_bytes);
    rows.add(row, "page_tables_bytes", held.child.page_tables_bytes);
    if profile.is_outside() {
        rows.add(row, "cgroup_bytes", held.cgroup_bytes);
        rows.add(row, "helpers_pss_bytes", held.helpers.pss_bytes);
        rows.add(row, "helpers_page_tables_bytes", held.helpers.page_tables_bytes);
    }
}
