//! Values that several commands take. An error says what is wrong and what there is
//! instead; clap adds the option's name and ends with exit code 2.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::Args;
use http::uri::Authority;
use isolab_core::function::Host;
use isolab_core::spec::nearest;
use isolab_core::{Limits, Spec};
use isolab_reports::Experiment;
use isolab_reports::run::Placement;

use crate::executors;

/// One executor spec, every setting filled in: `wasm:compiler=winch`.
pub fn spec(text: &str) -> Result<Spec> {
    executors::resolve(Spec::parse(text)?)
}

/// Executor specs separated by commas: `wasm:compiler=winch,v8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecList(pub Vec<Spec>);

impl FromStr for SpecList {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Spec::parse_list(text)?.into_iter().map(executors::resolve).collect::<Result<_>>().map(Self)
    }
}

/// An experiment: `memory`.
pub fn experiment(text: &str) -> Result<Experiment, String> {
    text.parse().map_err(|_: String| {
        let names = Experiment::ALL.map(|experiment| experiment.to_string());
        let (nearest, names) = (nearest(text, &names), names.join(", "));
        format!("there is no experiment `{text}`{nearest}; there are: {names}")
    })
}

/// A placement: `together`.
pub fn placement(text: &str) -> Result<Placement, String> {
    let found = Placement::ALL.into_iter().find(|placement| placement.name() == text);
    found.ok_or_else(|| {
        let names = Placement::ALL.map(Placement::name);
        format!("there is no placement `{text}`{}; there are: {}", nearest(text, &names), names.join(", "))
    })
}

/// A request's body: the text itself, or `@` and the path of a file.
pub fn body(text: &str) -> Result<Bytes, String> {
    match text.strip_prefix('@') {
        None => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Some(path) => {
            let contents = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
            Ok(contents.into())
        }
    }
}

/// A duration with its unit: `500ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let form = || format!("`{text}` is not a duration; write it as `500ms`, `10s` or `2m`");
    let number: u64 = number.parse().map_err(|_| form())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    let duration = Duration::from_millis(milliseconds.ok_or_else(form)?);
    let is_sensible = !duration.is_zero() && duration <= Duration::from_hours(24);
    is_sensible.then_some(duration).ok_or_else(|| format!("`{text}` is not between 1 ms and 24 hours"))
}

/// A number of the server's threads, at most 1,024.
pub fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=1_024).contains(workers));
    workers
        .ok_or_else(|| format!("`{text}` is not a number of threads; it must be at least 1 and at most 1024"))
}

/// A number of compute threads, at most 1,024; 0 for none.
pub fn compute_threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|threads| *threads <= 1_024);
    threads.ok_or_else(|| format!("`{text}` is not a number of threads; it must be at most 1024"))
}

/// A granted host and its address: `origin:80=127.0.0.1:8081`.
pub fn connect_to(text: &str) -> Result<(Host, SocketAddr), String> {
    let form = || format!("`{text}` is not a host with its address; write it as `origin:80=127.0.0.1:8081`");
    let (host, address) = text.split_once('=').ok_or_else(form)?;
    let host: Authority = host.parse().map_err(|_| form())?;
    let address = address.parse().map_err(|_| form())?;
    Ok((Host::of(&host), address))
}

/// A memory limit with its unit, in bytes: `64MiB`.
fn memory(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let form = || format!("`{text}` is not a size; write it as `512KiB`, `64MiB` or `1GiB`");
    let number: u64 = number.parse().map_err(|_| form())?;
    let unit = match unit {
        "KiB" => 1_u64 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(form()),
    };
    let bytes = number.checked_mul(unit).filter(|bytes| Limits::MEMORY_BYTES.contains(bytes));
    bytes.ok_or_else(|| format!("`{text}` is not between 1MiB and 4GiB"))
}

/// Limits of functions that set none of their own.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitArgs {
    /// Time that one request may take, such as `500ms` or `1m`. A deadline in a function's
    /// function.toml wins [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<Duration>,
    /// Memory that one instance may use, such as `64MiB`. A limit in a function's function.toml
    /// wins [default: 128MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
}

impl LimitArgs {
    /// The limits, by default those of the lab.
    pub fn limits(self) -> Limits {
        let default = Limits::default();
        Limits {
            deadline: self.deadline.unwrap_or(default.deadline),
            memory_bytes: self.memory.unwrap_or(default.memory_bytes),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_bounds() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "5", "s", "-1s", "1.5s", "0s", "2000m", "99999999999999999999s", "5h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_a_unit_and_bounds() {
        assert_eq!(memory("64MiB"), Ok(64 << 20));
        assert_eq!((memory("1024KiB"), memory("4GiB")), (Ok(1 << 20), Ok(4 << 30)));
        for text in ["", "0", "64", "MiB", "64MB", "64mib", "-1MiB", "1.5GiB", "0MiB", "1KiB", "5GiB"] {
            assert!(memory(text).is_err(), "{text}");
        }
        assert!(memory("99999999999GiB").unwrap_err().contains("between"));
    }
}
