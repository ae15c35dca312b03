//! `isolab load`: the load generator on its own. The server may be any, on any machine.

mod highest;
mod summary;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::{ArgGroup, Args};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::values;
use crate::exit::{BadInput, DONE, FAILED};
use crate::http1::{Client, Wire};
use crate::load::Expected;
use crate::load::closed::{self, ClosedLoad, Span};
use crate::load::open::{self, OpenLoad, Spread};

const LOAD: &str = "Load";
const REQUEST: &str = "Request";

/// `isolab load`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isolab load http://127.0.0.1:8080/hello --connections 8 --duration 5s
  isolab load http://127.0.0.1:8080/hello --rate 2000 --json
  isolab load http://127.0.0.1:8080/hello --slo 10ms --arrivals poisson

Exit code 1 says that some answers were faulty.", group = ArgGroup::new("open").args(["rate", "slo"]))]
pub struct LoadArgs {
    /// URL to request, over plain HTTP
    pub url: String,
    /// Connections; without --rate and --slo, each sends its next request when it has its response
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = LOAD)]
    pub connections: u32,
    /// Length of the measurement, or with --slo the most time for it, such as `500ms`, `10s`, `2m`
    #[arg(long, value_name = "D", default_value = "10s", value_parser = values::duration, help_heading = LOAD)]
    pub duration: Duration,
    /// Send this many requests per second (open loop); latency counts from when a request was due
    #[arg(long, value_name = "N", value_parser = rate, help_heading = LOAD)]
    pub rate: Option<NonZeroU64>,
    /// Search the highest rate whose 99th percentile keeps this bound, such as `10ms` (open loops)
    #[arg(long, value_name = "D", value_parser = values::duration, help_heading = LOAD)]
    pub slo: Option<Duration>,
    /// Intervals between requests, with --rate or --slo: `constant`, or `poisson` for random ones
    #[arg(long, value_name = "HOW", default_value = "constant", hide_possible_values = true, requires = "open", help_heading = LOAD)]
    pub arrivals: Spread,
    /// Seed of `--arrivals poisson` [default: random]
    #[arg(long, value_name = "N", requires = "open", help_heading = LOAD)]
    pub seed: Option<u64>,
    /// Requests that may wait for a connection, with --rate; further ones are dropped
    #[arg(long, value_name = "N", default_value = "10000", requires = "rate", value_parser = clap::value_parser!(u32).range(..=1_000_000), help_heading = LOAD)]
    pub queue: u32,
    /// Never sleep: more exact, but occupies a whole processor
    #[arg(long, help_heading = LOAD)]
    pub spin: bool,
    /// Method [default: GET; POST with --data]
    #[arg(long, value_name = "METHOD", help_heading = REQUEST)]
    pub method: Option<Method>,
    /// Header; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, help_heading = REQUEST)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// Body; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT|@FILE", value_parser = values::body, help_heading = REQUEST)]
    pub data: Option<Bytes>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// The window before the measured one: caches and pools fill in it.
const WARM_UP: Span = Span { duration: Duration::from_millis(100), answers: 1 };
/// How long a closed loop waits for any answer; how long an open loop waits for answers after
/// its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any one thread can send.
const RATE_MAX_PER_S: u64 = 10_000_000;

/// A server, the request to it, and the expected response.
#[derive(Clone)]
struct Target {
    address: SocketAddr,
    request: Wire,
    expected: Expected,
}

/// Loads a server and prints how it answered. The first response is the one expected of all
/// further requests.
pub fn run(arguments: &LoadArgs) -> Result<u8> {
    let target = Target::ask(arguments)?;
    match (arguments.rate, arguments.slo) {
        (Some(rate_per_s), _) => run_open(arguments, target, rate_per_s),
        (None, Some(bound)) => highest::run(arguments, &target, bound),
        (None, None) => run_closed(arguments, target),
    }
}

fn run_closed(arguments: &LoadArgs, target: Target) -> Result<u8> {
    let load = target.closed(arguments, Span::lasting(arguments.duration));
    let outcome = closed::run(&load, || {})?;
    let window = outcome.windows.get(1).with_context(|| {
        let reason = outcome.problems.first_fault.as_deref().unwrap_or("unknown reason");
        format!("{} gave no answer: {reason}", arguments.url)
    })?;
    let summary = summary::Closed::new(arguments, window, &outcome);
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(if outcome.problems.faults.total() == 0 { DONE } else { FAILED })
}

