//! Loading servers in turn, and ratios of their rates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use http::{HeaderMap, Method};
use isolab::host::affinity::{self, Pinning};
use isolab::http1::{Client, Wire};
use isolab::load::Expected;
use isolab::load::closed::{self, ClosedLoad, ClosedOutcome, Span};
use isolab::server::child::{Child, ChildOptions};
use isolab_core::{Response, Reuse, Spec, Variant};

/// Connections, as in the peers' figures.
pub(crate) const CONNECTIONS: usize = 32;
/// Length of a round, in whole seconds, because wrk takes only those.
pub(crate) const LOADED: Duration = Duration::from_secs(1);

/// A server of the lab with one executor, and the folder of its log.
pub(crate) struct Lab {
    child: Child,
    folder: tempfile::TempDir,
}

impl Lab {
    /// Starts it as for the loads of a run: without the pages that record every phase.
    pub(crate) fn serve(
        spec: &str,
        variant: Variant,
        reuse: Reuse,
        pinning: Option<Pinning>,
    ) -> Result<Self> {
        Self::spawn(spec, variant, reuse, pinning, false)
    }

    /// Starts it with the pages that experiments need.
    pub(crate) fn serve_with_control(
        spec: &str,
        variant: Variant,
        reuse: Reuse,
        pinning: Option<Pinning>,
    ) -> Result<Self> {
        Self::spawn(spec, variant, reuse, pinning, true)
    }

    fn spawn(
        spec: &str,
        variant: Variant,
        reuse: Reuse,
        pinning: Option<Pinning>,
        control: bool,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let spec: Spec = isolab::executors::specs(&[spec.to_owned()])?.swap_remove(0);
        let cache = cache();
        let child = Child::spawn(&ChildOptions {
            spec: &spec,
            variant: Some(variant),
            reuse,
            functions: &[],
            instances: None,
            workers: 1,
            cpus: &[],
            cache: &cache,
            run_id: &format!("targets-{}", std::process::id()),
            cpu: pinning.map(|pinning| pinning.server_cpu),
            guest_cpu: None,
            control,
            log: &folder.path().join("log"),
            guests: None,
            origin: None,
        })?;
        Ok(Self { child, folder })
    }

    /// The server's process.
    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Drains it.
    pub(crate) fn stop(self) -> Result<()> {
        let log = self.folder.path().join("log");
        self.child.stop().with_context(|| std::fs::read_to_string(log).unwrap_or_default())
    }
}

/// Artifacts outlive a run of this bench, which does not measure `prepare`.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("targets-cache")
}

/// Asks once for `target`.
pub(crate) fn ask(address: SocketAddr, target: &str) -> Result<Response> {
    let mut client = Client::connect(address)?;
    let wire = get(target, address)?;
    Ok(client.send(&wire)?.response)
}

/// A `GET`.
pub(crate) fn get(target: &str, address: SocketAddr) -> Result<Wire> {
    Wire::to(&Method::GET, target, &address.to_string(), HeaderMap::new(), bytes::Bytes::new())
}

/// Loads servers once. Every answer must be the first server's answer.
pub(crate) fn load(
    addresses: &[SocketAddr],
    target: &str,
    connections: usize,
    is_spinning: bool,
) -> Result<ClosedOutcome> {
    let windows = vec![Span::lasting(LOADED / 5), Span::lasting(LOADED)];
    let load = closed(addresses, target, connections, windows, is_spinning)?;
    closed::run(&load, || {})?.faultless()
}

/// Loads a server in these windows, and calls `at_boundary` at their boundaries.
pub(crate) fn load_in(
    address: SocketAddr,
    target: &str,
    windows: Vec<Span>,
    is_spinning: bool,
    at_boundary: impl FnMut(),
) -> Result<ClosedOutcome> {
    closed::run(&closed(&[address], target, CONNECTIONS, windows, is_spinning)?, at_boundary)?.faultless()
}

fn closed(
    addresses: &[SocketAddr],
    target: &str,
    connections: usize,
    windows: Vec<Span>,
    is_spinning: bool,
) -> Result<ClosedLoad> {
    let first = ask(addresses[0], target)?;
    Ok(ClosedLoad {
        addresses: addresses.to_vec(),
        request: get(target, addresses[0])?,
        expected: Expected { status: first.status().as_u16(), body: first.into_body(), is_strict: true },
        connections,
        windows,
        patience: Duration::from_secs(30),
        is_spinning,
    })
}

/// Requests per second of one load, its warm-up left out.
pub(crate) fn rate(outcome: &ClosedOutcome) -> Result<f64> {
    Ok(outcome.windows.last().context("the load was broken off")?.per_second())
}

/// Keeps the load generator, which is this thread, on its processor.
pub(crate) fn pin_generator(pinning: Option<Pinning>) -> Result<()> {
    pinning.map_or(Ok(()), |pinning| affinity::pin(pinning.load_cpu))
}

/// A figure of every round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(pub(crate) Vec<f64>);

impl Samples {
    /// Adds a round's.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The ratio to another figure, round by round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    /// Median and range, with this many decimals.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let (least, most) =
            self.0.iter().fold((f64::INFINITY, 0_f64), |(least, most), x| (least.min(*x), most.max(*x)));
        format!("{:.decimals$} [{least:.decimals$}, {most:.decimals$}]", self.median())
    }
}

/// Prints one comparison and its aim.
pub(crate) fn line(name: &str, figure: &str, aim: &str) {
    println!("{name:<58} {figure:>24}   aim {aim}");
}
