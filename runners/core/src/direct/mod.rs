//! The executor that isolates nothing: a native call in the server's own process.
//!
//! Every model is compared with it, and the front end is tested with it. It enforces
//! neither deadline nor memory limit, and a panic or an `abort` of the function ends the
//! server: that is what isolation is for.
//!
//! A function is a native library, which Cargo builds with the configuration of all guests
//! (`library`, [`guest`]). As a part of this binary it would have the binary's profile: Cargo
//! optimises across crates (`lto`) only for a whole program, and chooses instructions only for
//! a whole build. By callgrind, a call of `hello` with all that the host does around it takes
//! 2,891 instructions linked into the binary (16 units, no LTO) and 2,828 from the library;
//! one with a body takes 4,267 and 4,097. So the boundary costs less than the profile gains,
//! and the floor is not raised by it.

mod library;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;

use crate::cache::digest;
use crate::guest::{self, Instructions, Target};
use crate::{
    Artifact, Cause, Error, Executor, Function, Instance, Laps, Phase, Prepared, Request, Response, Setting,
    Spec, Variant, message,
};
use library::Library;

/// A function that is linked into this binary.
pub type Native = fn(&isolab_sdk::Request<'_>) -> isolab_sdk::Response;

/// The settings of `direct`.
pub const SETTINGS: &[Setting] = &[guest::INSTRUCTIONS];

/// Calls functions in this process.
pub struct Direct {
    spec: Spec,
    /// The functions of a test double; `None` if each is loaded from its library.
    linked: Option<&'static [(&'static str, Native)]>,
}

impl Direct {
    /// The executor, with a spec that is resolved against [`SETTINGS`].
    pub fn new(spec: Spec) -> Self {
        Self { spec, linked: None }
    }

    /// A test double for functions that are linked into this binary, by
    /// [`Function::code_name`]. A panic of such a function traps.
    pub fn linked(spec: Spec, functions: &'static [(&'static str, Native)]) -> Self {
        Self { spec, linked: Some(functions) }
    }

    /// Builds and loads the code of a function.
    fn code(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<(Code, Artifact), Cause> {
        self.supports(function, variant).map_err(Cause::Artifact)?;
        if let Some(linked) = self.linked {
            let found = find(linked, function).map_err(Cause::Artifact)?;
            return Ok((Code::Linked(found), artifact("native code", function.code_name().as_bytes(), 0)));
        }
        let manifest = function.source(variant).ok_or_else(|| Cause::Artifact("it has no source".into()))?;
        let path = guest::build(manifest, Target::Library(Instructions::of(&self.spec)))
            .map_err(|error| Cause::Artifact(error.to_string()))?;
        let bytes = std::fs::read(&path)
            .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", path.display())))?;
        laps.mark("build");
        let library = Library::load(&path, &bytes)?;
        laps.mark("load");
        Ok((Code::Library(library), artifact("native library", &bytes, bytes.len() as u64)))
    }
}

/// An artifact of `direct`, which makes none beside the guest itself: it is always found.
fn artifact(kind: &'static str, source: &[u8], bytes: u64) -> Artifact {
    Artifact { kind, source_digest: digest([source]), bytes, cached: true }
}

/// The linked code of a function.
fn find(linked: &[(&'static str, Native)], function: &Function) -> Result<Native, String> {
    let name = function.code_name();
    let found = linked.iter().find(|(known, _)| *known == name);
    found.map(|(_, native)| *native).ok_or_else(|| format!("`{name}` is not linked into this binary"))
}

#[async_trait]
impl Executor for Direct {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        if variant != Variant::Rust {
            return Err(format!("`direct` calls native code and cannot run the variant `{variant}`"));
        }
        function.grants().only(&[], "direct")?;
        match self.linked {
            Some(linked) => find(linked, function).map(|_| ()),
            None if function.source(variant).is_some() => Ok(()),
            None => Err(format!("`{}` has no variant `{variant}`", function.name())),
        }
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("isolab".into(), env!("CARGO_PKG_VERSION").into())]
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let (code, artifact) = self
            .code(function, variant, laps)
            .map_err(|cause| Error::new(Phase::Prepare, &self.spec, function.name(), cause))?;
        Ok(Arc::new(PreparedDirect {
            call: Call {
                code,
                spec: self.spec.to_string(),
                function: function.name().to_owned(),
                response_bytes: function.limits().response_bytes,
            },
            artifact,
        }))
    }
}

