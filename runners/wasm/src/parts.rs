//! Reads or builds the parts that a module is made from.

use std::path::Path;

use bytes::Bytes;
use isolab_core::guest::{self, Form, Target};
use isolab_core::{Cause, Function, Variant, cache};

/// The source of a variant, before any further step.
pub(crate) struct Parts {
    /// The Wasm module. For `js`, it is that of the engine.
    pub(crate) wasm: Vec<u8>,
    /// Standard input of its initialisation: the JavaScript handler, which is not in the engine
    /// yet. Empty for other variants.
    pub(crate) input: Bytes,
    /// The digest of the handler, or else of the module.
    pub(crate) digest: String,
}

impl Parts {
    /// Builds or reads a variant.
    pub(crate) fn of(function: &Function, variant: Variant, form: Form) -> Result<Self, Cause> {
        let path = function
            .source(variant)
            .ok_or_else(|| Cause::Artifact(format!("`{}` has no variant `{variant}`", function.name())))?;
        let (wasm, handler) = match variant {
            Variant::Rust => {
                let built = guest::build(path, Target::Wasm(form));
                (read(&built.map_err(|error| Cause::Artifact(error.to_string()))?)?, None)
            }
            Variant::Js => {
                let engine =
                    crate::javascript::engine().map_err(|error| Cause::Artifact(error.to_string()))?;
                (read(&engine)?, Some(read(path)?))
            }
            Variant::Module | Variant::Command => (read(path)?, None),
        };
        let digest = cache::digest([handler.as_deref().unwrap_or(&wasm)]);
        Ok(Self { wasm, input: handler.unwrap_or_default().into(), digest })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    std::fs::read(path)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", path.display())))
}
