//! What a container costs by phase, on a real engine: `start`, `invoke`, and both.
//!
//! Few samples: a start takes a tenth of a second. Stopping is never part of a sample.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method, Uri};
use isolab_core::{
    Cache, Cause, Environment, Executor, Function, Instance, Laps, Prepared, Request, Response, Spec,
    Variant, guest,
};
use isolab_docker::{Docker, SETTINGS};
use tokio::runtime::Runtime;

fn phases(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let Some(docker) = runtime.block_on(open()) else { return };
    let hello = Function::load(&guest::workspace().join("functions/hello")).expect("the function `hello`");
    for variant in [Variant::Rust, Variant::Js] {
        match runtime.block_on(docker.prepare(&hello, variant, &mut Laps::begin())) {
            Ok(prepared) => measure(criterion, &runtime, variant, &prepared),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
    runtime.block_on(docker.close()).expect("nothing is left behind");
}

async fn open() -> Option<Docker> {
    let cache = Cache::new(guest::workspace().join("target/docker-bench"));
    let environment =
        Environment { cache, run_id: format!("bench-{}", std::process::id()), max_instances: 1 };
    let spec = Spec::parse("docker").and_then(|spec| spec.resolve(SETTINGS)).expect("a valid spec");
    match Docker::open(spec, &environment).await {
        Ok(docker) => Some(docker),
        Err(Cause::Unavailable(reason)) => {
            eprintln!("skipped: {reason}");
            None
        }
        Err(cause) => panic!("{cause}"),
    }
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, variant: Variant, prepared: &Arc<dyn Prepared>) {
    let mut group = criterion.benchmark_group(format!("docker/hello/{variant}"));
    group.sample_size(10).measurement_time(Duration::from_secs(10)).warm_up_time(Duration::from_secs(1));
    group.bench_function("start", |bencher| {
        bencher.iter_custom(|times| runtime.block_on(started(prepared, times, async |_| {})));
    });
    group.bench_function("start+invoke", |bencher| {
        bencher.iter_custom(|times| {
            let first = async |instance: &mut dyn Instance| drop(black_box(invoke(instance).await));
            runtime.block_on(started(prepared, times, first))
        });
    });
    let mut instance = runtime.block_on(start(prepared));
    group.bench_function("invoke", |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let begun = Instant::now();
                for _ in 0..times {
                    black_box(invoke(&mut *instance).await);
                }
                begun.elapsed()
            })
        });
    });
    runtime.block_on(stop(instance));
    group.finish();
}

/// The time of `times` starts, each followed by `then`.
async fn started(
    prepared: &Arc<dyn Prepared>,
    times: u64,
    then: impl AsyncFn(&mut dyn Instance),
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        let begun = Instant::now();
        let mut instance = start(prepared).await;
        then(&mut *instance).await;
        total += begun.elapsed();
        stop(instance).await;
    }
    total
}

async fn start(prepared: &Arc<dyn Prepared>) -> Box<dyn Instance> {
    prepared.start(&mut Laps::begin()).await.expect("an instance")
}

async fn invoke(instance: &mut dyn Instance) -> Response {
    let request = Request::new(Method::GET, Uri::from_static("/"), HeaderMap::new(), Bytes::new());
    instance.invoke(request, &mut Laps::begin()).await.expect("an answer")
}

async fn stop(instance: Box<dyn Instance>) {
    instance.stop(&mut Laps::begin()).await.expect("a stopped instance");
}

criterion_group!(benches, phases);
criterion_main!(benches);
