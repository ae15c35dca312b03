//! The cost of each phase of `hello` on every executor: `make microbench`.
//!
//! The durations are those of [`isolab_frontend::lifecycle`], which times the server too.
//! Each executor has a process of its own, because two engines in one process would share
//! its memory and signal handlers: this binary starts itself once for each.
//!
//! | benchmark | sum of |
//! |---|---|
//! | `start` | `start` |
//! | `invoke` | `invoke` of an instance that has answered before |
//! | `start+invoke` | `start` and the first `invoke` |
//! | `start+invoke+stop` | the whole life of an instance that answers once |
//!
//! A word chooses benchmarks by their names: `make microbench ARGS=wasm`. The environment
//! variable `ISOLAB_SPECS` takes executor specs other than the defaults:
//! `ISOLAB_SPECS=v8:snapshot=off,wasm:compiler=winch make microbench`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use isolab::executors;
use isolab::exit::{self, DONE};
use isolab_core::{
    Cache, Cause, Environment, Executor, Function, Phase, Prepared, Request, Spec, Variant, guest,
};
use isolab_frontend::lifecycle::{self, Live, Timed};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Specs that replace the defaults, as `--executor` takes them.
const SPECS: &str = "ISOLAB_SPECS";
/// The one spec of a process that measures.
const SPEC: &str = "ISOLAB_PHASES_SPEC";
const FUNCTION: &str = "hello";
const INSTANCES: usize = 256;

/// Phases that are added up over instances that live for one request at most.
const LIVES: [(&str, &[Phase]); 3] = [
    ("start", &[Phase::Start]),
    ("start+invoke", &[Phase::Start, Phase::Invoke]),
    ("start+invoke+stop", &[Phase::Start, Phase::Invoke, Phase::Stop]),
];
const INVOKE: &str = "invoke";

/// A start that takes longer is measured with criterion's fewest samples.
const SLOW_START: Duration = Duration::from_millis(10);
const SLOW_SAMPLES: usize = 10;
const SLOW_MEASUREMENT: Duration = Duration::from_secs(10);
const SLOW_WARM_UP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    exit::report(match std::env::var(SPEC) {
        Ok(spec) => measure(&spec),
        Err(_) => each_in_its_process(),
    })
}

fn each_in_its_process() -> Result<u8> {
    let asked: Vec<_> = std::env::var(SPECS).into_iter().collect();
    let specs = if asked.is_empty() { executors::by_default() } else { executors::specs(&asked)? };
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    for spec in specs.iter().filter(|spec| is_wanted(spec, &arguments)) {
        let mut process = Command::new(std::env::current_exe()?);
        let status = process.args(&arguments).env(SPEC, format!("{spec:#}")).status();
        let status = status.context("this binary cannot be started again")?;
        ensure!(status.success(), "the benchmarks of {spec} ended with {status}");
    }
    Ok(DONE)
}

/// Whether a process for this spec could have something to do. Criterion applies the filter
/// itself; this only saves opening executors for nothing.
fn is_wanted(spec: &Spec, arguments: &[String]) -> bool {
    let is_flag = |argument: &String| argument.starts_with('-');
    let words: Vec<_> = arguments.iter().filter(|argument| !is_flag(argument)).collect();
    let has_only_words = arguments.iter().all(|argument| !is_flag(argument) || argument == "--bench");
    let is_plain =
        |word: &&String| word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '/');
    if words.is_empty() || !has_only_words || !words.iter().all(is_plain) {
        return true;
    }
    let names = LIVES.iter().map(|(name, _)| *name).chain([INVOKE]);
    let ids: Vec<_> = names
        .flat_map(|name| Variant::ALL.map(|variant| format!("{}/{name}", group_name(spec, variant))))
        .collect();
    words.iter().any(|word| ids.iter().any(|id| id.contains(word.as_str())))
}

fn group_name(spec: &Spec, variant: Variant) -> String {
    format!("{spec}/{FUNCTION}/{variant}")
}

