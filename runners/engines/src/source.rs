//! The bytes of a variant.

use isolab_core::guest::Form;
use isolab_core::{Cause, Environment, Function, Variant};

/// A module, and the digest of what it was made from: the same as that of the executor `wasm`.
pub(crate) struct Source {
    pub(crate) wasm: Vec<u8>,
    pub(crate) digest: String,
}

/// Builds or reads the module that the executor `wasm` runs, too.
#[cfg(feature = "javascript")]
pub(crate) fn of(
    function: &Function,
    variant: Variant,
    form: Form,
    environment: &Environment,
) -> Result<Source, Cause> {
    let isolab_wasm::Source { wasm, digest } = isolab_wasm::source(function, variant, form, environment)?;
    Ok(Source { wasm, digest })
}

/// Builds or reads the module of a function.
#[cfg(not(feature = "javascript"))]
pub(crate) fn of(
    function: &Function,
    variant: Variant,
    form: Form,
    _environment: &Environment,
) -> Result<Source, Cause> {
    use isolab_core::cache;
    use isolab_core::guest::{self, Target};

    let path = function.source(variant).ok_or_else(|| Cause::Artifact("no source".into()))?;
    let path = match variant {
        Variant::Module => path.to_owned(),
        _ => guest::build(path, Target::Wasm(form)).map_err(|error| Cause::Artifact(error.to_string()))?,
    };
    let wasm = std::fs::read(&path)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", path.display())))?;
    let digest = cache::digest([wasm.as_slice()]);
    Ok(Source { wasm, digest })
}

/// Whether this binary can make the module of a variant; if not, the reason as a sentence
/// without a full stop.
pub(crate) fn supports(variant: Variant) -> Result<(), String> {
    match variant {
        Variant::Js if !cfg!(feature = "javascript") => {
            Err("the snapshot of a handler is made by Wasmtime, which is not compiled in".into())
        }
        Variant::Command => Err("this executor runs functions, not WASI commands".into()),
        Variant::Rust | Variant::Js | Variant::Module => Ok(()),
    }
}
