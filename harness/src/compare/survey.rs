//! The first server of each side: it builds the artifacts, and shows whether the sides answer
//! alike and what there is to read.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::Reuse;

use super::side::{SidePlace, SideSetup};
use crate::exit::BadInput;
use crate::http1::{Client, Wire};
use crate::measure::identity;
use crate::server::control;

/// Answers that are timed, and the longest time for them.
const ANSWERS: u32 = 50;
const LONGEST: Duration = Duration::from_secs(1);

/// Facts about a side, as its first server shows them.
#[derive(Clone, Debug)]
pub struct SideFacts {
    /// Versions of the engine and its parts.
    pub versions: Vec<(String, String)>,
    /// Whether instances are outside of the server's process.
    pub is_outside: bool,
    /// The time of the fastest of a few answers, on instances that are used as the reuse policy says.
    pub answer: Duration,
}

/// Starts a server of a side, and compares its answers with every case.
///
/// # Errors
/// If the executor cannot run here, cannot run the function, or answers a case differently.
pub fn survey(side: &SideSetup, place: &SidePlace, reuse: Reuse) -> Result<SideFacts> {
    let child = side.spawn(place, reuse, true)?;
    let mut client = child.connect()?;
    let executor = control::executor(&mut client)?;
    let (name, variant) = (side.function.name(), side.variant);
    if executor.cells.iter().all(|cell| (cell.function.as_str(), cell.variant) != (name, variant)) {
        let reason = refusal(&mut client, name)?;
        return Err(BadInput::because(format!("{} cannot run `{name}` as {variant}: {reason}", side.label)));
    }
    identity::check_all(&mut client, &side.function)
        .with_context(|| format!("answers of {} for `{name}`", side.label))?;
    let wire = Wire::of_case(side.case(), name, &client.host())?;
    let begun = Instant::now();
    let mut answer = client.send(&wire)?.duration;
    for _ in 0..ANSWERS {
        if begun.elapsed() > LONGEST {
            break;
        }
        answer = answer.min(client.send(&wire)?.duration);
    }
    let instances = control::instances(&mut client, name, 1, 0)?;
    let is_outside = instances.outside.iter().any(|outside| !outside.cgroups.is_empty());
    control::instances(&mut client, name, 0, 0)?;
    drop(client);
    child.stop()?;
    Ok(SideFacts { versions: executor.versions.into_iter().collect(), is_outside, answer })
}

/// The front end's answer to a request for a cell that it does not serve.
fn refusal(client: &mut Client, function: &str) -> Result<String> {
    let wire =
        Wire::to(&Method::GET, &format!("/{function}"), &client.host(), HeaderMap::new(), Bytes::new())?;
    let response = client.send(&wire)?.response;
    Ok(control::problem(&response).unwrap_or_else(|| format!("status {}", response.status())))
}
