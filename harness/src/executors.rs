//! The one file that names all executors.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Result;
use isolab_core::direct::{self, Direct};
use isolab_core::guest::{self, Form, Instructions, Simd, Stack, Target};
use isolab_core::spec::SpecError;
use isolab_core::{Cause, Environment, Executor, Setting, Spec, Variant};

use crate::exit::BadInput;
use crate::host::probes::daemons::Daemons;

/// An executor as the lab knows it.
pub struct Registration {
    /// Its name in specs.
    pub name: &'static str,
    /// The isolation model that it implements.
    pub model: &'static str,
    /// The effect of a deadline on a function that never ends, as a sentence without a full stop.
    pub deadline: &'static str,
    /// Whether a command that names no executor takes it. The default run compares models, so it
    /// takes one engine of each; others of the same model are measured where they are named, and so are plain
    /// processes, which confine nothing, and foreign runtimes, which are not this lab's.
    pub by_default: bool,
    /// The cargo feature with which it is compiled in.
    pub feature: Option<&'static str>,
    /// Its settings, and how it is opened; none if it is not compiled in.
    pub build: Option<Build>,
    /// The guest to build before it can prepare a variant.
    pub guests: fn(&Spec, Variant) -> Option<Guest>,
}

/// The part of an executor that its cargo feature compiles in.
#[derive(Clone, Copy)]
pub struct Build {
    /// The settings that a spec may have.
    pub settings: &'static [Setting],
    /// Command names of the daemons that serve every instance on this host. Their CPU time
    /// is shown by itself and belongs to no instance.
    pub daemons: &'static [&'static str],
    /// Command names of the processes that the daemons start for an instance, as the kernel cuts
    /// them: 15 bytes.
    pub helpers: &'static [&'static str],
    /// Specs whose start a reader should see beside that of the default: they do work in `start`
    /// that the default does in `prepare`, or the other way round.
    pub beside: &'static [&'static str],
    /// Specs that each draw another boundary, from the weakest to the strongest: those of `bench --boundaries`.
    pub boundaries: &'static [&'static str],
    /// Removes what a run has left outside of its processes, and counts it; `None` if
    /// nothing outlives a process.
    sweep: Option<fn(&str) -> Result<usize>>,
    open: fn(Spec, Environment) -> Opening,
}

/// A thing that `isolab build` makes of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The function's crate, for this target.
    Crate(Target),
    /// The JavaScript engine that is compiled to Wasm, the same for all functions.
    JavascriptEngine,
}

/// An executor that could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("executor `{executor}` cannot run: {}{}", reason(cause), hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct OpenError {
    executor: String,
    /// Why.
    pub cause: Cause,
    hint: Option<String>,
}

/// The text of a cause, without its kind if the error names that already.
fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Unavailable(reason) => reason.clone(),
        other => other.to_string(),
    }
}

impl From<isolab_core::Error> for OpenError {
    fn from(error: isolab_core::Error) -> Self {
        Self { executor: error.executor, cause: error.cause, hint: error.hint }
    }
}

type Opened = Result<Arc<dyn Executor>, OpenError>;
type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// The model of a runtime that others make, with its own server and its own sandbox.
const FOREIGN: &str = "foreign runtime in a process";