/// Where a function's code is.
#[derive(Clone, Copy)]
enum Code {
    Linked(Native),
    Library(Library),
}

#[derive(Clone)]
struct Call {
    code: Code,
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

    fn sleeps_on_thread(&self) -> bool {
        true
    }

    async fn start(&self, _laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(self.call.clone()))
    }
}

#[async_trait(?Send)]
impl Instance for Call {
    async fn invoke(&self, request: Request, _laps: &mut Laps) -> Result<Response, Error> {
        let response = match self.code {
            Code::Library(library) => library.call(&request, self.response_bytes),
            Code::Linked(native) => call_linked(native, &request, self.response_bytes),
        };
        response.map_err(|cause| Error::new(Phase::Invoke, &self.spec, &self.function, cause))
    }

    fn peak_memory(&self) -> Result<u64, &'static str> {
        Err("the function's memory is part of the server's")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

fn call_linked(native: Native, request: &Request, response_bytes: u64) -> Result<Response, Cause> {
    let guest = request.as_guest();
    // A function owns nothing that outlives its call, so a panic leaves no broken state.
    catch_unwind(AssertUnwindSafe(|| native(&guest)))
        .map_err(|panic| Cause::Trapped(panic_text(&*panic)))
        .and_then(|response| message::from_guest(response, response_bytes))
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

    fn spec(text: &str) -> Spec {
        Spec::parse(text).unwrap().resolve(SETTINGS).unwrap()
    }

    #[test]
    fn a_function_like_another_runs_the_native_code_of_that_one() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/claims");
        let direct = Direct::linked(spec("direct"), &[("fibonacci", answer)]);
        for name in ["fibonacci-32", "fibonacci-40"] {
            let function = Function::load(&folder.join(name)).unwrap();
            assert_eq!(function.name(), name);
            assert_eq!(function.load_case().name, name.replace("fibonacci", "n"));
            assert_eq!(direct.supports(&function, Variant::Rust), Ok(()));
        }
        let other = Function::load(&folder.join("blake3-hello")).unwrap();
        let reason = direct.supports(&other, Variant::Rust).unwrap_err();
        assert!(reason.contains("`blake3` is not linked"), "{reason}");
    }

    /// The library stays loaded, so its function is initialised once, however often it is prepared.
    #[tokio::test]
    async fn a_function_with_an_initialisation_is_initialised_when_it_is_loaded() {
        let regex = Function::load(&guest::workspace().join("functions/claims/regex")).unwrap();
        let direct = Direct::new(spec("direct"));
        for _ in 0..2 {
            let prepared = direct.prepare(&regex, Variant::Rust, &mut Laps::begin()).await.unwrap();
            let instance = prepared.start(&mut Laps::begin()).await.unwrap();
            for case in regex.cases() {
                let response = instance.invoke(case.request.clone(), &mut Laps::begin()).await.unwrap();
                assert_eq!(case.check(&response), Ok(()), "{}", case.name);
            }
        }
    }

    #[tokio::test]
    async fn a_function_is_called_in_a_library_of_its_own_for_each_target() {
        let folder = guest::workspace().join("functions/hello");
        let hello = Function::load(&folder).unwrap();
        let mut digests = Vec::new();
        for text in ["direct", "direct:target=native"] {
            let direct = Direct::new(spec(text));
            let prepared = direct.prepare(&hello, Variant::Rust, &mut Laps::begin()).await.unwrap();
            let instance = prepared.start(&mut Laps::begin()).await.unwrap();
            for case in hello.cases() {
                let response = instance.invoke(case.request.clone(), &mut Laps::begin()).await.unwrap();
                assert_eq!(case.check(&response), Ok(()), "{text}: {}", case.name);
            }
            digests.push(prepared.artifact().source_digest.clone());
        }
        assert_ne!(digests[0], digests[1]);
    }
}
