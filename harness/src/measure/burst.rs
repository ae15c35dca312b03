//! The burst: many requests at once to an idle server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use isolab_core::Reuse;
use isolab_reports::Row;

use super::load::{PATIENCE, expected, is_spinning};
use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::load::burst::{self, Burst};
use crate::server::child::Child;
use crate::server::control;

/// How long connections are idle before the burst: the server accepts them in this time.
const IDLE: Duration = Duration::from_millis(20);

/// Sends every number of requests at once. If instances are used again, the pool has this many
/// idle ones before the burst, otherwise none. The child must have the control pages.
pub fn measure(
    bench: &Bench<'_>,
    profile: &BlockProfile,
    reuse: Reuse,
    child: &Child,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let amounts = bench.amounts(profile).burst;
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
                is_spinning: is_spinning(bench, profile),
            })?;
            let outcome = outcome.faultless().with_context(|| format!("{requests} requests at once"))?;
            ensure!(outcome.refused == 0, "{requests} requests at once: {} refused", outcome.refused);
            let row =
                Row { connections: Some(*requests as u64), ..rows.row_of(reuse, "burst", round.into()) };
            rows.add(&row, "responses_count", outcome.responses);
            rows.add_duration(&row, outcome.duration);
            rows.add_latencies(&row, "latency_count", &outcome.latency_ns);
        }
        rows.commit()?;
    }
    Ok(())
}