/// All executors, in the order in which they are shown and served.
pub const ALL: &[Registration] = &[
    Registration {
        name: "wasm",
        model: "Wasm instance",
        deadline: "a deadline stops every function",
        by_default: true,
        feature: Some("wasm"),
        build: WASM,
        guests: for_wasm,
    },
    Registration {
        name: "v8",
        model: "V8 isolate",
        deadline: "a deadline stops a function unless it is inside one built-in function for ever: that one costs its thread, and /-/metrics counts it as lost",
        by_default: true,
        feature: Some("v8"),
        build: V8,
        guests: |spec, variant| of_rust(variant, Target::Wasm(Form::of(spec))),
    },
    Registration {
        name: "docker",
        model: "container",
        deadline: "a deadline kills the function's container",
        by_default: true,
        feature: Some("docker"),
        build: DOCKER,
        guests: |spec, variant| of_rust(variant, Target::Server(Instructions::of(spec))),
    },
    Registration {
        name: "oci",
        model: "container",
        deadline: "a deadline kills the function's container",
        by_default: false,
        feature: Some("oci"),
        build: OCI,
        guests: |spec, variant| of_rust(variant, Target::Server(Instructions::of(spec))),
    },
    Registration {
        name: "process",
        model: "OS process",
        deadline: "a deadline kills the function's process",
        by_default: false,
        feature: Some("process"),
        build: PROCESS,
        guests: |spec, variant| of_rust(variant, for_process(spec)),
    },
    Registration {
        name: "workerd",
        model: FOREIGN,
        deadline: "a deadline kills the function's process",
        by_default: false,
        feature: Some("workerd"),
        build: WORKERD,
        guests: |_, _| None,
    },
    Registration {
        name: "deno",
        model: FOREIGN,
        deadline: "a deadline kills the function's process",
        by_default: false,
        feature: Some("deno"),
        build: DENO,
        guests: |_, _| None,
    },
    Registration {
        name: "direct",
        model: "none",
        deadline: "a function has no deadline: one that never ends costs its thread, and /-/metrics counts it as lost",
        by_default: true,
        feature: None,
        build: Some(Build {
            settings: direct::SETTINGS,
            daemons: &[],
            helpers: &[],
            beside: &[],
            boundaries: &["direct"],
            sweep: None,
            open: |spec, _| Box::pin(async { Ok(Arc::new(Direct::new(spec)) as Arc<dyn Executor>) }),
        }),
        guests: |spec, variant| of_rust(variant, Target::Library(Instructions::of(spec))),
    },
    Registration {
        name: "wasmi",
        model: "Wasm instance",
        deadline: "a deadline stops every function",
        by_default: false,
        feature: Some("wasmi"),
        build: WASMI,
        guests: for_wasm,
    },
    Registration {
        name: "wasm3",
        model: "Wasm instance",
        deadline: "a deadline stops every function",
        by_default: false,
        feature: Some("wasm3"),
        build: WASM3,
        guests: |spec, variant| {
            of_rust(variant, Target::Wasm(Form { stack: Stack::of(spec), simd: Simd::Off }))
        },
    },
    Registration {
        name: "wasmer",
        model: "Wasm instance",
        deadline: "a deadline stops every function",
        by_default: false,
        feature: Some("wasmer"),
        build: WASMER,
        guests: for_wasm,
    },
];

/// The guest of an executor that runs both variants as Wasm modules.
fn for_wasm(spec: &Spec, variant: Variant) -> Option<Guest> {
    match variant {
        Variant::Rust => Some(Guest::Crate(Target::Wasm(Form::of(spec)))),
        Variant::Js => Some(Guest::JavascriptEngine),
        Variant::Module | Variant::Command => None,
    }
}

/// The target of a function's crate for a process: a module, if that is to become C.
fn for_process(spec: &Spec) -> Target {
    match spec.get("sandbox") {
        "wasm2c" => Target::Wasm(Form { stack: Stack::Tuned, simd: Simd::Off }),
        _ => Target::Server(Instructions::of(spec)),
    }
}

/// The guest of an executor that takes JavaScript as it stands.
fn of_rust(variant: Variant, target: Target) -> Option<Guest> {
    (variant == Variant::Rust).then_some(Guest::Crate(target))
}

#[cfg(feature = "wasm")]
const WASM: Option<Build> = Some(Build {
    settings: isolab_wasm::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["wasm"],
    sweep: None,
    open: |spec, environment| {
        Box::pin(async move { Ok(Arc::new(isolab_wasm::Wasm::open(spec, &environment)?) as _) })
    },
});

#[cfg(not(feature = "wasm"))]
const WASM: Option<Build> = None;

#[cfg(feature = "v8")]
const V8: Option<Build> = Some(Build {
    settings: isolab_v8::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["v8:boundary=context", "v8"],
    sweep: None,
    open: |spec, environment| {
        Box::pin(async move { Ok(Arc::new(isolab_v8::V8::open(spec, &environment)?) as _) })
    },
});

#[cfg(not(feature = "v8"))]
const V8: Option<Build> = None;

#[cfg(feature = "docker")]
const DOCKER: Option<Build> = Some(Build {
    settings: isolab_docker::SETTINGS,
    daemons: &isolab_docker::DAEMONS,
    helpers: &isolab_docker::HELPERS,
    beside: &["docker:network=none", "docker:network=bridge"],
    boundaries: &["docker"],
    sweep: Some(|run_id| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(isolab_docker::sweep(run_id))?)
    }),
    open: |spec, environment| {
        Box::pin(async move {
            let executor = spec.to_string();
            match isolab_docker::Docker::open(spec, &environment).await {
                Ok(docker) => Ok(Arc::new(with_v8_server(docker, isolab_docker::Docker::with_v8)) as _),
                Err(cause) => Err(OpenError { executor, cause, hint: None }),
            }
        })
    },
});

