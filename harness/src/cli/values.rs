//! Values that several commands take. An error says what is wrong and what there is
//! instead; clap adds the option's name and ends with exit code 2.

use std::str::FromStr;

use anyhow::Result;
use bytes::Bytes;
use isolab_core::Spec;
use isolab_core::spec::nearest;
use isolab_reports::Experiment;

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
