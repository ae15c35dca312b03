//! The executor that isolates nothing: a native call in the server's own process.
//!
//! Every model is compared with it, and the front end is tested with it. It enforces
//! neither deadline nor memory limit, and an `abort` of the function ends the server:
//! that is what isolation is for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::cache::digest;
use crate::{
    Artifact, Cause, Error, Executor, Function, Instance, Laps, Phase, Prepared, Request, Response, Setting,
    Spec, Variant, message,
};

/// A function compiled into this binary.
pub type Native = fn(&isolab_sdk::Request<'_>) -> isolab_sdk::Response;

/// `direct` has no settings.
pub const SETTINGS: &[Setting] = &[];

/// Calls functions that are part of this binary.
pub struct Direct {
    spec: Spec,
    functions: &'static [(&'static str, Native)],
    /// Where the crates of these functions lie, if that is to be checked.
    crates: Option<PathBuf>,
}

impl Direct {
    /// An executor for these functions, by [`Function::code_name`].
    pub fn new(spec: Spec, functions: &'static [(&'static str, Native)]) -> Self {
        Self { spec, functions, crates: None }
    }

    /// Refuses functions whose crate lies outside of this folder: a user's function may have
    /// the name of one that is compiled in, and other code.
    #[must_use]
    pub fn with_crates_in(mut self, folder: PathBuf) -> Self {
        self.crates = Some(folder);
        self
    }

    /// The native code of a function; the reason if it is not compiled in.
    fn native(&self, function: &Function, variant: Variant) -> Result<Native, String> {
        if variant != Variant::Rust {
            return Err(format!("`direct` calls native code and cannot run the variant `{variant}`"));
        }
        let is_elsewhere =
            |folder: &PathBuf| function.source(variant).is_none_or(|manifest| !manifest.starts_with(folder));
        let name = function.code_name();
        let found = self.functions.iter().find(|(known, _)| *known == name);
        match found {
            Some((_, native)) if !self.crates.as_ref().is_some_and(is_elsewhere) => Ok(*native),
            _ => Err(format!("`{name}` is not compiled into this binary")),
        }
    }
}

#[async_trait]
impl Executor for Direct {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        self.native(function, variant).map(|_| ())
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("isolab".into(), env!("CARGO_PKG_VERSION").into())]
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        _laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let native = self.native(function, variant).map_err(|reason| {
            Error::new(Phase::Prepare, &self.spec, function.name(), Cause::Artifact(reason))
        })?;
        Ok(Arc::new(PreparedDirect {
            call: Call {
                native,
                spec: self.spec.to_string(),
                function: function.name().to_owned(),
                response_bytes: function.limits().response_bytes,
            },
            artifact: Artifact {
                kind: "native code",
                source_digest: digest([function.code_name().as_bytes()]),
                bytes: 0,
                cached: true,
            },
        }))
    }
}

#[derive(Clone)]
struct Call {
    native: Native,
    spec: String,
    function: String,
    response_bytes: u64,
}

struct PreparedDirect {
    call: Call,
    artifact: Artifact,
}

#[async_trait(?Send)]
impl Prepared for PreparedDirect {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    async fn start(&self, _laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(self.call.clone()))
    }
}

#[async_trait(?Send)]
impl Instance for Call {
    async fn invoke(&mut self, request: Request, _laps: &mut Laps) -> Result<Response, Error> {
        let guest = request.as_guest();
        // A function owns nothing that outlives its call, so a panic leaves no broken state.
        catch_unwind(AssertUnwindSafe(|| (self.native)(&guest)))
            .map_err(|panic| Cause::Trapped(panic_text(&*panic)))
            .and_then(|response| message::from_guest(response, self.response_bytes))
            .map_err(|cause| Error::new(Phase::Invoke, &self.spec, &self.function, cause))
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn answer(_: &isolab_sdk::Request<'_>) -> isolab_sdk::Response {
        isolab_sdk::Response::text(200, "")
    }

    #[test]
    fn a_function_like_another_runs_the_native_code_of_that_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/claims");
        let direct =
            Direct::new(Spec::parse("direct").unwrap().resolve(SETTINGS).unwrap(), &[("fibonacci", answer)]);
        for name in ["fibonacci-32", "fibonacci-40"] {
            let function = Function::load(&folder.join(name)).unwrap();
            assert_eq!(function.name(), name);
            assert_eq!(function.load_case().name, name.replace("fibonacci", "n"));
            assert_eq!(direct.supports(&function, Variant::Rust), Ok(()));
        }
        let other = Function::load(&folder.join("blake3-hello")).unwrap();
        let reason = direct.supports(&other, Variant::Rust).unwrap_err();
        assert!(reason.contains("`blake3` is not compiled"), "{reason}");
    }

    #[test]
    fn a_function_with_the_name_of_another_does_not_run_that_ones_code() {
        let folder = tempfile::tempdir().unwrap();
        let crate_folder = folder.path().join("fibonacci");
        std::fs::create_dir(&crate_folder).unwrap();
        std::fs::write(crate_folder.join("Cargo.toml"), "").unwrap();
        let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions").canonicalize().unwrap();
        let spec = Spec::parse("direct").unwrap().resolve(SETTINGS).unwrap();
        let direct = Direct::new(spec, &[("fibonacci", answer)]).with_crates_in(functions.clone());
        let own = Function::load(&crate_folder).unwrap();
        let reason = direct.supports(&own, Variant::Rust).unwrap_err();
        assert!(reason.contains("not compiled into"), "{reason}");
        let lab = Function::load(&functions.join("fibonacci")).unwrap();
        assert_eq!(direct.supports(&lab, Variant::Rust), Ok(()));
    }
}