/// Tells an executor which binary has V8 in it: this one, if it has.
#[cfg(any(feature = "docker", feature = "process"))]
fn with_v8_server<E>(executor: E, with_v8: impl FnOnce(E, isolab_guest::v8::V8Server) -> E) -> E {
    #[cfg(feature = "v8")]
    if let Ok(program) = std::env::current_exe() {
        let version = isolab_v8::version().to_owned();
        return with_v8(executor, isolab_guest::v8::V8Server { program, version });
    }
    executor
}

#[cfg(not(feature = "docker"))]
const DOCKER: Option<Build> = None;

#[cfg(feature = "oci")]
const OCI: Option<Build> = Some(Build {
    settings: isolab_oci::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["oci:runtime=libcontainer", "oci", "oci:runtime=crun", "oci:runtime=runsc"],
    sweep: Some(|_| Ok(isolab_oci::sweep())),
    open: |spec, environment| {
        Box::pin(async move {
            let executor = spec.to_string();
            match isolab_oci::Oci::open(spec, &environment, embedded_runtime()) {
                Ok(oci) => Ok(Arc::new(oci) as _),
                Err(cause) => Err(OpenError { executor, cause, hint: None }),
            }
        })
    },
});

/// The command of this binary that is a runtime.
#[cfg(feature = "libcontainer")]
fn embedded_runtime() -> Option<isolab_oci::Embedded> {
    let arguments = ["guest", "container"].map(Into::into).into();
    std::env::current_exe().ok().map(|program| isolab_oci::Embedded { program, arguments })
}

#[cfg(all(feature = "oci", not(feature = "libcontainer")))]
fn embedded_runtime() -> Option<isolab_oci::Embedded> {
    None
}

/// Runs or deletes a container with the runtime in this binary.
///
/// # Errors
/// If it has none.
pub fn run_container(arguments: Vec<std::ffi::OsString>) -> Result<u8> {
    #[cfg(feature = "libcontainer")]
    return Ok(isolab_oci::embedded::main(arguments));
    #[cfg(not(feature = "libcontainer"))]
    return Err(BadInput::because(format!("this binary has no runtime for {arguments:?}")));
}

#[cfg(not(feature = "oci"))]
const OCI: Option<Build> = None;

#[cfg(feature = "process")]
const PROCESS: Option<Build> = Some(Build {
    settings: isolab_process::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &[
        "process",
        "process:spawn=fork",
        "process:javascript=v8",
        "process:sandbox=wasm2c",
        "process:confine=cgroup",
        "process:confine=seccomp",
        "process:confine=landlock",
        "process:confine=bubblewrap",
    ],
    sweep: Some(|_| Ok(isolab_process::sweep())),
    open: |spec, environment| {
        Box::pin(async move {
            let executor = spec.to_string();
            match isolab_process::Process::open(spec, &environment) {
                Ok(process) => Ok(Arc::new(with_v8_server(process, isolab_process::Process::with_v8)) as _),
                Err(cause) => Err(OpenError { executor, cause, hint: None }),
            }
        })
    },
});

#[cfg(not(feature = "process"))]
const PROCESS: Option<Build> = None;

#[cfg(feature = "workerd")]
const WORKERD: Option<Build> = Some(Build {
    settings: isolab_foreign::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["workerd"],
    sweep: None,
    open: |spec, environment| open_foreign(&isolab_foreign::WORKERD, spec, environment),
});

#[cfg(not(feature = "workerd"))]
const WORKERD: Option<Build> = None;

#[cfg(feature = "deno")]
const DENO: Option<Build> = Some(Build {
    settings: isolab_foreign::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["deno"],
    sweep: None,
    open: |spec, environment| open_foreign(&isolab_foreign::DENO, spec, environment),
});

#[cfg(not(feature = "deno"))]
const DENO: Option<Build> = None;

#[cfg(any(feature = "workerd", feature = "deno"))]
fn open_foreign(runtime: &'static isolab_foreign::Runtime, spec: Spec, environment: Environment) -> Opening {
    Box::pin(async move {
        let executor = spec.to_string();
        match isolab_foreign::Foreign::open(runtime, spec, &environment) {
            Ok(foreign) => Ok(Arc::new(foreign) as _),
            Err(cause) => Err(OpenError { executor, cause, hint: None }),
        }
    })
}

