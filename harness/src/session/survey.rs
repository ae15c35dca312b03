//! What this machine can run, asked of a child for each executor and variant: the
//! harness itself opens no engine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::{Reuse, Spec, Variant};

use crate::http1::{Client, Wire};
use crate::measure::Lab;
use crate::run::plan::Selection;
use crate::server::child::{Child, NotStarted, Order};
use crate::server::control;

/// What was found of one executor.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The executor.
    pub spec: Spec,
    /// Versions of the engine and its parts; the reason if it cannot run here.
    pub versions: Result<BTreeMap<String, String>, String>,
    /// Cells of the selection that it cannot run, with the reasons.
    pub unsupported: Vec<(String, Variant, String)>,
}

impl Survey {
    /// Why a cell cannot run, if it cannot.
    pub fn unsupported(&self, function: &str, variant: Variant) -> Option<&str> {
        let mut found = self.unsupported.iter();
        found.find(|cell| cell.0 == function && cell.1 == variant).map(|cell| cell.2.as_str())
    }
}

/// Asks about every executor of the selection.
pub fn survey(lab: &Lab<'_>, selection: &Selection, cache: &Path, log: &Path) -> Result<Vec<Survey>> {
    selection.specs.iter().map(|spec| of_executor(lab, selection, spec, cache, log)).collect()
}

fn of_executor(
    lab: &Lab<'_>,
    selection: &Selection,
    spec: &Spec,
    cache: &Path,
    log: &Path,
) -> Result<Survey> {
    let mut survey = Survey { spec: spec.clone(), versions: Ok(BTreeMap::new()), unsupported: Vec::new() };
    for variant in &selection.variants {
        let order = Order {
            spec,
            variant: Some(*variant),
            reuse: Reuse::Fresh,
            functions: lab.functions,
            cache,
            run_id: lab.run_id,
            cpu: None,
            control: true,
            log,
            guests: None,
        };
        let child = match Child::spawn(&order) {
            Ok(child) => child,
            Err(error) => {
                survey.versions = Err(error.downcast::<NotStarted>()?.reason);
                return Ok(survey);
            }
        };
        let mut client = child.connect()?;
        let executor = control::executor(&mut client)?;
        survey.versions = Ok(executor.versions);
        for function in selection.functions.iter().filter(|function| function.source(*variant).is_some()) {
            if executor.cells.iter().all(|cell| cell.function != function.name()) {
                let reason = refusal(&mut client, function.name())?;
                survey.unsupported.push((function.name().to_owned(), *variant, reason));
            }
        }
        drop(client);
        child.stop()?;
    }
    Ok(survey)
}

/// What the front end says to a request for a cell that it does not serve.
fn refusal(client: &mut Client, function: &str) -> Result<String> {
    let target = format!("/{function}");
    let wire = Wire::to(&Method::GET, &target, &client.host(), HeaderMap::new(), Bytes::new())?;
    let response = client.send(&wire)?.response;
    Ok(control::problem(&response).unwrap_or_else(|| format!("status {}", response.status())))
}
