//! The part of a run's matrix that this machine can run.

use std::collections::BTreeMap;

use isolab_core::{Spec, Variant};
use isolab_reports::Status;

use super::plan::Block;

/// The availability of one executor on this machine.
#[derive(Clone, Debug)]
pub struct Availability {
    /// The executor.
    pub spec: Spec,
    /// Versions of the engine and its parts; the reason if it cannot run here.
    pub versions: Result<BTreeMap<String, String>, String>,
    /// Functions and variants that it cannot run, with the reasons.
    pub unsupported: Vec<(String, Variant, String)>,
}

impl Availability {
    /// The reason why this executor cannot run a variant of a function, if there is one.
    pub fn unsupported(&self, function: &str, variant: Variant) -> Option<&str> {
        let mut found = self.unsupported.iter();
        found.find(|cell| cell.0 == function && cell.1 == variant).map(|cell| cell.2.as_str())
    }
}

/// The reason why a block cannot be measured, if there is one.
pub fn obstacle(block: &Block, executors: &[Availability]) -> Option<(Status, String)> {
    let executor = executors.iter().find(|executor| executor.spec == block.spec)?;
    if let Err(reason) = &executor.versions {
        return Some((Status::Unavailable, reason.clone()));
    }
    let reason = executor.unsupported(block.function.name(), block.variant)?;
    Some((Status::Skipped, reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use isolab_core::Reuse;
    use isolab_reports::Experiment;

    use super::*;

    #[test]
    fn a_block_that_cannot_run_has_a_reason() {
        let library = crate::library::open(&[]).unwrap();
        let block = Block {
            spec: Spec::parse("direct").unwrap(),
            function: library.get("hello").unwrap().clone(),
            variant: Variant::Rust,
            reuses: vec![Reuse::Fresh, Reuse::Warm],
            experiments: Experiment::ALL.to_vec(),
            is_twin: false,
            repetition: 0,
        };
        let executor =
            |versions| Availability { spec: block.spec.clone(), versions, unsupported: Vec::new() };
        assert_eq!(obstacle(&block, &[executor(Ok(BTreeMap::new()))]), None);
        let (status, reason) = obstacle(&block, &[executor(Err("no engine".into()))]).unwrap();
        assert_eq!((status, reason.as_str()), (Status::Unavailable, "no engine"));
        let mut fussy = executor(Ok(BTreeMap::new()));
        fussy.unsupported.push(("hello".into(), Variant::Rust, "by nature".into()));
        assert_eq!(obstacle(&block, &[fussy]).unwrap().0, Status::Skipped);
    }
}
