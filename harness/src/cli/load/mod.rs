//! `isolab load`: the load generator by itself. It needs nothing of the server but its
//! answers, which may come from another machine.

mod summary;

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU64;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::exit::{BadInput, DONE, FAILED};
use crate::http1::{Client, Wire};
use crate::load::Expected;
use crate::load::closed::{self, Load, Span};
use crate::load::open::{self, Arrivals, OpenLoad};

/// `isolab load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// What to ask for, over plain HTTP
    pub url: String,
    /// Connections; without --rate, each sends its next request when it has its answer
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Requests a second, sent when they are due and not when the last is answered; latency counts from when one was due
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<NonZeroU64>,
    /// How requests are spread over time
    #[arg(long, value_name = "HOW", default_value = "constant", requires = "rate")]
    pub arrivals: Spread,
    /// Decides the intervals of `--arrivals poisson` [default: at random]
    #[arg(long, value_name = "N", requires = "rate")]
    pub seed: Option<u64>,
    /// Requests that may wait for a connection; more are dropped
    #[arg(long, value_name = "N", default_value = "10000", requires = "rate", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub queue: u32,
    /// Never sleep: more exact, and takes a processor of its own
    #[arg(long)]
    pub spin: bool,
    /// How long: `500ms`, `10s`, `2m`
    #[arg(long, value_name = "D", default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// The method [default: GET, with --data POST]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<Method>,
    /// A header
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(HeaderName, HeaderValue)>,
    /// The body; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT|@FILE")]
    pub data: Option<String>,
}

/// How requests at a rate are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Spread {
    /// One interval between any two
    Constant,
    /// At random, as users come who do not know of each other
    Poisson,
}

/// Answers before the measured window, for caches and pools to fill.
const WARM_UP: Span = Span { duration: Duration::from_millis(100), answers: 1 };
/// How long nothing may be answered; in an open loop, how long answers are waited for
/// after its end.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any one thread can send.
const RATE_MAX_PER_S: u64 = 10_000_000;

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
    let outcome = closed::run(&load, || {})?;
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

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let form = || format!("`{text}` is no duration; write it as `500ms`, `10s` or `2m`");
    let number: u64 = number.parse().map_err(|_| form())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    let duration = Duration::from_millis(milliseconds.ok_or_else(form)?);
    let is_sensible = !duration.is_zero() && duration <= Duration::from_hours(24);
    is_sensible.then_some(duration).ok_or_else(|| format!("`{text}` is not between 1ms and a day"))
}

fn rate(text: &str) -> Result<NonZeroU64, String> {
    let rate = text.parse().ok().filter(|rate: &NonZeroU64| rate.get() <= RATE_MAX_PER_S);
    rate.ok_or_else(|| format!("`{text}` is no whole number of requests a second from 1 to {RATE_MAX_PER_S}"))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is no `Name: value`"))?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header's name"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no header's value"))?;
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
        for alone in ["--arrivals poisson", "--seed 1", "--queue 5"] {
            assert!(parse(&format!("isolab load http://a {alone}")).is_err(), "{alone} needs a rate");
        }
    }

    #[test]
    fn durations_have_a_unit_and_bounds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "5", "s", "-1s", "1.5s", "0s", "2000m", "99999999999999999999s", "5h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(header("x-a: b").is_ok());
        assert!(header("x-a").is_err() && header("a b: c").is_err());
    }
}
