//! Confinement: attempts of a guest to reach its host, and which of them had an effect.
//!
//! The function `attempts` makes them in one request to one instance, and keeps the processes that it has started
//! until a second one. The host looks at its [canaries](Canaries) in between.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::{Reuse, Variant};
use isolab_reports::Row;
use isolab_reports::row::Attempt;

use super::rows::Rows;
use super::{Bench, Extent};
use crate::host::canaries::Canaries;
use crate::http1::{Client, Wire};
use crate::interrupt;
use crate::library;
use crate::server::child::Child;
use crate::server::control;

/// The variants that the function has.
const VARIANTS: [Variant; 2] = [Variant::Rust, Variant::Js];

/// Has a guest try everything. An attempt that cannot be made is written down with its reason and is not an error.
/// Only the first repetition tries: a boundary does not vary.
///
/// # Errors
/// If the run is interrupted, or the rows cannot be written.
pub fn measure(bench: &Bench<'_>, rows: &mut Rows<'_>) -> Result<()> {
    if bench.block.repetition > 0 || !VARIANTS.contains(&bench.block.variant) {
        return Ok(());
    }
    let outcomes = outcomes(bench);
    interrupt::check()?;
    let row = rows.row("confinement", 0);
    for (attempt, outcome) in Attempt::ALL.into_iter().zip(outcomes) {
        let row = Row { attempt: Some(attempt), failed: outcome.as_ref().err().cloned(), ..row.clone() };
        rows.add(&row, "succeeded_count", u64::from(outcome == Ok(true)));
    }
    Ok(rows.commit()?)
}

/// Whether each attempt succeeded, or why it could not be made.
fn outcomes(bench: &Bench<'_>) -> [Result<bool, String>; Attempt::ALL.len()] {
    let mut canaries = match Canaries::make() {
        Ok(canaries) => canaries,
        Err(error) => return Attempt::ALL.map(|_| Err(format!("{error:#}"))),
    };
    let mut guest = Guest::start(bench);
    let answer = guest
        .as_mut()
        .map_err(|error| format!("{error:#}"))
        .and_then(|guest| guest.ask(&canaries.query()).map_err(|error| format!("{error:#}")));
    let outcomes = Attempt::ALL.map(|attempt| match &answer {
        Ok(answer) => Ok(canaries.is_reached(attempt, answer)),
        // A guest may reach the host and then die of it.
        Err(reason) => {
            if canaries.is_reached(attempt, "") {
                Ok(true)
            } else {
                Err(reason.clone())
            }
        }
    });
    if let Ok(guest) = guest
        && let Err(error) = guest.end()
    {
        tracing::warn!("the guest of {} did not end in order: {error:#}", bench.block.name());
    }
    outcomes
}

/// The server with the function.
struct Guest {
    child: Child,
    client: Client,
}

impl Guest {
    fn start(bench: &Bench<'_>) -> Result<Self> {
        let functions = [library::attempts()];
        let extent = Extent { functions: &functions, ..bench.extent() };
        let child = bench.child_with(Reuse::Warm, bench.cache, true, &extent)?;
        let client = child.connect()?;
        Ok(Self { child, client })
    }

    fn ask(&mut self, query: &str) -> Result<String> {
        let target = format!("/attempts?{query}");
        let wire = Wire::to(&Method::GET, &target, &self.client.host(), HeaderMap::new(), Bytes::new())?;
        let response = control::expect_success(self.client.send(&wire)?.response)?;
        String::from_utf8(response.body().to_vec()).context("the answer is not text")
    }

    /// Ends the processes that the function has started, and then the server.
    fn end(mut self) -> Result<()> {
        let ended = self.ask("end=1");
        self.child.stop()?;
        ended.map(drop)
    }
}
