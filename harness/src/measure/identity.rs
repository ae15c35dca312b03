//! Whether a cell answers what every cell must answer.

use anyhow::Result;
use isolab_core::{Case, Function};

use crate::http1::{Client, Wire};
use crate::server::control;

/// A cell that answers something else. It is reported as broken and never as a number.
#[derive(Debug, thiserror::Error)]
#[error("broken: case {case}: {difference}")]
pub struct Broken {
    case: String,
    difference: String,
}

/// Asks for every case through the front door and compares byte by byte. A function without
/// cases must answer `GET /`.
pub fn check_all(client: &mut Client, function: &Function) -> Result<()> {
    if function.cases().is_empty() {
        return check(client, function.name(), function.load_case());
    }
    function.cases().iter().try_for_each(|case| check(client, function.name(), case))
}

/// Asks for one case.
pub fn check(client: &mut Client, function: &str, case: &Case) -> Result<()> {
    let answer = client.send(&Wire::of_case(case, function, &client.host())?)?;
    compare(case, &answer.response)
}

/// Compares an answer with its case.
pub fn compare(case: &Case, response: &isolab_core::Response) -> Result<()> {
    let difference = match case.check(response) {
        Ok(()) => return Ok(()),
        Err(difference) => control::problem(response).unwrap_or(difference),
    };
    Err(Broken { case: case.name.clone(), difference }.into())
}
