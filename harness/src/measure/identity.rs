//! Whether a cell gives the same answers as every other cell.

use anyhow::Result;
use isolab_core::{Case, Function};

use crate::http1::{Client, Wire};
use crate::server::control;

/// A cell with a different answer. It is reported as broken, and has no figures.
#[derive(Debug, thiserror::Error)]
#[error("broken: case {case}: {difference}")]
pub struct Broken {
    case: String,
    difference: String,
}

/// Sends every case through the front end, and compares the answers byte by byte. A function
/// without cases must answer `GET /`.
///
/// # Errors
/// [`Broken`] if one differs.
pub fn check_all(client: &mut Client, function: &Function) -> Result<()> {
    if function.cases().is_empty() {
        return check(client, function.name(), function.load_case());
    }
    function.cases().iter().try_for_each(|case| check(client, function.name(), case))
}

/// Sends one case, and compares the answer.
///
/// # Errors
/// [`Broken`] if it differs.
pub fn check(client: &mut Client, function: &str, case: &Case) -> Result<()> {
    let answer = client.send(&Wire::of_case(case, function, &client.host())?)?;
    compare(case, &answer.response)
}

/// Compares an answer with its case.
///
/// # Errors
/// [`Broken`] if it differs.
pub fn compare(case: &Case, response: &isolab_core::Response) -> Result<()> {
    let difference = match case.check(response) {
        Ok(()) => return Ok(()),
        Err(difference) => control::problem(response).unwrap_or(difference),
    };
    Err(Broken { case: case.name.clone(), difference }.into())
}
