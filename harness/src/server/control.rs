//! The control client: the front end's own pages, as the harness calls them.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::Response;
use isolab_frontend::admin::api::{self, Executor, Instances, PhaseLine, Problem, SetInstances};
use serde::de::DeserializeOwned;

use crate::host::probes::places::Places;
use crate::http1::{Client, Wire};

/// Every phase since the last call. An error if the server has dropped some, or if a
/// phase failed.
pub fn phases(client: &mut Client) -> Result<Vec<PhaseLine>> {
    let response = expect_success(client.get(api::PHASES)?.response)?;
    let lost = response.headers().get(api::LOST).and_then(|lost| lost.to_str().ok());
    if let Some(lost) = lost.filter(|lost| *lost != "0") {
        bail!("the server has dropped {lost} phases because its record was full");
    }
    let lines = serde_json::Deserializer::from_slice(response.body()).into_iter::<PhaseLine>();
    let lines: Vec<_> = lines.collect::<Result<_, _>>().with_context(|| unreadable(api::PHASES))?;
    match lines.iter().find(|line| line.failed.is_some()) {
        Some(line) => {
            let PhaseLine { phase, function, executor, failed, .. } = line;
            bail!("{phase} of `{function}` on {executor} failed: {}", failed.as_deref().unwrap_or_default())
        }
        None => Ok(lines),
    }
}

/// The one executor that a child serves.
pub fn executor(client: &mut Client) -> Result<Executor> {
    let executors: Vec<Executor> = read(client.get(api::EXECUTORS)?.response, api::EXECUTORS)?;
    executors.into_iter().next().context("the server serves no executor")
}

/// Brings the live instances of a function to exactly this number, and invokes new ones
/// this often. Returns when surplus instances have stopped.
pub fn instances(client: &mut Client, function: &str, live: u64, invocations: u64) -> Result<Instances> {
    set_instances(client, function, SetInstances { live, invocations, rounds: 0 })
}

/// Brings the live instances of a function to exactly this number, and has all of them
/// answer this often, one after another.
pub fn exercised(client: &mut Client, function: &str, live: u64, rounds: u64) -> Result<Instances> {
    set_instances(client, function, SetInstances { live, invocations: 0, rounds })
}

fn set_instances(client: &mut Client, function: &str, wanted: SetInstances) -> Result<Instances> {
    let target = api::instances(function);
    let body = Bytes::from(serde_json::to_vec(&wanted)?);
    let wire = Wire::to(&Method::PUT, &target, &client.host(), HeaderMap::new(), body)?;
    let instances: Instances = read(client.send(&wire)?.response, &target)?;
    let (live, wanted) = (instances.live, wanted.live);
    ensure!(live == wanted, "{live} instances of `{function}` are live instead of {wanted}");
    Ok(instances)
}

/// Where a child and these instances cost the host something.
pub fn places(child: u32, instances: &Instances) -> Places {
    let mut places = Places::child(child);
    for outside in &instances.outside {
        places.cgroups.extend(outside.cgroups.iter().cloned());
        places.helpers.extend(&outside.helpers);
    }
    places
}

fn read<T: DeserializeOwned>(response: Response, target: &str) -> Result<T> {
    let response = expect_success(response)?;
    serde_json::from_slice(response.body()).with_context(|| unreadable(target))
}

fn unreadable(target: &str) -> String {
    format!("the server's answer to {target} cannot be read")
}

/// The detail of the problem in a response, if it is an error of the front end.
pub fn problem(response: &Response) -> Option<String> {
    Problem::read(response).map(|problem| problem.detail)
}

/// The response if its status is a success; else an error with the problem's detail.
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
    fn a_problem_becomes_an_error_with_its_detail() {
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
        let places = places(1, &serde_json::from_str(page).unwrap());
        assert_eq!((places.child, places.cgroups.len(), &places.helpers[..]), (1, 3, &[7][..]));
    }
}
