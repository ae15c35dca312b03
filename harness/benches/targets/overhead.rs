//! What measuring adds to the server that is measured: CPU time for an answer of a
//! server as a run has it, with its clocks and counters read at every window, over that
//! of the same server started by hand, whose CPU clock is read twice.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::affinity::Pinning;
use isolab::child::LISTENING;
use isolab::load::Span;
use isolab::measure::cost::Meter;
use isolab::probes::host::Places;
use isolab::probes::process;
use isolab_core::{Reuse, Variant};

use crate::rounds::{self, Lab, Samples};

const TARGET: &str = "/hello?myName=World";
/// Each with new processes: where a process lies in memory alone is worth a few percent.
const ROUNDS: usize = 15;
/// As in the default preset.
const WINDOW: Duration = Duration::from_millis(150);
const WINDOWS: u32 = 8;

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    rounds::pin_generator(pinning)?;
    for (spec, reuse) in [("direct", Reuse::Warm), ("wasm", Reuse::Fresh)] {
        let (mut measured, mut by_hand) = (Samples::default(), Samples::default());
        for round in 0..ROUNDS {
            // Neither is always the first.
            if round % 2 == 0 {
                measured.push(in_a_run(spec, reuse, pinning)?);
            }
            by_hand.push(started_by_hand(spec, reuse, pinning)?);
            if round % 2 == 1 {
                measured.push(in_a_run(spec, reuse, pinning)?);
            }
        }
        let title = format!("{spec} hello rust {reuse}: CPU of an answer, measured / by hand");
        rounds::line(&title, &measured.over(&by_hand).show(3), "<= 1.02");
    }
    Ok(())
}

/// CPU time of one answer, in nanoseconds, of a child of the harness.
fn in_a_run(spec: &str, reuse: Reuse, pinning: Option<Pinning>) -> Result<f64> {
    let lab = Lab::serve(spec, Variant::Rust, reuse, pinning)?;
    let windows: Vec<_> = std::iter::repeat_n(Span::lasting(WINDOW), 2 + WINDOWS as usize).collect();
    let places = Places::child(lab.child().pid());
    let mut meter = Meter::new(&places, windows.len());
    let outcome =
        rounds::load_in(lab.child().address(), TARGET, windows, pinning.is_some(), || meter.read())?;
    let costs = meter.windows()?.into_iter().zip(&outcome.windows).skip(2);
    let (cpu_ns, answers) = costs.fold((0, 0), |(cpu_ns, answers), (cost, window)| {
        (cpu_ns + cost.child().as_nanos(), answers + window.responses)
    });
    lab.stop()?;
    Ok(cpu_ns as f64 / answers as f64)
}

/// The same of a server that nobody watches.
fn started_by_hand(spec: &str, reuse: Reuse, pinning: Option<Pinning>) -> Result<f64> {
    let server = ByHand::serve(spec, reuse, pinning)?;
    let windows = vec![Span::lasting(WINDOW * 2), Span::lasting(WINDOW * WINDOWS)];
    let mut clock = Vec::new();
    let outcome = rounds::load_in(server.address, TARGET, windows, pinning.is_some(), || {
        clock.push(process::cpu_time(server.process.id()));
    })?;
    let clock = clock.into_iter().collect::<Result<Vec<_>>>()?;
    Ok((clock[2] - clock[1]).as_nanos() as f64 / outcome.windows[1].responses as f64)
}

/// `isolab serve` as a person types it; it is killed when dropped.
struct ByHand {
    process: Child,
    address: SocketAddr,
}

impl ByHand {
    fn serve(spec: &str, reuse: Reuse, pinning: Option<Pinning>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--workers", "1", "--listen", "127.0.0.1:0", "--variant", "rust"]);
        command.args(["--executor", spec, "--reuse", &reuse.to_string()]);
        command.args(pinning.iter().flat_map(|pinning| ["--cpu".into(), pinning.server_cpu.to_string()]));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = process.stdout.take().context("stdout is a pipe")?;
        // From here on it is ended whatever happens.
        let mut server = Self { process, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix(LISTENING).context("the server does not listen")?;
        server.address = address.parse()?;
        Ok(server)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // It may have ended by itself, which the load has noticed by then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
