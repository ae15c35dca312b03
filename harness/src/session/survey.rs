//! Finds out what this machine can run. It asks a child for each executor and variant, because
//! the harness itself opens no engine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::{Reuse, Spec};

use crate::http1::{Client, Wire};
use crate::measure::Lab;
use crate::run::availability::Availability;
use crate::run::plan::Matrix;
use crate::server::child::{Child, ChildOptions, NotStarted};
use crate::server::control;

/// The availability of every executor of the matrix.
///
/// # Errors
/// If a child breaks off; an executor that cannot run is not an error.
pub fn survey(lab: &Lab<'_>, matrix: &Matrix, cache: &Path, log: &Path) -> Result<Vec<Availability>> {
    matrix.all_specs().map(|spec| of_executor(lab, matrix, spec, cache, log)).collect()
}

fn of_executor(
    lab: &Lab<'_>,
    matrix: &Matrix,
    spec: &Spec,
    cache: &Path,
    log: &Path,
) -> Result<Availability> {
    let mut found =
        Availability { spec: spec.clone(), versions: Ok(BTreeMap::new()), unsupported: Vec::new() };
    for variant in &matrix.variants {
        let options = ChildOptions {
            spec,
            variant: Some(*variant),
            reuse: Reuse::Fresh,
            functions: lab.functions,
            instances: None,
            workers: 1,
            cpus: &[],
            cache,
            run_id: lab.run_id,
            cpu: None,
            guest_cpu: None,
            control: true,
            log,
            guests: None,
            origin: None,
        };
        let child = match Child::spawn(&options) {
            Ok(child) => child,
            Err(error) => {
                found.versions = Err(error.downcast::<NotStarted>()?.reason);
                return Ok(found);
            }
        };
        let mut client = child.connect()?;
        let executor = control::executor(&mut client)?;
        found.versions = Ok(executor.versions);
        for function in matrix.functions.iter().filter(|function| function.source(*variant).is_some()) {
            if executor.cells.iter().all(|cell| cell.function != function.name()) {
                let reason = refusal(&mut client, function.name())?;
                found.unsupported.push((function.name().to_owned(), *variant, reason));
            }
        }
        drop(client);
        child.stop()?;
    }
    Ok(found)
}

/// The front end's answer to a request for a cell that it does not serve.
fn refusal(client: &mut Client, function: &str) -> Result<String> {
    let target = format!("/{function}");
    let wire = Wire::to(&Method::GET, &target, &client.host(), HeaderMap::new(), Bytes::new())?;
    let response = client.send(&wire)?.response;
    Ok(control::problem(&response).unwrap_or_else(|| format!("status {}", response.status())))
}
