//! The cost of bills: a server that bills one answer in 20, or every answer, against one that bills
//! none.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::host::affinity::Pinning;
use isolab::host::probes::process;
use isolab::load::closed::Span;
use isolab::server::child::LISTENING;
use isolab_core::{Reuse, Variant};
use isolab_reports::statistics::{self, Bootstrap};

use crate::rounds;
use crate::server::Server;

const TARGET: &str = "/hello?myName=World";
/// Repetitions with new processes: the place of a process in memory alone changes a few percent.
const REPETITIONS: usize = 12;
/// Turns of load in each repetition, close together because the machine drifts.
const TURNS: usize = 4;
/// The first one warms up.
const WINDOWS: [Span; 2] = [
    Span { duration: Duration::from_millis(50), answers: 1 },
    Span { duration: Duration::from_millis(150), answers: 1 },
];

const CELLS: [(&str, Variant, Reuse); 7] = [
    ("direct", Variant::Rust, Reuse::Warm),
    ("wasm", Variant::Rust, Reuse::Fresh),
    ("wasm", Variant::Rust, Reuse::Warm),
    ("v8", Variant::Rust, Reuse::Warm),
    ("v8", Variant::Js, Reuse::Warm),
    ("v8", Variant::Js, Reuse::Fresh),
    ("docker", Variant::Rust, Reuse::Warm),
];

/// The option of the server that bills, and the least rate and the highest cost that are aimed at.
const BILLS: [(&str, [&str; 2]); 2] =
    [("--bill", [">= 0.98, 95 %", "<= 1.02, 95 %"]), ("--bill=1", ["", ""])];

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    rounds::pin_generator(pinning)?;
    BILLS.into_iter().try_for_each(|(option, aims)| compare_with(option, aims, pinning))
}

fn compare_with(option: &str, aims: [&str; 2], pinning: Option<Pinning>) -> Result<()> {
    for (spec, variant, reuse) in CELLS {
        let (mut rates, mut costs) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            let servers = [None, Some(option)].map(|option| serve(spec, variant, reuse, option, pinning));
            let [plain, billing] = servers;
            let (Ok(plain), Ok(billing)) = (plain, billing) else {
                println!("{spec} cannot run here");
                break;
            };
            let (mut of_rates, mut of_costs) = (Vec::new(), Vec::new());
            for turn in 0..TURNS {
                // Neither is always the first.
                let earlier = (turn % 2 == 0).then(|| load(&plain, pinning)).transpose()?;
                let (rate, cost) = load(&billing, pinning)?;
                let (plain_rate, plain_cost) = earlier.map_or_else(|| load(&plain, pinning), Ok)?;
                of_rates.push(rate / plain_rate);
                of_costs.push(cost / plain_cost);
            }
            rates.push(of_rates);
            costs.push(of_costs);
        }
        if rates.is_empty() {
            continue;
        }
        for (name, ratios, aim) in [("requests/s", rates, aims[0]), ("CPU of an answer", costs, aims[1])] {
            let ratio =
                Bootstrap::default().median(&statistics::Samples::new(ratios)).context("no ratios")?;
            let interval = ratio.interval.context("an interval needs repetitions")?;
            rounds::line(
                &format!("{spec} hello {variant} {reuse}: {name}, {option} / not"),
                &format!("{:.3} [{:.3}, {:.3}]", ratio.value, interval.low, interval.high),
                aim,
            );
        }
    }
    Ok(())
}

/// Requests per second, and CPU time of one answer in nanoseconds.
fn load(server: &Server, pinning: Option<Pinning>) -> Result<(f64, f64)> {
    let mut clock = Vec::new();
    let outcome = rounds::load_in(server.address, TARGET, WINDOWS.to_vec(), pinning.is_some(), || {
        clock.push(process::cpu_time(server.pid()));
    })?;
    let clock = clock.into_iter().collect::<Result<Vec<_>>>()?;
    let window = outcome.windows.last().context("the load was broken off")?;
    let cpu = clock[2].saturating_sub(clock[1]);
    Ok((window.per_second(), cpu.as_nanos() as f64 / window.responses as f64))
}

fn serve(
    spec: &str,
    variant: Variant,
    reuse: Reuse,
    option: Option<&str>,
    pinning: Option<Pinning>,
) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--workers", "1", "--listen", "127.0.0.1:0", "--executor", spec]);
    command.args(["--variant", &variant.to_string(), "--reuse", &reuse.to_string()]);
    command.args(option);
    command.args(pinning.iter().flat_map(|pinning| ["--cpu".into(), pinning.server_cpu.to_string()]));
    Server::spawn(command.stderr(Stdio::null()), LISTENING)
}
