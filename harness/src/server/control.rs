//! The front end's own pages, as the harness reads them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::{Phase, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::host::probes::places::Places;
use crate::http1::{Client, Wire};

/// One line of `GET /-/phases`.
#[derive(Clone, Debug, Deserialize)]
pub struct PhaseLine {
    /// Id of the instance; none for `prepare`.
    pub instance: Option<u64>,
    /// How often the instance was used, this time included.
    pub uses: Option<u64>,
    /// The phase.
    pub phase: Phase,
    /// How long it took.
    pub duration_ns: u64,
    /// Its laps.
    pub laps: Vec<(String, u64)>,
    /// Whether `prepare` found its artifact.
    pub cached: Option<bool>,
    /// The name of the cause, if it failed.
    pub failed: Option<String>,
}

/// One executor of `GET /-/executors`.
#[derive(Clone, Debug, Deserialize)]
pub struct ExecutorPage {
    /// Versions of the engine and its parts, by name.
    pub versions: std::collections::BTreeMap<String, String>,
    /// What it can run.
    pub cells: Vec<CellPage>,
}

/// One cell of it.
#[derive(Clone, Debug, Deserialize)]
pub struct CellPage {
    /// The function's name.
    pub function: String,
}

/// What `PUT /-/instances/{function}` answers.
#[derive(Clone, Debug, Deserialize)]
pub struct Instances {
    /// How many are live.
    pub live: u64,
    /// What the model knows of each one's memory.
    pub model_bytes: Vec<Option<u64>>,
    /// What each one has outside of the server.
    pub outside: Vec<OutsidePage>,
}

/// What one instance has outside.
#[derive(Clone, Debug, Deserialize)]
pub struct OutsidePage {
    cgroups: Vec<PathBuf>,
    helpers: Vec<u32>,
}

impl Instances {
    /// Where the server and its instances cost something.
    pub fn places(&self, child: u32) -> Places {
        let mut places = Places::child(child);
        for outside in &self.outside {
            places.cgroups.extend(outside.cgroups.iter().cloned());
            places.helpers.extend(&outside.helpers);
        }
        places
    }
}

/// Every phase since this was last asked. An error if the server has lost some, or if
/// one failed.
pub fn phases(client: &mut Client) -> Result<Vec<PhaseLine>> {
    let response = expect_success(client.get("/-/phases")?.response)?;
    let lost = response.headers().get("x-isolab-lost").and_then(|lost| lost.to_str().ok());
    if let Some(lost) = lost.filter(|lost| *lost != "0") {
        bail!("the server has lost {lost} phases");
    }
    let lines = serde_json::Deserializer::from_slice(response.body()).into_iter::<PhaseLine>();
    let lines: Vec<_> = lines.collect::<Result<_, _>>().context("/-/phases cannot be read")?;
    match lines.iter().find(|line| line.failed.is_some()) {
        Some(line) => bail!("{} failed: {}", line.phase, line.failed.as_deref().unwrap_or_default()),
        None => Ok(lines),
    }
}

/// The one executor that a child serves.
pub fn executor(client: &mut Client) -> Result<ExecutorPage> {
    let executors: Vec<ExecutorPage> = read(client.get("/-/executors")?.response)?;
    executors.into_iter().next().context("the server serves no executor")
}

/// Brings the live instances of a function to exactly this number, new ones invoked
/// so often, and waits until those that were to stop have stopped.
pub fn instances(client: &mut Client, function: &str, live: u64, invocations: u64) -> Result<Instances> {
    put_instances(client, function, live, &format!(r#"{{"live":{live},"invocations":{invocations}}}"#))
}

/// The same, and then has all of them answer in turn so many times.
pub fn exercised(client: &mut Client, function: &str, live: u64, rounds: u64) -> Result<Instances> {
    put_instances(client, function, live, &format!(r#"{{"live":{live},"rounds":{rounds}}}"#))
}

fn put_instances(client: &mut Client, function: &str, live: u64, wanted: &str) -> Result<Instances> {
    let target = format!("/-/instances/{function}");
    let body = Bytes::copy_from_slice(wanted.as_bytes());
    let wire = Wire::to(&Method::PUT, &target, &client.host(), HeaderMap::new(), body)?;
    let there: Instances = read(client.send(&wire)?.response)?;
    anyhow::ensure!(there.live == live, "{} instances are live instead of {live}", there.live);
    Ok(there)
}

fn read<T: DeserializeOwned>(response: Response) -> Result<T> {
    let response = expect_success(response)?;
    serde_json::from_slice(response.body()).context("a page of the server cannot be read")
}

/// What a response says went wrong, if it is an error of the front end's.
pub fn problem(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let is_problem = |kind: &http::HeaderValue| kind.as_bytes().starts_with(b"application/problem+json");
    response.headers().get(http::header::CONTENT_TYPE).filter(|kind| is_problem(kind))?;
    serde_json::from_slice(response.body()).ok().map(|problem: Problem| problem.detail)
}

/// The response, if its status says success; else what it says went wrong.
pub fn expect_success(response: Response) -> Result<Response> {
    if response.status().is_success() {
        return Ok(response);
    }
    match problem(&response) {
        Some(detail) => bail!("{detail}"),
        None => bail!("status {}: {}", response.status(), String::from_utf8_lossy(response.body())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_by_its_detail() {
        let problem = http::Response::builder()
            .status(502)
            .header("content-type", "application/problem+json")
            .body(Bytes::from(
                r#"{"type":"/-/problems/trapped","title":"t","status":502,"detail":"it trapped"}"#,
            ))
            .unwrap();
        assert_eq!(expect_success(problem).unwrap_err().to_string(), "it trapped");
        let plain = http::Response::builder().status(500).body(Bytes::from("oh")).unwrap();
        assert!(expect_success(plain).unwrap_err().to_string().ends_with("oh"));
    }

    #[test]
    fn the_places_of_instances_are_joined() {
        let page = r#"{"live":2,"model_bytes":[null,5],"outside":[
            {"cgroups":["/a/x","/b/x"],"helpers":[7]},{"cgroups":["/a/y"],"helpers":[]}]}"#;
        let places = serde_json::from_str::<Instances>(page).unwrap().places(1);
        assert_eq!((places.child, places.cgroups.len(), &places.helpers[..]), (1, 3, &[7][..]));
    }
}
