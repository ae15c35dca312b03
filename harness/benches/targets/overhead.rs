//! The cost of measuring to the measured server: CPU time per answer of a server as in a run,
//! with its clocks and counters read at every window, over that of the same server started by
//! hand, whose CPU clock is read twice. Two processes differ by more than this cost, so one
//! process is also compared with itself.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::host::affinity::Pinning;
use isolab::host::probes::places::Places;
use isolab::host::probes::process;
use isolab::load::closed::Span;
use isolab::measure::cost::Meter;
use isolab::server::child::LISTENING;
use isolab_core::{Reuse, Variant};
use isolab_reports::statistics::{self, Bootstrap};

use crate::rounds::{self, Lab};
use crate::server::Server;

const TARGET: &str = "/hello?myName=World";
/// Repetitions with new processes. The place of a process in memory alone changes a few percent,
/// so more repetitions help more than more turns.
const REPETITIONS: usize = 40;
/// Turns of load in each repetition, close together because the machine drifts.
const TURNS: usize = 4;
/// Windows as in the default preset; the first one warms up.
const WINDOWS: [Span; 4] = [Span { duration: Duration::from_millis(150), answers: 1 }; 4];

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    rounds::pin_generator(pinning)?;
    for (spec, reuse) in [("direct", Reuse::Warm), ("wasm", Reuse::Fresh)] {
        let pairs = (0..REPETITIONS).map(|_| ratios(spec, reuse, pinning));
        let (by_hand, itself): (Vec<_>, Vec<_>) = pairs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        for (than, ratios) in [("by hand", by_hand), ("not watched", itself)] {
            let ratio =
                Bootstrap::default().median(&statistics::Samples::new(ratios)).context("no ratios")?;
            let interval = ratio.interval.context("an interval needs repetitions")?;
            rounds::line(
                &format!("{spec} hello rust {reuse}: CPU of an answer / {than}"),
                &format!("{:.3} [{:.3}, {:.3}]", ratio.value, interval.low, interval.high),
                "<= 1.02, 95 %",
            );
        }
    }
    Ok(())
}

/// Turn by turn: to another new process that was started by hand, and to the same one while
/// its windows are not watched.
fn ratios(spec: &str, reuse: Reuse, pinning: Option<Pinning>) -> Result<(Vec<f64>, Vec<f64>)> {
    let child = Lab::serve(spec, Variant::Rust, reuse, pinning)?;
    let by_hand = serve_by_hand(spec, reuse, pinning)?;
    let ratios = (0..TURNS).map(|turn| {
        // Neither is always the first.
        let earlier = (turn % 2 == 0).then(|| watched(&child, pinning)).transpose()?;
        let other = unwatched(by_hand.address, by_hand.pid(), pinning)?;
        let itself = unwatched(child.child().address(), child.child().pid(), pinning)?;
        let watched = earlier.map_or_else(|| watched(&child, pinning), Ok)?;
        Ok((watched / other, watched / itself))
    });
    let ratios = ratios.collect::<Result<_>>()?;
    child.stop()?;
    Ok(ratios)
}

/// CPU time of one answer, in nanoseconds, of a child as the harness measures it.
fn watched(lab: &Lab, pinning: Option<Pinning>) -> Result<f64> {
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

/// The same for a server whose counters are not read while it works.
fn unwatched(address: SocketAddr, pid: u32, pinning: Option<Pinning>) -> Result<f64> {
    let [warm_up, measured @ ..] = WINDOWS;
    let windows = vec![warm_up, Span::lasting(measured.iter().map(|span| span.duration).sum())];
    let mut clock = Vec::new();
    let outcome = rounds::load_in(address, TARGET, windows, pinning.is_some(), || {
        clock.push(process::cpu_time(pid));
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
