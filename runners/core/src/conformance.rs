//! The suite that every executor must pass.
//!
//! ```ignore
//! let report = conformance::run(&executor, &library).await;
//! report.print();
//! report.assert();
//! ```
//!
//! Over every function and variant of the library it checks that all cases are
//! answered, byte by byte, by a fresh instance and by a warm one, and in pieces where bodies flow; that
//! a body which breaks off costs its request at most; that instances share no state; that a hostile function is stopped with the right
//! cause while its neighbours go on, also in its initialisation, and finds no place of the
//! host where it can write; that an exception spares its instance; that a request that waits
//! holds no thread; and that the peak of an instance's memory shows 16 MiB that a function
//! touched. A cell that cannot run is `skipped` with its reason.

pub mod commands;
mod invocation;
pub mod streamed;

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};

pub use self::invocation::Invocation;
use crate::direct::Native;
use crate::function::LoadError;
use crate::{
    Cause, Executor, Function, Instance, Laps, Library, Prepared, Request, Response, Variant, guest, message,
};

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The check passed.
    Passed,
    /// The cell cannot run, for this reason.
    Skipped(String),
    /// The check failed, for this reason.
    Failed(String),
}

/// One check in one cell.
#[derive(Clone, Debug)]
pub struct Check {
    /// `function/variant: check`.
    pub name: String,
    /// The outcome.
    pub outcome: Outcome,
}

/// All checks of one executor.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The checks in the order in which they ran.
    pub checks: Vec<Check>,
}

impl Report {
    /// Fails the calling test if a check failed, or if none passed.
    ///
    /// # Panics
    /// In those cases.
    pub fn assert(&self) {
        let failed = self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_))).count();
        let passed = self.checks.iter().filter(|check| check.outcome == Outcome::Passed).count();
        assert!(failed == 0 && passed > 0, "{passed} checks passed, {failed} failed:\n{self}");
    }

    fn add(&mut self, function: &Function, variant: Variant, check: &str, result: Result<(), String>) {
        let outcome = result.map_or_else(Outcome::Failed, |()| Outcome::Passed);
        self.checks.push(Check { name: format!("{}/{variant}: {check}", function.name()), outcome });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, outcome } in &self.checks {
            match outcome {
                Outcome::Passed => writeln!(f, "passed   {name}")?,
                Outcome::Skipped(reason) => writeln!(f, "skipped  {name} ({reason})")?,
                Outcome::Failed(reason) => writeln!(f, "FAILED   {name}: {reason}")?,
            }
        }
        Ok(())
    }
}

/// The functions of this checkout, hostile ones and those in other languages included, the instrument
/// `touch`, and `regex`, which has an initialisation.
pub fn library() -> Result<Library, LoadError> {
    let functions: PathBuf = guest::workspace().join("functions");
    let folders = ["", "hostile", "languages"].map(|folder| functions.join(folder));
    let mut library = Library::open(&folders)?;
    for folder in ["instruments/touch", "claims/regex"] {
        library.insert(Function::load(&functions.join(folder))?);
    }
    Ok(library)
}

/// Fails the calling test unless a native call of `native` answers every case of
/// the function in `folder`. The crates of Rust functions test themselves with it.
///
/// # Panics
/// If an answer differs, and if there is no case.
pub fn assert_native(folder: &str, native: Native) {
    let function = Function::load(Path::new(folder)).expect("a function");
    assert!(!function.cases().is_empty(), "{} has no cases", function.name());
    for case in function.cases() {
        let answer = message::from_guest(native(&case.request.as_guest()), function.limits().response_bytes);
        let checked = answer.map_err(|cause| cause.to_string()).and_then(|response| case.check(&response));
        assert_eq!(checked, Ok(()), "case {}", case.name);
    }
}

/// Runs every check over every cell of the library.
pub async fn run(executor: &dyn Executor, library: &Library) -> Report {
    run_variants(executor, library, &Variant::ALL).await
}

/// Runs every check over the cells of these variants.
pub async fn run_variants(executor: &dyn Executor, library: &Library, variants: &[Variant]) -> Report {
    let mut report = Report::default();
    for function in library.iter() {
        for variant in function.variants().filter(|variant| variants.contains(variant)) {
            if let Err(reason) = executor.supports(function, variant) {
                let name = format!("{}/{variant}", function.name());
                report.checks.push(Check { name, outcome: Outcome::Skipped(reason) });
                continue;
            }
            if function.name() == ENDLESS {
                let stopped = never_starts(executor, function, variant).await;
                report.add(function, variant, "is stopped before it starts", stopped);
                continue;
            }
            let mut laps = Laps::begin();
            match executor.prepare(function, variant, &mut laps).await {
                Ok(prepared) => cell(&mut report, function, variant, &*prepared).await,
                Err(error) => report.add(function, variant, "prepare", Err(error.to_string())),
            }
        }
    }
    report
}

