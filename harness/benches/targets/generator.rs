//! The load generator against wrk, on the same server, in turn.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::affinity::Pinning;
use isolab_core::{Reuse, Variant};

use crate::bare::Bare;
use crate::rounds::{self, CONNECTIONS, LOADED, Lab, ROUNDS, Samples};

const TARGET: &str = "/hello?myName=World";

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    if Command::new("wrk").arg("--version").output().is_err() {
        println!("not compared: wrk is not installed (Debian's package wrk)");
        return Ok(());
    }
    let direct = Lab::serve("direct", Variant::Rust, Reuse::Warm, pinning)?;
    let answer = rounds::ask(direct.child().address(), TARGET)?;
    let bare = Bare::spawn(&answer, pinning.map(|pinning| pinning.server_cpu))?;
    rounds::pin_generator(pinning)?;

    let [mut rate, mut p50, mut p99] = [const { Samples(Vec::new()) }; 3];
    for _ in 0..ROUNDS {
        let wrk = wrk(bare.address)?;
        let outcome = rounds::load(&[bare.address], TARGET, CONNECTIONS, false)?;
        let window = outcome.windows.last().context("the load was broken off")?;
        rate.push(window.per_second() / wrk.rate);
        p50.push(window.quantile_ns(0.5) as f64 / wrk.p50.as_nanos() as f64);
        p99.push(window.quantile_ns(0.99) as f64 / wrk.p99.as_nanos() as f64);
    }
    rounds::line("requests/s of the load generator / of wrk", &rate.show(3), ">= 0.90");
    rounds::line("p50 by the load generator / by wrk", &p50.show(3), "0.85 to 1.15");
    rounds::line("p99 by the load generator / by wrk", &p99.show(3), "0.85 to 1.15");
    direct.stop()
}

struct Wrk {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

/// wrk inherits the processor of this thread.
fn wrk(address: SocketAddr) -> Result<Wrk> {
    let seconds = LOADED.as_secs().max(1) + 1;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--connections", &CONNECTIONS.to_string()])
        .args([format!("--duration={seconds}s"), format!("http://{address}{TARGET}")])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |word: &str| {
        let mut words = text.split_whitespace().skip_while(|found| *found != word).skip(1);
        words.next().with_context(|| format!("wrk printed no `{word}`: {text}"))
    };
    Ok(Wrk {
        rate: after("Requests/sec:")?.parse()?,
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
        _ => anyhow::bail!("wrk's `{text}` is no duration"),
    };
    Ok(Duration::from_secs_f64(number * scale))
}
