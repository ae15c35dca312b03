//! The load generator against wrk, on the same server, in turn.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use isolab::host::affinity::Pinning;
use isolab::load::closed::ClosedWindow;
use isolab_core::laps::nanoseconds;
use isolab_core::{Reuse, Variant};

use crate::bare::{self, Bodies};
use crate::rounds::{self, CONNECTIONS, LOADED, Lab, Samples};

/// Many short rounds, because the host's speed and the highest latencies change within seconds.
const ROUNDS: usize = 21;

/// A server that both generators load.
struct Comparison {
    name: &'static str,
    target: &'static str,
    /// Whether the server is a bare one, or the front end with the function itself.
    is_bare: bool,
}

/// From a bare server, which does least for an answer, to one that computes for about ten
/// microseconds. The work of a generator between an answer and the next request is not part of
/// its latencies, and keeps the server's queue shorter. So latencies of a server that is as fast
/// as the generators describe the generators.
const COMPARISONS: [Comparison; 3] = [
    Comparison { name: "bare hyper", target: "/hello?myName=World", is_bare: true },
    Comparison { name: "direct", target: "/hello?myName=World", is_bare: false },
    Comparison { name: "20th Fibonacci number", target: "/fibonacci?n=20", is_bare: false },
];

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    if Command::new("wrk").arg("--version").output().is_err() {
        println!("not compared: wrk is not installed (Debian's package wrk)");
        return Ok(());
    }
    let direct = Lab::serve("direct", Variant::Rust, Reuse::Warm, pinning)?;
    for comparison in COMPARISONS {
        let answer = rounds::ask(direct.child().address(), comparison.target)?;
        let bare = bare::spawn(&answer, Bodies::Given, pinning.map(|pinning| pinning.server_cpu))?;
        let address = if comparison.is_bare { bare.address } else { direct.child().address() };
        rounds::pin_generator(pinning)?;
        side_by_side(&comparison, address)?;
    }
    direct.stop()
}

fn side_by_side(comparison: &Comparison, address: SocketAddr) -> Result<()> {
    let [mut rate, mut p50, mut p99, mut covered, mut covered_by_wrk] = [const { Samples(Vec::new()) }; 5];
    for _ in 0..ROUNDS {
        let wrk = wrk(address, comparison.target)?;
        let outcome = rounds::load(&[address], comparison.target, CONNECTIONS, false)?;
        let window = outcome.windows.last().context("the load was broken off")?;
        let latency_ns = corrected(window);
        rate.push(window.per_second() / wrk.rate);
        p50.push(latency_ns.value_at_quantile(0.5) as f64 / wrk.p50.as_nanos() as f64);
        p99.push(latency_ns.value_at_quantile(0.99) as f64 / wrk.p99.as_nanos() as f64);
        covered.push(covered_by(window.per_second(), window.latency_ns.mean() / 1e9));
        covered_by_wrk.push(covered_by(wrk.rate, wrk.mean.as_secs_f64()));
    }
    let line = |what: &str, samples: &Samples, aim: &str| {
        rounds::line(&format!("{}: {what}, load generator / wrk", comparison.name), &samples.show(3), aim);
    };
    line("rate", &rate, ">= 0.90");
    line("p50", &p50, "0.85 to 1.15");
    line("p99", &p99, "0.85 to 1.15");
    let said = |who: &str, samples: &Samples, aim: &str| {
        let name = format!("{}: part of the time in a latency, {who}", comparison.name);
        rounds::line(&name, &samples.show(3), aim);
    };
    said("load generator", &covered, "none: 1 leaves nothing out");
    said("wrk", &covered_by_wrk, "none: at most, as its mean is corrected");
    Ok(())
}

/// The latencies of a window, corrected as wrk 4 corrects its own. wrk compensates coordinated
/// omission: for each latency of more than one turn of a connection it adds the latencies of
/// requests sent in every turn of it (`stats_correct` in its `stats.c`, called by `main`).
fn corrected(window: &ClosedWindow) -> Histogram<u64> {
    let turn = CONNECTIONS as f64 / window.per_second();
    window.latency_ns.clone_correct(nanoseconds(Duration::from_secs_f64(turn)))
}

/// The part of a connection's time that latencies cover, by Little's law. The rest passed
/// between an answer and the next request, waiting for the generator.
fn covered_by(rate: f64, mean_latency_s: f64) -> f64 {
    rate * mean_latency_s / CONNECTIONS as f64
}

struct Wrk {
    rate: f64,
    mean: Duration,
    p50: Duration,
    p99: Duration,
}

/// wrk inherits the processor of this thread.
fn wrk(address: SocketAddr, target: &str) -> Result<Wrk> {
    let seconds = LOADED.as_secs();
    let output = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--connections", &CONNECTIONS.to_string()])
        .args([format!("--duration={seconds}s"), format!("http://{address}{target}")])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |word: &str| {
        let mut words = text.split_whitespace().skip_while(|found| *found != word).skip(1);
        words.next().with_context(|| format!("wrk printed no `{word}`: {text}"))
    };
    Ok(Wrk {
        rate: after("Requests/sec:")?.parse()?,
        // The first column of the line `Latency` is the mean.
        mean: duration(after("Latency")?)?,
        p50: duration(after("50%")?)?,
        p99: duration(after("99%")?)?,
    })
}

/// `123.45us`, `1.23ms` or `1.23s`.
fn duration(text: &str) -> Result<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.trim_end_matches(unit).parse()?;
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => anyhow::bail!("wrk printed `{text}`, which is not a duration"),
    };
    Ok(Duration::from_secs_f64(number * scale))
}
