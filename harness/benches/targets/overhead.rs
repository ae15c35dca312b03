//! What measuring adds to the server that is measured: CPU time for an answer of a
//! server as a run has it, with its clocks and counters read at every window, over that
//! of the same server started by hand, whose CPU clock is read twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::affinity::Pinning;
use isolab::child::LISTENING;
use isolab::load::Span;
use isolab::measure::cost::Meter;
use isolab::probes::host::Places;
use isolab::probes::process;
use isolab_core::{Reuse, Variant};
use isolab_reports::statistics::{self, Bootstrap};

use crate::rounds::{self, Lab};
use crate::server::Server;

const TARGET: &str = "/hello?myName=World";
/// How often both are new processes: where one lies in memory alone is worth a few percent,
/// so that many repetitions say more than many turns.
const REPETITIONS: usize = 40;
/// How often both are loaded in turn, close together as the machine drifts.
const TURNS: usize = 4;
/// Windows as in the default preset, the first to warm up.
const WINDOWS: [Span; 4] = [Span { duration: Duration::from_millis(150), answers: 1 }; 4];

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    rounds::pin_generator(pinning)?;
    for (spec, reuse) in [("direct", Reuse::Warm), ("wasm", Reuse::Fresh)] {
        let ratios = (0..REPETITIONS).map(|_| ratios(spec, reuse, pinning)).collect::<Result<Vec<_>>>()?;
        let ratio = Bootstrap::default().median(&statistics::Samples::new(ratios)).context("no ratios")?;
        let interval = ratio.interval.context("an interval needs repetitions")?;
        rounds::line(
            &format!("{spec} hello rust {reuse}: CPU of an answer / by hand"),
            &format!("{:.3} [{:.3}, {:.3}]", ratio.value, interval.low, interval.high),
            "<= 1.02, 95 %",
        );
    }
    Ok(())
}

/// Turn by turn, of two new processes.
fn ratios(spec: &str, reuse: Reuse, pinning: Option<Pinning>) -> Result<Vec<f64>> {
    let child = Lab::serve(spec, Variant::Rust, reuse, pinning)?;
    let by_hand = serve_by_hand(spec, reuse, pinning)?;
    let ratios = (0..TURNS).map(|turn| {
        // Neither is always the first.
        let earlier = (turn % 2 == 0).then(|| in_a_run(&child, pinning)).transpose()?;
        let other = started_by_hand(&by_hand, pinning)?;
        let measured = earlier.map_or_else(|| in_a_run(&child, pinning), Ok)?;
        Ok(measured / other)
    });
    let ratios = ratios.collect::<Result<_>>()?;
    child.stop()?;
    Ok(ratios)
}

/// CPU time of one answer, in nanoseconds, of a child of the harness.
fn in_a_run(lab: &Lab, pinning: Option<Pinning>) -> Result<f64> {
    let places = Places::child(lab.child().pid());
    let mut meter = Meter::new(&places, WINDOWS.len());
    let address = lab.child().address();
    let outcome = rounds::load_in(address, TARGET, WINDOWS.to_vec(), pinning.is_some(), || meter.read())?;
    let costs = meter.windows()?.into_iter().zip(&outcome.windows).skip(1);
    let (cpu_ns, answers) = costs.fold((0, 0), |(cpu_ns, answers), (cost, window)| {
        (cpu_ns + cost.child().as_nanos(), answers + window.responses)
    });
    Ok(cpu_ns as f64 / answers as f64)
}

/// The same of a server that nobody watches.
fn started_by_hand(server: &Server, pinning: Option<Pinning>) -> Result<f64> {
    let [warm_up, measured @ ..] = WINDOWS;
    let windows = vec![warm_up, Span::lasting(measured.iter().map(|span| span.duration).sum())];
    let mut clock = Vec::new();
    let outcome = rounds::load_in(server.address, TARGET, windows, pinning.is_some(), || {
        clock.push(process::cpu_time(server.pid()));
    })?;
    let clock = clock.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(clock[2].saturating_sub(clock[1]).as_nanos() as f64 / outcome.windows[1].responses as f64)
}

/// `isolab serve` as a person types it.
fn serve_by_hand(spec: &str, reuse: Reuse, pinning: Option<Pinning>) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--workers", "1", "--listen", "127.0.0.1:0", "--variant", "rust"]);
    command.args(["--executor", spec, "--reuse", &reuse.to_string()]);
    command.args(pinning.iter().flat_map(|pinning| ["--cpu".into(), pinning.server_cpu.to_string()]));
    Server::spawn(command.stderr(Stdio::null()), LISTENING)
}