fn measure(spec: &str) -> Result<u8> {
    let spec = executors::resolve(Spec::parse(spec)?)?;
    let environment = Environment {
        cache: Cache::new(guest::workspace().join("target/isolab-cache")),
        run_id: format!("phases-{}", std::process::id()),
        max_instances: INSTANCES,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let thread = Thread::new()?;
    let executor = match thread.block_on(executors::open(spec, &environment)) {
        Ok(executor) => executor,
        Err(error) if matches!(error.cause, Cause::Unavailable(_)) => {
            eprintln!("skipped: {error}");
            return Ok(DONE);
        }
        Err(error) => return Err(error.into()),
    };
    let measured = measure_variants(&thread, &*executor);
    thread.block_on(executor.close())?;
    measured.map(|()| DONE)
}

fn measure_variants(thread: &Thread, executor: &dyn Executor) -> Result<()> {
    let function = Function::load(&guest::workspace().join("functions").join(FUNCTION))?;
    let mut criterion = Criterion::default().configure_from_args();
    for variant in function.variants() {
        if let Err(reason) = executor.supports(&function, variant) {
            eprintln!("skipped: {}: {reason}", group_name(executor.spec(), variant));
            continue;
        }
        let prepared = thread.block_on(lifecycle::prepare(executor, &function, variant)).value;
        let request = function.load_case().request.clone();
        let cell = Cell { thread, prepared: prepared?, request };
        let first = thread.block_on(cell.lives(1, &[Phase::Start]))?;
        let mut group = criterion.benchmark_group(group_name(executor.spec(), variant));
        if first >= SLOW_START {
            group.sample_size(SLOW_SAMPLES).measurement_time(SLOW_MEASUREMENT).warm_up_time(SLOW_WARM_UP);
        }
        cell.measure(&mut group);
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// The thread that all instances live on, as a worker of the server is one.
struct Thread {
    runtime: Runtime,
    tasks: LocalSet,
}

impl Thread {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, tasks: LocalSet::new() })
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.tasks.block_on(&self.runtime, future)
    }
}

/// One variant on one executor.
struct Cell<'a> {
    thread: &'a Thread,
    prepared: Arc<dyn Prepared>,
    request: Request,
}

impl Cell<'_> {
    fn measure(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        for (name, phases) in LIVES {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| {
                    self.thread.block_on(self.lives(times, phases)).expect("every phase succeeds")
                });
            });
        }
        group.bench_function(INVOKE, |bencher| {
            bencher.iter_custom(|times| {
                self.thread.block_on(self.invocations(times)).expect("every phase succeeds")
            });
        });
    }

    /// The time that these phases take in `times` instances, one after the other.
    async fn lives(&self, times: u64, phases: &[Phase]) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for _ in 0..times {
            let started = Live::start(&*self.prepared).await.transpose()?;
            total += started.duration;
            let live = started.value;
            if phases.contains(&Phase::Invoke) {
                total += self.invoke(&live).await?;
            }
            let stopped = live.stop().await.transpose()?;
            if phases.contains(&Phase::Stop) {
                total += stopped.duration;
            }
        }
        Ok(total)
    }

    /// The time of `times` answers of one instance, after its first.
    async fn invocations(&self, times: u64) -> Result<Duration> {
        let live = Live::start(&*self.prepared).await.transpose()?.value;
        self.invoke(&live).await?;
        let mut total = Duration::ZERO;
        for _ in 0..times {
            total += self.invoke(&live).await?;
        }
        live.stop().await.transpose()?;
        Ok(total)
    }

    async fn invoke(&self, live: &Live) -> Result<Duration> {
        let Timed { value, duration, .. } = live.invoke(self.request.clone()).await;
        let response = black_box(value?);
        ensure!(response.status() == 200, "{FUNCTION} answered {}", response.status());
        Ok(duration)
    }
}