#[cfg(feature = "wasmi")]
const WASMI: Option<Build> = Some(Build {
    settings: isolab_engines::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["wasmi"],
    sweep: None,
    open: |spec, environment| Box::pin(async move { Ok(isolab_engines::wasmi::open(spec, &environment)) }),
});

#[cfg(not(feature = "wasmi"))]
const WASMI: Option<Build> = None;

#[cfg(feature = "wasm3")]
const WASM3: Option<Build> = Some(Build {
    settings: isolab_engines::wasm3::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["wasm3"],
    sweep: None,
    open: |spec, environment| Box::pin(async move { Ok(isolab_engines::wasm3::open(spec, &environment)) }),
});

#[cfg(not(feature = "wasm3"))]
const WASM3: Option<Build> = None;

#[cfg(feature = "wasmer")]
const WASMER: Option<Build> = Some(Build {
    settings: isolab_engines::SETTINGS,
    daemons: &[],
    helpers: &[],
    beside: &[],
    boundaries: &["wasmer"],
    sweep: None,
    open: |spec, environment| Box::pin(async move { Ok(isolab_engines::wasmer::open(spec, &environment)?) }),
});

#[cfg(not(feature = "wasmer"))]
const WASMER: Option<Build> = None;

/// The registration of that name.
pub fn find(name: &str) -> Result<&'static Registration, SpecError> {
    ALL.iter().find(|known| known.name == name).ok_or_else(|| SpecError::Executor {
        name: name.to_owned(),
        known: ALL.iter().map(|known| known.name.to_owned()).collect(),
    })
}

/// Reads specs separated by commas, and fills in every setting.
///
/// # Errors
/// If one cannot be understood, or occurs twice.
pub fn specs(lists: &[String]) -> Result<Vec<Spec>> {
    let mut specs = Vec::new();
    for list in lists {
        for spec in Spec::parse_list(list)? {
            specs.push(resolve(spec)?);
        }
    }
    all_differ(&specs)?;
    Ok(specs)
}

/// Refuses a list in which an executor spec occurs twice.
///
/// # Errors
/// If one does.
pub fn all_differ(specs: &[Spec]) -> Result<()> {
    let is_repeated = |index: usize, spec: &Spec| specs[..index].contains(spec);
    match specs.iter().enumerate().find(|(index, spec)| is_repeated(*index, spec)) {
        Some((_, spec)) => Err(BadInput::because(format!("executor `{spec}` is named twice"))),
        None => Ok(()),
    }
}

/// Whether the executor of this name is compiled in.
pub fn is_compiled_in(name: &str) -> bool {
    ALL.iter().any(|known| known.name == name && known.build.is_some())
}

/// The default spec of every executor that is compiled in and taken where none is named.
pub fn by_default() -> Vec<Spec> {
    let taken = ALL.iter().filter(|known| known.by_default);
    let builds = taken.filter_map(|known| Some((known.name, known.build?)));
    builds
        .map(|(name, build)| {
            let spec = Spec::parse(name).and_then(|spec| spec.resolve(build.settings));
            spec.expect("a registered name is a spec")
        })
        .collect()
}

/// The specs whose start is shown beside that of the default specs.
pub fn beside() -> Vec<Spec> {
    registered(|build| build.beside)
}

/// Every boundary that this binary can draw.
pub fn boundaries() -> Vec<Spec> {
    registered(|build| build.boundaries)
}

fn registered(list: impl Fn(&Build) -> &'static [&'static str]) -> Vec<Spec> {
    let builds = ALL.iter().filter_map(|known| known.build);
    let specs = builds.flat_map(|build| list(&build).iter().map(move |spec| (spec, build.settings)));
    specs
        .map(|(spec, settings)| {
            let spec = Spec::parse(spec).and_then(|spec| spec.resolve(settings));
            spec.expect("a registered spec has settings of its executor")
        })
        .collect()
}

/// Checks a spec's name and settings and fills in the rest.
pub fn resolve(spec: Spec) -> Result<Spec> {
    let known = find(spec.name())?;
    match &known.build {
        Some(build) => Ok(spec.resolve(build.settings)?),
        None => Err(BadInput::because(format!(
            "executor `{0}` is not compiled into this binary; build it with `--features {1}`",
            known.name,
            known.feature.unwrap_or_default()
        ))),
    }
}

/// Prepares the process for these executors, before the first of them is opened.
///
/// Wasmtime's handler for `SIGSEGV` passes on signals that are not its own. V8's handler does
/// not, so it must be installed first.
pub fn prepare_process(specs: &[Spec]) {
    #[cfg(feature = "v8")]
    if let Some(spec) = specs.iter().find(|spec| spec.name() == "v8") {
        isolab_v8::initialise(spec);
    }
}

