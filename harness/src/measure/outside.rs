//! The parts of a block's instances outside of the server's process, and how they are counted.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::rows::Rows;
use super::{Bench, BlockProfile};
use crate::executors;
use crate::host::probes::places::Passing;
use crate::http1::Client;
use crate::server::control;

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
    let groups = daemons.helper_groups(&helpers);
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
    if !executors::has_daemons(spec) {
        rows.remark(format!(
            "Instances of `{spec}` have no control group. Their memory is that of their pages and page tables; the \
             kernel's own memory for them, such as the stacks of their threads there, is not counted."
        ));
        return Ok(Found { is_outside: true, around, passing: Passing::Children });
    }
    if around.is_empty() {
        rows.remark(format!(
            "CPU time of `{spec}` without reuse is not counted: the engine did not make its containers in a \
             control group of the run, and another group would count other containers too."
        ));
    }
    let passing = match groups {
        Ok(groups) => Passing::By(groups),
        Err(reason) => {
            rows.remark(format!(
                "CPU time of the helpers of `{spec}` without reuse is not counted: {reason}."
            ));
            Passing::Uncounted
        }
    };
    Ok(Found { is_outside: true, around, passing })
}