fn run_open(arguments: &LoadArgs, target: Target, rate_per_s: NonZeroU64) -> Result<u8> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    let windows = [WARM_UP.duration, arguments.duration];
    let load = target.open(arguments, rate_per_s, seed, arguments.queue as usize, windows);
    let outcome = open::run(&load, || {})?;
    let summary = summary::Open::new(arguments, rate_per_s.get(), seed, &outcome.windows[1], &outcome);
    if let Some(warning) = summary.warning() {
        eprintln!("warning: {warning}");
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&summary)?);
    } else {
        print!("{}", summary.text());
    }
    Ok(if outcome.problems.faults.total() == 0 { DONE } else { FAILED })
}

impl Target {
    /// Sends one request, whose response is the expected one.
    fn ask(arguments: &LoadArgs) -> Result<Self> {
        let (address, request) = request(arguments)?;
        let answer = Client::connect(address).and_then(|mut client| client.send(&request));
        let refused = |error| BadInput::because(format!("`{}` does not answer: {error}", arguments.url));
        let first = answer.map_err(refused)?.response;
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

    /// A closed loop for this time, after a warm-up.
    fn closed(self, arguments: &LoadArgs, span: Span) -> ClosedLoad {
        ClosedLoad {
            addresses: vec![self.address],
            request: self.request,
            expected: self.expected,
            connections: arguments.connections as usize,
            windows: vec![WARM_UP, span],
            patience: PATIENCE,
            is_spinning: arguments.spin,
        }
    }

    /// An open loop in these two windows, of which the first warms up.
    fn open(
        self,
        arguments: &LoadArgs,
        rate_per_s: NonZeroU64,
        seed: u64,
        queue_max: usize,
        windows: [Duration; 2],
    ) -> OpenLoad {
        OpenLoad {
            address: self.address,
            request: self.request,
            expected: self.expected,
            rate_per_s,
            arrivals: arguments.arrivals.arrivals(seed),
            connections: arguments.connections as usize,
            queue_max,
            windows: windows.to_vec(),
            patience: PATIENCE,
            is_spinning: arguments.spin,
        }
    }
}

fn request(arguments: &LoadArgs) -> Result<(SocketAddr, Wire)> {
    let refused = |reason: &str| BadInput::because(format!("`{}` {reason}", arguments.url));
    let uri: Uri = arguments.url.parse().map_err(|_| refused("is not a URL"))?;
    let authority = uri.authority().ok_or_else(|| refused("names no host; write `http://HOST:PORT/…`"))?;
    if uri.scheme_str() != Some("http") {
        return Err(refused("must begin with `http://`"));
    }
    let host = authority.host().trim_matches(['[', ']']);
    let mut addresses = (host, authority.port_u16().unwrap_or(80))
        .to_socket_addrs()
        .map_err(|error| refused(&format!("names a host that cannot be found: {error}")))?;
    let address = addresses.next().ok_or_else(|| refused("names a host without an address"))?;

    let body = arguments.data.clone().unwrap_or_default();
    let default = if arguments.data.is_some() { Method::POST } else { Method::GET };
    let method = arguments.method.clone().unwrap_or(default);
    let headers: HeaderMap = arguments.header.iter().cloned().collect();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    Ok((address, Wire::to(&method, target, authority.as_str(), headers, body)?))
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU64| rate.get() <= RATE_MAX_PER_S);
    rate.ok_or_else(|| {
        format!("`{text}` is not a whole number of requests per second from 1 to {RATE_MAX_PER_S}")
    })
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("`{text}` has no colon; write it as `Name: value`"))?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is not a header name"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is not a header value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_rate_is_a_whole_number_above_zero() {
        assert_eq!(rate("5"), Ok(NonZeroU64::new(5).unwrap()));
        for text in ["", "0", "-1", "1.5", "5/s", "10000001", "99999999999999999999"] {
            assert!(rate(text).is_err(), "{text}");
        }
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("isolab load http://a --rate 5 --arrivals poisson --seed 1 --queue 0").is_ok());
        assert!(parse("isolab load http://a --slo 10ms --arrivals poisson --seed 1").is_ok());
        assert!(parse("isolab load http://a --slo 10ms --rate 5").is_err());
        for alone in ["--arrivals poisson", "--seed 1", "--queue 5"] {
            assert!(parse(&format!("isolab load http://a {alone}")).is_err(), "{alone} needs a rate");
        }
    }

    #[test]
    fn a_header_has_a_name_and_a_value() {
        assert!(header("x-a: b").is_ok());
        assert!(header("x-a").is_err() && header("a b: c").is_err());
    }
}