async fn cell(report: &mut Report, function: &Function, variant: Variant, prepared: &dyn Prepared) {
    let answered = answers_fresh(function, prepared).await;
    if answered.is_err() && variant == Variant::Js && has_no_streams(function, prepared).await {
        let name = format!("{}/{variant}", function.name());
        report.checks.push(Check { name, outcome: Outcome::Skipped(NO_STREAMS.to_owned()) });
        return;
    }
    report.add(function, variant, "every case, fresh", answered);
    if prepared.max_uses().is_none() {
        report.add(function, variant, "every case, warm", answers_warm(function, prepared).await);
    }
    if prepared.streams() {
        let answered = streamed::answers(function, prepared).await;
        report.add(function, variant, "every case, in pieces", answered);
        report.add(
            function,
            variant,
            "outlives a body that breaks off",
            streamed::goes_on(function, prepared).await,
        );
    }
    if function.name() == "remember" {
        report.add(function, variant, "instances share nothing", shares_nothing(prepared).await);
    }
    if function.name() == "relink" {
        let outcome = if prepared.confines_files() {
            finds_nothing(prepared).await.map_or_else(Outcome::Failed, |()| Outcome::Passed)
        } else {
            Outcome::Skipped("this model does not confine where a function writes".to_owned())
        };
        let name = format!("{}/{variant}: finds nothing to write", function.name());
        report.checks.push(Check { name, outcome });
    }
    if function.name() == "touch" {
        report.checks.push(Check {
            name: format!("{}/{variant}: shows the peak of its memory", function.name()),
            outcome: shows_its_peak(function, prepared).await,
        });
    }
    if function.name() == "reject" {
        report.add(function, variant, "an exception spares its instance", goes_on(prepared).await);
    }
    if function.name() == "wait" && !prepared.sleeps_on_thread() {
        report.add(function, variant, "holds no thread while it waits", holds_no_thread(prepared).await);
    }
    if let Some(attack) = ATTACKS.iter().find(|attack| attack.function == function.name()) {
        report.add(function, variant, "is stopped", attack.is_stopped(function, prepared).await);
        let neighbours = "leaves its neighbours alone";
        if prepared.ends_alone() {
            report.add(function, variant, neighbours, attack.is_contained(function, prepared).await);
        } else {
            report.add(function, variant, "leaves later instances alone", expect_calm_start(prepared).await);
            let name = format!("{}/{variant}: {neighbours}", function.name());
            let outcome = Outcome::Skipped("instances of this model may end together".to_owned());
            report.checks.push(Check { name, outcome });
        }
    }
}

/// The answer, with status 501, of a handler that needs streams in an engine without them.
const NO_STREAMS: &str = "this engine has no streams";

/// Whether the handler answers that its engine has no streams.
async fn has_no_streams(function: &Function, prepared: &dyn Prepared) -> bool {
    let Some(case) = function.cases().first() else { return false };
    let answer = with_instance(prepared, async |instance| invoke(instance, case.request.clone()).await).await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::NOT_IMPLEMENTED && answer.body() == NO_STREAMS)
}

