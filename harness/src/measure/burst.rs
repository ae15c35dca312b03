//! From idle to many requests at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::load::{PATIENCE, add_latencies, expected, is_spinning};
use super::rows::Rows;
use super::{Bench, Character};
use crate::load::burst::{self, Burst};
use crate::server::child::Child;
use crate::server::control;

/// How long connections are idle before: the server has accepted them by then.
const IDLE: Duration = Duration::from_millis(20);

/// Sends every number of requests at once. A pool that uses instances again holds as many
/// idle ones beforehand; one that does not holds none. The child must have the control
/// pages.
pub fn measure(
    bench: &Bench<'_>,
    character: &Character,
    reuse: Reuse,
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let amounts = bench.amounts(character).burst;
    for requests in amounts.requests {
        for round in 0..amounts.rounds {
            let idle = if reuse == Reuse::Fresh { 0 } else { *requests as u64 };
            control::instances(&mut child.connect()?, bench.function(), idle, idle.min(1))?;
            let (request, expected) = expected(bench, child)?;
            let outcome = burst::run(&Burst {
                address: child.address(),
                request,
                expected,
                requests: *requests,
                idle: IDLE,
                patience: PATIENCE,
                is_spinning: is_spinning(bench, character),
            })?;
            let outcome = outcome.faultless().with_context(|| format!("{requests} requests at once"))?;
            ensure!(outcome.refused == 0, "{requests} requests at once: {} refused", outcome.refused);
            let row =
                Row { connections: Some(*requests as u64), ..rows.row_of(reuse, "burst", round.into()) };
            rows.add(&row, "responses_count", outcome.responses);
            rows.add_duration(&row, outcome.duration);
            add_latencies(rows, &row, "latency", &outcome.latency_ns);
        }
        rows.commit()?;
    }
    Ok(())
}
