//! The executor: from a function's variant to something that can be started.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::cache::digest;
use isolab_core::function::{Grant, Grants};
use isolab_core::guest::{self, Form, Target};
use isolab_core::wasi::Granted;
use isolab_core::{
    Artifact, Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant,
};

use crate::POINTERS;
use crate::handler::{self, Boundary, CodeCache, Origin, Powers, PreparedHandler, Source, snapshot};
use crate::module::{PreparedCommand, PreparedModule};
use crate::platform::{self, Jit, Started};
use crate::rules::Rules;
use isolab_core::watchdog::Watchdog;

/// The advice for the pointers that this binary does not have.
const OTHER_POINTERS: &str = "the feature `pointer-compression` chooses them: `make bench \
                              ISOLAB_FEATURES=pointer-compression`";

/// Runs functions in V8 isolates.
pub struct V8 {
    spec: Spec,
    environment: Environment,
    watchdog: Arc<Watchdog>,
}

impl V8 {
    /// Opens the executor with a resolved spec, and starts V8 unless it has started.
    ///
    /// In a process with another Wasm engine, this executor must be opened first: V8's signal
    /// handler does not pass other signals on.
    ///
    /// # Errors
    /// If settings exclude each other, if V8 has started with other flags, or if the thread that enforces deadlines cannot be started.
    ///
    /// # Panics
    /// When used, if `spec` was not resolved against [`crate::SETTINGS`].
    pub fn open(spec: Spec, environment: &Environment) -> Result<Self, Error> {
        if spec.get("codecache") == "on" && spec.get("snapshot") == "on" {
            let reason = "a snapshot holds the compiled code already; `codecache=on` needs `snapshot=off`";
            return Err(Error::new(Phase::Prepare, &spec, "*", Cause::Unavailable(reason.into())));
        }
        if spec.get("pointers") != POINTERS {
            let reason = format!("V8 in this binary has `pointers={POINTERS}`");
            return Err(
                Error::new(Phase::Prepare, &spec, "*", Cause::Unavailable(reason)).hint(OTHER_POINTERS)
            );
        }
        platform::start_with(Jit::of(&spec)).map_err(|Started(jit)| {
            let reason =
                format!("V8 has started with `{jit}` in this process, and its flags hold for all of it");
            Error::new(Phase::Prepare, &spec, "*", Cause::Unavailable(reason))
                .hint("serve it in a process of its own")
        })?;
        let watchdog = Watchdog::start().map_err(|error| {
            let cause = Cause::Unavailable(format!("the thread for deadlines cannot be started: {error}"));
            Error::new(Phase::Prepare, &spec, "*", cause).hint("raise the limit on processes (`ulimit -u`)")
        })?;
        Ok(Self { spec, environment: environment.clone(), watchdog })
    }

    /// Whether Wasm modules can run.
    fn supports_modules(&self) -> Result<(), String> {
        if Jit::of(&self.spec) == Jit::Off {
            return Err("`v8` with `jit=off` has no Wasm".into());
        }
        if self.spec.get("boundary") == "context" {
            return Err(
                "`v8` with `boundary=context` runs handlers only: V8 keeps the memory of a module until it \
                        collects garbage"
                    .into(),
            );
        }
        Ok(())
    }

    /// How many requests one isolate of the variant `js` may have in flight.
    fn concurrency(&self) -> usize {
        usize::try_from(self.spec.number("concurrency")).unwrap_or(usize::MAX)
    }

    fn prepare_handler(
        &self,
        rules: Rules,
        (path, grants): (&Path, &Grants),
        laps: &mut Laps,
    ) -> Result<PreparedHandler, Cause> {
        let text = String::from_utf8(read(path)?)
            .map_err(|_| Cause::Artifact(format!("{} is not UTF-8", path.display())))?;
        laps.mark("read");
        let streams = !grants.hosts.is_empty() || isolab_webapi::needs_streams(&text);
        let source = Source { text, streams };
        let powers = Powers::new(grants, &self.environment);
        let (concurrency, boundary) = (self.concurrency(), Boundary::of(&self.spec));
        let prepared = if self.spec.get("snapshot") == "on" {
            let (blob, cached) = snapshot::load_or_make(&self.environment.cache, &source, &rules)
                .map_err(|cause| with_stack(cause, &rules, &source))?;
            let bytes = blob.bytes().len() as u64;
            let source_digest = digest([source.text.as_bytes()]);
            let artifact = Artifact { kind: "snapshot", source_digest, bytes, cached };
            let origin = Origin::Snapshot(Arc::new(blob));
            PreparedHandler { rules, origin, artifact, concurrency, powers, streams, boundary }
        } else if self.spec.get("codecache") == "on" {
            let code = CodeCache::load_or_make(&self.environment.cache, &source, &rules)?;
            PreparedHandler::from_source(rules, source, concurrency, powers, boundary).with_code(code)
        } else {
            PreparedHandler::from_source(rules, source, concurrency, powers, boundary)
        };
        laps.mark(prepared.artifact.kind);
        handler::try_start(&prepared)?;
        laps.mark("try");
        Ok(prepared)
    }
}