/// Opens the executor of a resolved spec.
///
/// # Errors
/// With the cause `Unavailable` if it cannot run here.
///
/// # Panics
/// If the spec was not resolved.
pub async fn open(spec: Spec, environment: &Environment) -> Opened {
    (build(&spec).expect("a resolved spec names an executor that is compiled in").open)(
        spec,
        environment.clone(),
    )
    .await
}

/// The part of the executor of this spec that is compiled in.
fn build(spec: &Spec) -> Option<Build> {
    find(spec.name()).ok().and_then(|known| known.build)
}

/// Whether daemons serve the instances of this executor.
pub fn has_daemons(spec: &Spec) -> bool {
    build(spec).is_some_and(|build| !build.daemons.is_empty())
}

/// The daemons that serve every instance of this executor on this host.
pub fn daemons(spec: &Spec) -> Daemons {
    build(spec).map_or_else(Daemons::default, |build| Daemons::find(build.daemons, build.helpers))
}

/// Removes what a run of these executors has left outside of its processes, and counts it.
///
/// # Errors
/// If an executor cannot look for it, for example because its engine does not answer.
pub fn sweep<'a>(specs: impl IntoIterator<Item = &'a Spec>, run_id: &str) -> Result<usize> {
    let names: BTreeSet<_> = specs.into_iter().map(Spec::name).collect();
    let builds = ALL.iter().filter(|known| names.contains(known.name)).filter_map(|known| known.build);
    builds.filter_map(|build| build.sweep).map(|sweep| sweep(run_id)).sum()
}

/// The snapshot of a handler, for the V8 server. It has streams if `streams` says so, or if its
/// source names them.
///
/// # Errors
/// If the handler throws, or this binary has no V8.
#[cfg(feature = "v8")]
pub fn handler_snapshot(source: &str, streams: bool) -> Result<Vec<u8>> {
    Ok(isolab_v8::snapshot(source, streams, isolab_core::Limits::default())?)
}

/// Fails: the engine is not compiled in.
#[cfg(not(feature = "v8"))]
pub fn handler_snapshot(_source: &str, _streams: bool) -> Result<Vec<u8>> {
    anyhow::bail!("V8 is not compiled in")
}

/// Serves the handler in a snapshot, as the process of an instance.
///
/// # Errors
/// If the handler cannot be started, or the host has set no limits, or wrong grants.
#[cfg(all(any(feature = "docker", feature = "process"), feature = "v8"))]
pub fn serve_snapshot(snapshot: Vec<u8>) -> Result<std::process::ExitCode> {
    let limits = isolab_guest::environment::limits().map_err(BadInput::because)?;
    let env = isolab_guest::environment::granted_env().map_err(BadInput::because)?;
    let grants = isolab_v8::PortableGrants { outbound: isolab_guest::environment::outbound(), env };
    // SAFETY: this binary made the snapshot, and it lies beside this file in an image or in a folder of the lab's. A
    // user who can change them can run any other program there, too.
    let prepared = unsafe { isolab_v8::from_snapshot(snapshot, limits, grants) }?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(isolab_guest::server::start(&*prepared))?())
}

/// Fails: the executors that need it are not compiled in.
#[cfg(not(all(any(feature = "docker", feature = "process"), feature = "v8")))]
pub fn serve_snapshot(_snapshot: Vec<u8>) -> Result<std::process::ExitCode> {
    anyhow::bail!("the executors that need it are not compiled in")
}

/// Builds the JavaScript engine that is compiled to Wasm, if it is not up to date.
///
/// # Errors
/// If it cannot be built, or if the executor that needs it is not compiled in.
#[cfg(feature = "wasm")]
pub fn build_javascript_engine() -> Result<guest::Built> {
    Ok(isolab_wasm::javascript::built(isolab_wasm::javascript::engine()?))
}

