//! `isolab load`: the load generator by itself. It needs nothing of the server but its
//! answers, which may come from another machine.

mod summary;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{HeaderMap, Method, Uri};

use crate::cli::{LoadArgs, Spread};
use crate::exit::{BadInput, DONE, FAILED};
use crate::http1::{Client, Wire};
use crate::load::open::{self, Arrivals, OpenLoad};
use crate::load::{self, Expected, Load, Span};

/// Answers before the measured window, for caches and pools to fill.
const WARM_UP: Span = Span { duration: Duration::from_millis(100), answers: 1 };
/// How long nothing may be answered; in an open loop, how long answers are waited for
/// after its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked of whom, and what is a right answer.
struct Aim {
    address: SocketAddr,
    request: Wire,
    expected: Expected,
}

/// Loads a server and prints how it answered. What the first answer says is
/// expected of all others.
pub fn run(arguments: &LoadArgs) -> Result<u8> {
    let aim = Aim::take(arguments)?;
    match arguments.rate {
        None => run_closed(arguments, aim),
        Some(rate_per_s) => run_open(arguments, aim, rate_per_s),
    }
}

fn run_closed(arguments: &LoadArgs, aim: Aim) -> Result<u8> {
    let load = Load {
        addresses: vec![aim.address],
        request: aim.request,
        expected: aim.expected,
        connections: arguments.connections as usize,
        windows: vec![WARM_UP, Span::lasting(arguments.duration)],
        patience: PATIENCE,
        is_spinning: arguments.spin,
    };
    let outcome = load::run(&load, || {})?;
    let window = outcome.windows.get(1).with_context(|| {
        format!("no answers: {}", outcome.wrong.first_fault.as_deref().unwrap_or("the reason is not known"))
    })?;
    let summary = summary::Closed::new(arguments, window, &outcome);
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(if outcome.wrong.faults.total() == 0 { DONE } else { FAILED })
}

fn run_open(arguments: &LoadArgs, aim: Aim, rate_per_s: NonZeroU64) -> Result<u8> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let load = OpenLoad {
        address: aim.address,
        request: aim.request,
        expected: aim.expected,
        rate_per_s,
        arrivals: match arguments.arrivals {
            Spread::Constant => Arrivals::Constant,
            Spread::Poisson => Arrivals::Poisson { seed },
        },
        connections: arguments.connections as usize,
        queue_max: arguments.queue as usize,
        windows: vec![WARM_UP.duration, arguments.duration],
        patience: PATIENCE,
        is_spinning: arguments.spin,
    };
    let outcome = open::run(&load, || {})?;
    let summary = summary::Open::new(arguments, rate_per_s.get(), seed, &outcome.windows[1], &outcome);
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(if outcome.wrong.faults.total() == 0 { DONE } else { FAILED })
}

impl Aim {
    /// Asks once.
    fn take(arguments: &LoadArgs) -> Result<Self> {
        let (address, request) = target(arguments)?;
        let asked = Client::connect(address).and_then(|mut client| client.send(&request));
        let refused = |error| BadInput::because(format!("`{}` does not answer: {error}", arguments.url));
        let first = asked.map_err(refused)?.response;
        anyhow::ensure!(
            !first.status().is_client_error() && !first.status().is_server_error(),
            "{} answers {}: {}",
            arguments.url,
            first.status(),
            String::from_utf8_lossy(first.body()).trim_end()
        );
        let status = first.status().as_u16();
        Ok(Self {
            address,
            request,
            expected: Expected { status, body: first.into_body(), is_strict: false },
        })
    }
}

fn target(arguments: &LoadArgs) -> Result<(SocketAddr, Wire)> {
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
