//! How much a cell answers under load, how long answers take, and what CPU time
//! they cost.

use std::time::Duration;

use anyhow::{Context, Result};
use isolab_core::Reuse;

use super::rows::{Rows, nanoseconds};
use super::{Bench, Character, page};
use crate::child::Child;
use crate::http1::Wire;
use crate::load::{self, Expected, Load, Span, Window};
use crate::probes::host::{Places, Spent};
use isolab_reports::Row;

/// The first window only fills pools and caches; of the others it is this part.
const WARM_UP: u32 = 2;
/// How long nothing may be answered. Longer than any function's deadline.
const PATIENCE: Duration = Duration::from_secs(30);

/// Loads a child with every number of connections, one after the other.
pub fn measure(
    bench: &Bench<'_>,
    character: &Character,
    reuse: Reuse,
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<()> {
    for connections in bench.amounts(character).connections {
        let places = places(bench, character, reuse, child, *connections)?;
        let load = load(bench, character, child, *connections)?;
        let (mut spent, mut failed) = (Vec::with_capacity(load.windows.len() + 1), None);
        let outcome = load::run(&load, || match places.spent() {
            Ok(until_now) => spent.push(until_now),
            Err(error) => failed = Some(error),
        })?;
        if let Some(error) = failed {
            return Err(error.context("CPU time under load"));
        }
        let outcome = outcome.faultless().with_context(|| format!("{connections} connections"))?;
        let costs = spent.windows(2).map(|pair| pair[1].since(pair[0]));
        for (sample, (window, cost)) in outcome.windows.iter().zip(costs).skip(1).enumerate() {
            let row =
                Row { connections: Some(*connections as u64), ..rows.row_of(reuse, "load", sample as u64) };
            add_window(rows, &row, window);
            add_cost(rows, &row, cost, character);
        }
        rows.commit()?;
    }
    Ok(())
}

/// Where CPU time is spent during the load. Instances in the server's process are in
/// its time. Of instances that are used again and lie outside there are beforehand as
/// many as connections, and each is read; those used once come and go, and only the
/// group around them sees all.
fn places(
    bench: &Bench<'_>,
    character: &Character,
    reuse: Reuse,
    child: &Child,
    connections: usize,
) -> Result<Places> {
    let mut places = Places::child(child.pid());
    if character.is_outside() && reuse == Reuse::Warm {
        let mut client = child.connect()?;
        places = page::instances(&mut client, bench.function(), connections as u64, 1)?.places(child.pid());
    } else {
        places.cgroups.clone_from(&character.around);
    }
    Ok(places)
}

fn load(bench: &Bench<'_>, character: &Character, child: &Child, connections: usize) -> Result<Load> {
    let amounts = bench.amounts(character);
    let case = bench.load_case()?;
    let first =
        child.connect()?.send(&Wire::of_case(case, bench.function(), &child.address().to_string())?)?;
    super::identity::compare(case, &first.response)?;

    let span = Span { duration: amounts.window, answers: amounts.window_answers };
    let warm_up = Span { duration: span.duration / WARM_UP, answers: span.answers.min(connections as u64) };
    let mut windows = vec![warm_up];
    windows.resize(1 + amounts.windows as usize, span);
    Ok(Load {
        addresses: vec![child.address()],
        request: Wire::of_case(case, bench.function(), &child.address().to_string())?,
        expected: Expected {
            status: first.response.status().as_u16(),
            body: case.expected_body().clone(),
            is_strict: true,
        },
        connections,
        windows,
        patience: PATIENCE,
        // Containers run on the load generator's processor too.
        is_spinning: bench.lab.pinning.is_some() && !character.is_outside(),
    })
}

fn add_window(rows: &mut Rows<'_>, row: &Row, window: &Window) {
    rows.add(row, "responses_count", window.responses);
    rows.add_duration(row, window.duration);
    for (metric, quantile) in [
        ("latency_p50_ns", 0.5),
        ("latency_p90_ns", 0.9),
        ("latency_p99_ns", 0.99),
        ("latency_p999_ns", 0.999),
        ("latency_max_ns", 1.0),
    ] {
        rows.add(row, metric, window.quantile_ns(quantile));
    }
}

fn add_cost(rows: &mut Rows<'_>, row: &Row, cost: Spent, character: &Character) {
    rows.add(row, "cpu_ns", nanoseconds(cost.child));
    if character.is_outside() {
        rows.add(row, "cgroup_cpu_ns", nanoseconds(cost.cgroup));
        rows.add(row, "helpers_cpu_ns", nanoseconds(cost.helper));
    }
}