/// Fails: the executor that needs this engine is not compiled in.
#[cfg(not(feature = "wasm"))]
pub fn build_javascript_engine() -> Result<guest::Built> {
    anyhow::bail!("the executor that needs it is not compiled in")
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::exit;

    #[test]
    fn specs_are_resolved_and_must_differ() {
        let asked = ["direct".to_owned(), "direct".to_owned()];
        assert_eq!(specs(&asked[..1]).unwrap().len(), 1);
        assert_eq!(exit::code(&specs(&asked).unwrap_err()), exit::BAD_INPUT);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_one_and_a_list() {
        let error = specs(&["wasn".to_owned()]).unwrap_err();
        assert_eq!(exit::code(&error), exit::BAD_INPUT);
        let text = error.to_string();
        assert!(
            text.contains("did you mean `wasm`?")
                && text.contains("wasm, v8, docker, oci, process, workerd, deno, direct"),
            "{text}"
        );
    }

    /// A default run compares models, and a model is measured once. A server would run functions in plain
    /// processes unasked, so that model has to be named, and so have foreign runtimes.
    #[test]
    fn every_model_is_taken_once_where_no_executor_is_named() {
        let taken: Vec<_> = ALL.iter().filter(|known| known.by_default).map(|known| known.model).collect();
        let models = ALL.iter().map(|known| known.model);
        let models: BTreeSet<_> = models.filter(|model| !["OS process", FOREIGN].contains(model)).collect();
        assert_eq!((taken.len(), taken.into_iter().collect::<BTreeSet<_>>()), (models.len(), models));
        let names: Vec<_> = by_default().iter().map(|spec| spec.name().to_owned()).collect();
        for known in ALL.iter().filter(|known| known.build.is_some()) {
            assert_eq!(names.iter().any(|name| name == known.name), known.by_default, "{}", known.name);
            assert!(is_compiled_in(known.name));
        }
        assert!(!is_compiled_in("unknown"));
    }

    #[test]
    fn the_specs_beside_differ_from_the_defaults() {
        let (beside, defaults) = (beside(), by_default());
        assert_eq!(beside.is_empty(), !cfg!(feature = "docker"));
        assert!(beside.iter().all(|spec| !defaults.contains(spec)), "{beside:?}");
    }

    #[test]
    fn every_executor_draws_a_boundary_of_its_own() {
        let all = boundaries();
        all_differ(&all).unwrap();
        for known in ALL.iter().filter(|known| known.build.is_some()) {
            assert!(all.iter().any(|spec| spec.to_string() == known.name), "{}", known.name);
        }
    }

    #[test]
    fn daemons_and_sweeping_are_those_of_the_executor() {
        let direct = Spec::parse("direct").unwrap();
        assert_eq!((daemons(&direct).pids, sweep([&direct], "no run").unwrap()), (Vec::new(), 0));
        if cfg!(feature = "docker") {
            let docker = Spec::parse("docker").unwrap();
            assert!(build(&docker).unwrap().daemons.contains(&"dockerd"));
            assert!(build(&docker).unwrap().sweep.is_some());
            assert!(daemons(&docker).helper_names.iter().all(|name| name.len() <= 15));
        }
    }

    /// The lines of a source file that are neither comments nor its unit tests.
    fn code(text: &str) -> impl Iterator<Item = &str> {
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        lines.filter(|line| !line.trim_start().starts_with("//"))
    }

    /// Where a line names an executor: in a text, as a feature, or by its crate.
    fn named(line: &str) -> Option<&'static str> {
        let is_named = |name: &&'static str| {
            let crate_name = format!("isolab_{name}");
            let in_text = [format!("\"{name}\""), format!("\"{name}:"), format!("\"{name} ")];
            line.contains(&crate_name) || in_text.iter().any(|text| line.contains(text))
        };
        ALL.iter().map(|known| known.name).find(is_named)
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let found = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
        found.filter(|path| path.extension().is_some_and(|kind| kind == "rs")).collect()
    }

    #[test]
    fn only_this_file_names_executors() {
        assert_eq!(named("spec.name() == \"docker\""), Some("docker"));
        assert_eq!(named("isolab_wasm::javascript::engine()"), Some("wasm"));
        assert_eq!(named("#[cfg(feature = \"v8\")]"), Some("v8"));
        let mut found = Vec::new();
        for folder in ["harness/src", "runners/frontend/src"] {
            for path in sources(&isolab_core::guest::workspace().join(folder)) {
                let text = std::fs::read_to_string(&path).unwrap();
                let names: Vec<_> = code(&text)
                    .filter_map(|line| Some(format!("{}: {}: {}", path.display(), named(line)?, line.trim())))
                    .collect();
                if path.ends_with("harness/src/executors.rs") {
                    assert!(names.len() > 5, "the search misses registrations: {names:?}");
                } else {
                    found.extend(names);
                }
            }
        }
        assert!(found.is_empty(), "named outside of executors.rs:\n{}", found.join("\n"));
    }
}
