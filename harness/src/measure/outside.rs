//! The parts of a block's instances outside of the server's process, and their counters.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::executors;
use crate::host::probes::daemons::{Counter, Daemons};
use crate::host::probes::places::Passing;
use crate::host::probes::process;
use crate::http1::Client;
use crate::server::control;

/// How long helpers may take to end after their instance has stopped.
const GONE_TIMEOUT: Duration = Duration::from_secs(5);

/// The finding.
pub struct Found {
    is_outside: bool,
    around: Vec<PathBuf>,
    passing: Passing,
}

impl Found {
    /// The profile of a block with these medians of `start` and `invoke`.
    pub fn profile(self, start: Duration, invoke: Duration) -> BlockProfile {
        let Self { is_outside, around, passing } = self;
        BlockProfile { start, invoke, is_outside, around, passing }
    }
}

/// Starts an instance and stops it. Remarks in the run what is not counted, and why.
///
/// # Errors
/// If the server cannot start or stop an instance.
pub fn find(bench: &Bench<'_>, client: &mut Client, rows: &mut Rows<'_>) -> Result<Found> {
    let spec = &bench.block.spec;
    let daemons = executors::daemons(spec);
    let instances = control::instances(client, bench.function(), 1, 0)?;
    let outside = instances.outside.into_iter().next().unwrap_or_default();
    let (around, helpers) = (outside.around, outside.helpers);
    let counter = daemons.counter(&helpers);
    let before = counter.as_ref().ok().map(|counter| counter.read(&daemons.pids)).transpose()?;
    control::instances(client, bench.function(), 0, 0)?;
    if outside.cgroups.is_empty() && helpers.is_empty() {
        if executors::has_daemons(spec) {
            rows.remark(format!(
                "Instances of `{spec}` are outside of the server, and their control groups and helpers cannot be \
                 seen from here: its memory and CPU time are those of the server alone."
            ));
        }
        return Ok(Found { is_outside: false, around, passing: Passing::Uncounted });
    }
    if around.is_empty() {
        rows.remark(format!(
            "CPU time of `{spec}` without reuse is not counted: the engine did not make its containers in a \
             control group of the run, and another group would count other containers too."
        ));
    }
    let passing = match (counter, before) {
        (Ok(counter), Some(before)) if does_count(&counter, before, &helpers, &daemons)? => {
            rows.remark(remark(&counter, &spec.to_string()));
            Passing::By(counter)
        }
        (counter, _) => {
            let reason =
                counter.err().unwrap_or_else(|| "the process that adopts them counts no children".into());
            rows.remark(format!(
                "CPU time of the helpers of `{spec}` without reuse is not counted: {reason}."
            ));
            Passing::Uncounted
        }
    };
    Ok(Found { is_outside: true, around, passing })
}

/// Whether a counter has counted these helpers, which are about to end.
fn does_count(counter: &Counter, before: Duration, helpers: &[u32], daemons: &Daemons) -> Result<bool> {
    let begun = Instant::now();
    while helpers.iter().any(|pid| process::is_there(*pid)) && begun.elapsed() < GONE_TIMEOUT {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(counter.read(&daemons.pids)? > before)
}

fn remark(counter: &Counter, spec: &str) -> String {
    match counter {
        Counter::Groups(_) => format!(
            "CPU time of the helpers of `{spec}` without reuse is that of the control groups of the engine's \
             services, less the daemons' own."
        ),
        Counter::Adopter(pid) => format!(
            "CPU time of the helpers of `{spec}` without reuse is that of the ended children of the daemons and of \
             process {pid}, which adopts the helpers, less that of the containers. It includes any other \
             process that process {pid} adopts meanwhile, and comes in steps of the kernel's clock tick."
        ),
    }
}