/// The same failure as an isolate without a snapshot reports it: V8 records no stacks while
/// it makes a snapshot.
fn with_stack(cause: Cause, rules: &Rules, source: &Source) -> Cause {
    if !matches!(cause, Cause::Artifact(_)) {
        return cause;
    }
    let (rules, source) = (rules.clone(), source.clone());
    let plain = PreparedHandler::from_source(rules, source, 1, Powers::default(), Boundary::Isolate);
    handler::try_start(&plain).err().unwrap_or(cause)
}

fn prepare_crate(
    rules: Rules,
    (manifest, granted): (&Path, Granted),
    form: Form,
    laps: &mut Laps,
) -> Result<PreparedModule, Cause> {
    let path =
        guest::build(manifest, Target::Wasm(form)).map_err(|error| Cause::Artifact(error.to_string()))?;
    laps.mark("build");
    prepare_module(rules, (&path, granted), laps)
}

fn prepare_module(
    rules: Rules,
    (path, granted): (&Path, Granted),
    laps: &mut Laps,
) -> Result<PreparedModule, Cause> {
    let module = read(path)?;
    let source_digest = digest([module.as_slice()]);
    PreparedModule::new(rules, granted, &module, source_digest, laps)
}

fn prepare_command(
    rules: Rules,
    (path, granted): (&Path, Granted),
    laps: &mut Laps,
) -> Result<PreparedCommand, Cause> {
    let module = read(path)?;
    laps.mark("read");
    let source_digest = digest([module.as_slice()]);
    PreparedCommand::new(rules, granted, &module, source_digest, laps)
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    std::fs::read(path)
        .map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", path.display())))
}

#[async_trait]
impl Executor for V8 {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        let found = function.source(variant).map(|_| ());
        found.ok_or_else(|| format!("`{}` has no variant `{variant}`", function.name()))?;
        if variant != Variant::Js {
            self.supports_modules()?;
        }
        let honoured: &[Grant] = match variant {
            Variant::Js => &[Grant::Hosts, Grant::Env],
            Variant::Rust | Variant::Module | Variant::Command => &[Grant::Args, Grant::Env],
        };
        function.grants().only(honoured, "v8")
    }

    fn versions(&self) -> Vec<(String, String)> {
        let versions =
            [("v8", v8::V8::get_version()), ("v8-flags", platform::flags()), ("v8-pointers", POINTERS)];
        versions.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let rules = Rules::new(&self.spec.to_string(), function.name(), function.limits(), &self.watchdog);
        let failed = |cause| rules.error(Phase::Prepare, cause);
        self.supports(function, variant).map_err(|reason| failed(Cause::Artifact(reason)))?;
        let path = function.source(variant).ok_or_else(|| failed(Cause::Artifact("no source".into())))?;
        let granted = Granted::of(function.name(), function.grants());
        let prepared: Result<Arc<dyn Prepared>, Cause> = match variant {
            Variant::Js => {
                let prepared = self.prepare_handler(rules.clone(), (path, function.grants()), laps);
                prepared.map(|prepared| Arc::new(prepared) as _)
            }
            Variant::Rust => {
                let prepared = prepare_crate(rules.clone(), (path, granted), Form::of(&self.spec), laps);
                prepared.map(|prepared| Arc::new(prepared) as _)
            }
            Variant::Module => {
                let prepared = prepare_module(rules.clone(), (path, granted), laps);
                prepared.map(|prepared| Arc::new(prepared) as _)
            }
            Variant::Command => {
                let prepared = prepare_command(rules.clone(), (path, granted), laps);
                prepared.map(|prepared| Arc::new(prepared) as _)
            }
        };
        prepared.map_err(failed)
    }
}