/// `wait` leaves its thread to others: the invocation is pending when it was polled once.
async fn holds_no_thread(prepared: &dyn Prepared) -> Result<(), String> {
    with_instance(prepared, async |instance| {
        let mut laps = Laps::begin();
        let mut invocation = instance.invoke(request("/?ms=50"), &mut laps);
        let first = poll_fn(|context| Poll::Ready(invocation.as_mut().poll(context))).await;
        let (is_pending, answered) = match first {
            Poll::Ready(answered) => (false, answered),
            Poll::Pending => (true, invocation.await),
        };
        match answered {
            Ok(response) if response.body() != "waited 50 ms" => {
                Err(format!("answered {:?}", response.body()))
            }
            Ok(_) if !is_pending => Err("it held its thread until its answer".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
}

/// The hostile function whose initialisation never ends.
const ENDLESS: &str = "stall";

/// An initialisation without end is stopped in `prepare` or in `start`.
async fn never_starts(executor: &dyn Executor, function: &Function, variant: Variant) -> Result<(), String> {
    let started = match executor.prepare(function, variant, &mut Laps::begin()).await {
        Ok(prepared) => prepared.start(&mut Laps::begin()).await,
        Err(error) => Err(error),
    };
    match started {
        Ok(instance) => {
            stop(instance).await?;
            Err("it was started".to_owned())
        }
        Err(error) if matches!(error.cause, Cause::DeadlineExceeded(_)) => Ok(()),
        Err(error) => Err(format!("stopped for another reason: {error}")),
    }
}

async fn answers_fresh(function: &Function, prepared: &dyn Prepared) -> Result<(), String> {
    for case in function.cases() {
        let response =
            with_instance(prepared, async |instance| invoke(instance, case.request.clone()).await).await?;
        case.check(&response).map_err(|difference| format!("case {}: {difference}", case.name))?;
    }
    Ok(())
}

async fn answers_warm(function: &Function, prepared: &dyn Prepared) -> Result<(), String> {
    with_instance(prepared, async |instance| {
        for case in function.cases().iter().chain(function.cases()) {
            let response = invoke(instance, case.request.clone()).await?;
            // How often an instance was used is the one thing that a warm one must not repeat.
            if function.name() != "remember" {
                case.check(&response).map_err(|difference| format!("case {}: {difference}", case.name))?;
            }
        }
        Ok(())
    })
    .await
}

/// `remember` answers how often its instance was asked.
async fn shares_nothing(prepared: &dyn Prepared) -> Result<(), String> {
    let instances = [start(prepared).await?, start(prepared).await?];
    let mut counts = Vec::new();
    for index in [0, 0, 1] {
        let answer = invoke(&*instances[index], request("/")).await;
        counts.push(answer.map(Response::into_body));
    }
    for instance in instances {
        stop(instance).await?;
    }
    let counts: Vec<Bytes> = counts.into_iter().collect::<Result<_, _>>()?;
    if counts == ["1", "2", "1"] { Ok(()) } else { Err(format!("counted {counts:?} instead of 1, 2, 1")) }
}

/// `relink` answers what it could write, and has its connection closed. The request after
/// that must reach the same function, whatever it has put in its way.
async fn finds_nothing(prepared: &dyn Prepared) -> Result<(), String> {
    let instance = start(prepared).await?;
    let mut results = Vec::new();
    for _ in 0..2 {
        results.push((invoke(&*instance, request("/")).await, "nothing writable"));
        results.push((invoke(&*instance, request("/?calm=1")).await, "calm"));
    }
    stop(instance).await?;
    for (result, expected) in results {
        let body = result?.into_body();
        if body != expected {
            return Err(format!("answered {body:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

/// After a request that failed with an exception, the same instance answers the next one.
async fn goes_on(prepared: &dyn Prepared) -> Result<(), String> {
    with_instance(prepared, async |instance| {
        match instance.invoke(request("/"), &mut Laps::begin()).await {
            Ok(response) => return Err(format!("it answered {}", response.status())),
            Err(error) if !error.spares_instance => return Err(format!("it ended its instance: {error}")),
            Err(_) => {}
        }
        expect_calm(&invoke(instance, request("/?calm=1")).await?)
    })
    .await
}

/// `touch` writes to 16 MiB and keeps them: its peak is at least that, and at most its limit.
async fn shows_its_peak(function: &Function, prepared: &dyn Prepared) -> Outcome {
    const TOUCHED_BYTES: u64 = 16 << 20;

    let limit_bytes = function.limits().memory_bytes;
    let peak = with_instance(prepared, async |instance| {
        instance.watch_memory();
        invoke(instance, request("/")).await?;
        Ok(instance.peak_memory())
    });
    match peak.await {
        Ok(Ok(bytes)) if (TOUCHED_BYTES..=limit_bytes).contains(&bytes) => Outcome::Passed,
        Ok(Ok(bytes)) => Outcome::Failed(format!(
            "a peak of {bytes} bytes is not between {TOUCHED_BYTES} and its limit of {limit_bytes}"
        )),
        Ok(Err(reason)) => Outcome::Skipped(reason.to_owned()),
        Err(error) => Outcome::Failed(error),
    }
}

/// A hostile function, and how it may end.
struct Attack {
    function: &'static str,
    ends_with: fn(&Cause) -> bool,
}

const ATTACKS: &[Attack] = &[
    Attack { function: "spin", ends_with: |cause| matches!(cause, Cause::DeadlineExceeded(_)) },
    Attack {
        function: "trap",
        ends_with: |cause| matches!(cause, Cause::Threw(_) | Cause::Trapped(_) | Cause::Crashed(_)),
    },
    Attack { function: "overrun", ends_with: |cause| matches!(cause, Cause::Trapped(_) | Cause::Crashed(_)) },
    Attack { function: "reject", ends_with: |cause| matches!(cause, Cause::Threw(_)) },
    Attack {
        function: "pending",
        ends_with: |cause| matches!(cause, Cause::Threw(_) | Cause::DeadlineExceeded(_)),
    },
    Attack {
        function: "allocate",
        ends_with: |cause| {
            matches!(cause, Cause::OutOfMemory(_) | Cause::Threw(_) | Cause::Trapped(_) | Cause::Crashed(_))
        },
    },
    Attack {
        function: "buffers",
        ends_with: |cause| {
            matches!(cause, Cause::OutOfMemory(_) | Cause::Threw(_) | Cause::Trapped(_) | Cause::Crashed(_))
        },
    },
    Attack {
        function: "recurse",
        ends_with: |cause| {
            matches!(cause, Cause::OutOfMemory(_) | Cause::Threw(_) | Cause::Trapped(_) | Cause::Crashed(_))
        },
    },
    Attack { function: "exit", ends_with: |cause| matches!(cause, Cause::Trapped(_) | Cause::Crashed(_)) },
    Attack { function: "microtasks", ends_with: |cause| matches!(cause, Cause::DeadlineExceeded(_)) },
    Attack { function: "flood", ends_with: |cause| matches!(cause, Cause::ResponseTooLarge(_)) },
    Attack { function: "timers", ends_with: |cause| matches!(cause, Cause::DeadlineExceeded(_)) },
    Attack {
        function: "alarms",
        ends_with: |cause| {
            matches!(
                cause,
                Cause::Threw(_) | Cause::DeadlineExceeded(_) | Cause::OutOfMemory(_) | Cause::Crashed(_)
            )
        },
    },
];

impl Attack {
    async fn is_stopped(&self, function: &Function, prepared: &dyn Prepared) -> Result<(), String> {
        let instance = start(prepared).await?;
        let result = instance.invoke(request("/"), &mut Laps::begin()).await;
        stop(instance).await?;
        match result {
            Ok(response) => {
                Err(format!("`{}` was not stopped and answered {}", function.name(), response.status()))
            }
            Err(error) if (self.ends_with)(&error.cause) => Ok(()),
            Err(error) => Err(format!("stopped for another reason: {error}")),
        }
    }

    /// An instance that was there before the attack, and one started after it, answer.
    async fn is_contained(&self, function: &Function, prepared: &dyn Prepared) -> Result<(), String> {
        let neighbour = start(prepared).await?;
        let stopped = self.is_stopped(function, prepared).await;
        let calm = invoke(&*neighbour, request("/?calm=1")).await;
        stop(neighbour).await?;
        stopped?;
        expect_calm(&calm?)?;
        expect_calm_start(prepared).await
    }
}

/// A new instance answers.
async fn expect_calm_start(prepared: &dyn Prepared) -> Result<(), String> {
    let response = with_instance(prepared, async |instance| invoke(instance, request("/?calm=1")).await);
    expect_calm(&response.await?)
}

fn expect_calm(response: &Response) -> Result<(), String> {
    if response.body() == "calm" {
        Ok(())
    } else {
        Err(format!("answered {:?} instead of calm", response.body()))
    }
}

fn request(uri: &'static str) -> Request {
    Request::new(Method::GET, Uri::from_static(uri), HeaderMap::new(), Bytes::new())
}

async fn start(prepared: &dyn Prepared) -> Result<Box<dyn Instance>, String> {
    prepared.start(&mut Laps::begin()).await.map_err(|error| error.to_string())
}

async fn invoke(instance: &dyn Instance, request: Request) -> Result<Response, String> {
    instance.invoke(request, &mut Laps::begin()).await.map_err(|error| error.to_string())
}

async fn stop(instance: Box<dyn Instance>) -> Result<(), String> {
    instance.stop(&mut Laps::begin()).await.map_err(|error| error.to_string())
}

async fn with_instance<T>(
    prepared: &dyn Prepared,
    ask: impl AsyncFnOnce(&dyn Instance) -> Result<T, String>,
) -> Result<T, String> {
    let instance = start(prepared).await?;
    let result = ask(&*instance).await;
    stop(instance).await?;
    result
}
