//! A function's latency while another one computes until its deadline, again and again.
//!
//! The server, its guests and its containers have one processor. The load and the clients of the other
//! function have a second one. Three loads take turns: without the other function, beside a loop outside of the
//! server that has the server's processor while nothing else wants it, and beside the other function. The second
//! shows what the machine makes of two busy processors: a host may take one from a virtual machine for
//! milliseconds.
//!
//! So the load generator sleeps, to leave one processor of the machine idle most of the time. Requests count from
//! the moment when they were sent, so that a generator that is late does not count. There are enough connections
//! for each to be sent at once.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use http::StatusCode;
use isolab::host::affinity::{self, Pinning};
use isolab::http1::Client;
use isolab::load::Expected;
use isolab::load::open::{self, Arrivals, OpenLoad};
use isolab::server::child::LISTENING;
use isolab_core::{Variant, guest};

use crate::rounds::{self, Samples};
use crate::server::Server;

/// The function that answers.
const TARGET: &str = "/hello?myName=World";
/// The function that computes until its deadline.
const ENDLESS: &str = "/spin";
/// Its requests at a time: more than the threads that one function gets.
const ENDLESS_CONNECTIONS: usize = 8;

/// Low enough that a request rarely meets the one before.
const RATE_PER_S: NonZeroU64 = NonZeroU64::new(200).expect("not zero");
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 6;
/// The first window warms up.
const WINDOWS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

const AIM: &str = "<= 2";

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    rounds::pin_generator(pinning)?;
    for (spec, variant) in [
        ("wasm", Variant::Rust),
        ("wasm", Variant::Js),
        ("v8", Variant::Rust),
        ("v8", Variant::Js),
        ("docker", Variant::Rust),
        ("docker", Variant::Js),
    ] {
        match serve(spec, variant, pinning) {
            Ok(server) => beside(&server, &format!("{spec} {variant}"), pinning)?,
            Err(error) => println!("{spec} cannot run here: {error:#}"),
        }
    }
    Ok(())
}

/// Loads a server with and without its endless function, in turn.
fn beside(server: &Server, name: &str, pinning: Option<Pinning>) -> Result<()> {
    rounds::ask(server.address, TARGET)?;
    rounds::ask(server.address, ENDLESS)?;
    let p99 = || latency(server.address);
    let [mut alone, mut idle, mut beside] = [const { Samples(Vec::new()) }; 3];
    let mut stopped = 0;
    for _ in 0..ROUNDS {
        alone.push(p99()?);
        if let Some(pinning) = pinning {
            idle.push(while_busy(pinning.server_cpu, p99)?);
        }
        let (latency, times) = while_endless(server.address, p99)?;
        beside.push(latency);
        stopped += times;
    }
    // In a single round it may wait for a start: the server holds back functions whose containers keep dying.
    anyhow::ensure!(stopped > 0, "the endless function never ran");
    rounds::line(&format!("{name}: p99 beside / alone"), &beside.over(&alone).show(2), AIM);
    if pinning.is_some() {
        rounds::line(&format!("{name}: p99 beside / with an idle loop"), &beside.over(&idle).show(2), "-");
    }
    let [alone, idle, beside] = [alone, idle, beside].map(|samples| samples.show(3));
    println!("  alone {alone} ms, with an idle loop {idle} ms, beside {beside} ms, {stopped} deadlines");
    Ok(())
}

/// The 99th percentile in milliseconds, from the sending of each request.
fn latency(address: SocketAddr) -> Result<f64> {
    let first = rounds::ask(address, TARGET)?;
    let load = OpenLoad {
        address,
        request: rounds::get(TARGET, address)?,
        expected: Expected { status: first.status().as_u16(), body: first.into_body(), is_strict: true },
        rate_per_s: RATE_PER_S,
        arrivals: Arrivals::Constant,
        connections: CONNECTIONS,
        queue_max: 10_000,
        windows: WINDOWS.to_vec(),
        patience: Duration::from_secs(30),
        is_spinning: false,
    };
    let outcome = open::run(&load, || {})?.faultless()?;
    let window = outcome.windows.last().context("the load was broken off")?;
    let nanoseconds = window.service_at(0.99).context("no request was answered")?;
    Ok(nanoseconds as f64 / 1e6)
}

/// Runs `load` while a loop of the lowest priority has this processor.
fn while_busy(cpu: usize, load: impl FnOnce() -> Result<f64>) -> Result<f64> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looping = scope.spawn(|| {
            affinity::pin(cpu)?;
            // SAFETY: the call takes and returns a number. On Linux it is about the calling thread only.
            unsafe { nix::libc::nice(19) };
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
            anyhow::Ok(())
        });
        let loaded = load();
        is_over.store(true, Ordering::Relaxed);
        looping.join().map_err(|_| anyhow::anyhow!("the loop panicked"))??;
        loaded
    })
}

/// Runs `load` while clients have the endless function compute. Returns how often it met its deadline,
/// too.
fn while_endless(address: SocketAddr, load: impl FnOnce() -> Result<f64>) -> Result<(f64, u64)> {
    let (is_over, stopped) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..ENDLESS_CONNECTIONS)
            .map(|_| scope.spawn(|| ask_without_end(address, &is_over, &stopped)))
            .collect();
        let loaded = load();
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok((loaded?, stopped.load(Ordering::Relaxed)))
    })
}

fn ask_without_end(address: SocketAddr, is_over: &AtomicBool, stopped: &AtomicU64) -> Result<()> {
    let wire = rounds::get(ENDLESS, address)?;
    let mut client = Client::connect(address)?;
    while !is_over.load(Ordering::Relaxed) {
        match client.send(&wire)?.response.status() {
            StatusCode::GATEWAY_TIMEOUT => stopped.fetch_add(1, Ordering::Relaxed),
            // No thread was free in time, or its containers keep dying.
            StatusCode::SERVICE_UNAVAILABLE => 0,
            status => anyhow::bail!("{ENDLESS} answered {status}"),
        };
    }
    Ok(())
}

/// Starts a server as a user does, on one processor.
fn serve(spec: &str, variant: Variant, pinning: Option<Pinning>) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", "--workers", "1", "--listen", "127.0.0.1:0", "--executor", spec]);
    command.args(["--variant", &variant.to_string(), "--functions"]);
    command.arg(guest::workspace().join("functions/hostile"));
    for option in ["--cpu", "--guest-cpu"] {
        command.args(pinning.iter().flat_map(|pinning| [option.into(), pinning.server_cpu.to_string()]));
    }
    Server::spawn(command.stderr(Stdio::null()), LISTENING)
}
