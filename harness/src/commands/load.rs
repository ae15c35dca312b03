//! `isolab load`: the load generator by itself.

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result};
use http::{HeaderMap, Method, Uri};
use serde::Serialize;

use crate::cli::LoadArgs;
use crate::exit::{BadInput, DONE, FAILED};
use crate::http1::{Client, Wire};
use crate::load::outcome::{Faults, Window};
use crate::load::{self, Expected, Load, Outcome, Span};

/// Answers before the measured window, for caches and pools to fill.
const WARM_UP: Span = Span { duration: Duration::from_millis(100), answers: 1 };
/// How long nothing may be answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// Loads a server and prints how it answered. What the first answer says is
/// expected of all others.
pub fn run(arguments: &LoadArgs) -> Result<u8> {
    let (address, request) = aim(arguments)?;
    let first = Client::connect(address)?.send(&request)?.response;
    anyhow::ensure!(
        !first.status().is_client_error() && !first.status().is_server_error(),
        "{} answers {}: {}",
        arguments.url,
        first.status(),
        String::from_utf8_lossy(first.body()).trim_end()
    );
    let load = Load {
        addresses: vec![address],
        request,
        expected: Expected { status: first.status().as_u16(), body: first.into_body(), is_strict: false },
        connections: arguments.connections as usize,
        windows: vec![WARM_UP, Span::lasting(arguments.duration)],
        patience: PATIENCE,
        is_spinning: false,
    };
    let outcome = load::run(&load, || {})?;
    let window = outcome.windows.get(1).with_context(|| {
        format!("no answers: {}", outcome.first_fault.as_deref().unwrap_or("the reason is not known"))
    })?;
    let summary = Summary::new(arguments, window, &outcome);
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(if summary.errors_count == 0 { DONE } else { FAILED })
}

fn aim(arguments: &LoadArgs) -> Result<(SocketAddr, Wire)> {
    let refused = |reason: &str| BadInput::because(format!("`{}` {reason}", arguments.url));
    let uri: Uri = arguments.url.parse().map_err(|_| refused("is no URL"))?;
    let authority = uri.authority().ok_or_else(|| refused("names no host; write `http://HOST:PORT/…`"))?;
    if uri.scheme_str() != Some("http") {
        return Err(refused("is not `http://…`, which is all that can be loaded"));
    }
    let host = authority.host().trim_matches(['[', ']']);
    let mut addresses = (host, authority.port_u16().unwrap_or(80))
        .to_socket_addrs()
        .map_err(|error| refused(&format!("has a host that cannot be found: {error}")))?;
    let address = addresses.next().ok_or_else(|| refused("has a host without an address"))?;

    let body = arguments.data.as_deref().map(super::data).transpose()?.unwrap_or_default();
    let default = if arguments.data.is_some() { Method::POST } else { Method::GET };
    let method = arguments.method.clone().unwrap_or(default);
    let headers: HeaderMap = arguments.header.iter().cloned().collect();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    Ok((address, Wire::to(&method, target, authority.as_str(), headers, body)?))
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    url: &'a str,
    connections: u32,
    duration_ns: u64,
    requests_count: u64,
    requests_per_s: f64,
    latency_ns: Latency,
    /// Right answers whose body was another than the first.
    differing_count: u64,
    errors_count: u64,
    errors: Faults,
    first_error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Latency {
    min: u64,
    mean: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl<'a> Summary<'a> {
    fn new(arguments: &'a LoadArgs, window: &Window, outcome: &'a Outcome) -> Self {
        Self {
            url: &arguments.url,
            connections: arguments.connections,
            duration_ns: window.duration.as_nanos() as u64,
            requests_count: window.responses,
            requests_per_s: window.per_second(),
            latency_ns: Latency {
                min: window.latency_ns.min(),
                mean: window.latency_ns.mean() as u64,
                p50: window.quantile_ns(0.5),
                p90: window.quantile_ns(0.9),
                p99: window.quantile_ns(0.99),
                p999: window.quantile_ns(0.999),
                max: window.latency_ns.max(),
            },
            differing_count: outcome.differing,
            errors_count: outcome.faults.total(),
            errors: outcome.faults,
            first_error: outcome.first_fault.as_deref(),
        }
    }

    fn text(&self) -> String {
        let Self { latency_ns: latency, .. } = self;
        let ms = |ns: u64| ns as f64 / 1e6;
        let mut text = format!(
            "{:.0} requests/s ({} in {:.2} s over {} connections)\n",
            self.requests_per_s,
            self.requests_count,
            self.duration_ns as f64 / 1e9,
            self.connections
        );
        let quantiles =
            [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("max", latency.max)];
        for (name, ns) in quantiles {
            let _ = writeln!(text, "{name:>8} {:>10.3} ms", ms(ns));
        }
        if self.differing_count > 0 {
            let _ = writeln!(text, "{} bodies differ from the first", self.differing_count);
        }
        if let Some(first) = self.first_error {
            let _ = writeln!(text, "{} errors, the first: {first}", self.errors_count);
        }
        text
    }
}
