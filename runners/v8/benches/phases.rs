//! What the phases of `hello` cost in V8: `start`, `invoke` of a warm instance, and
//! `start+invoke` of a fresh one with its end.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use isolab_core::{
    Cache, Environment, Executor as _, Instance, Laps, Prepared, Request, Spec, Variant, conformance, guest,
};
use isolab_v8::{NAME, SETTINGS, V8};
use tokio::runtime::Runtime;

/// One cell, and the loops that are measured.
struct Cell {
    runtime: Runtime,
    prepared: Arc<dyn Prepared>,
    request: Request,
}

impl Cell {
    fn new(spec: &str, variant: Variant) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let environment = Environment {
            cache: Cache::new(guest::workspace().join("target/isolab-cache")),
            run_id: "bench".into(),
            max_instances: 1,
        };
        let spec = Spec::parse(spec).and_then(|spec| spec.resolve(SETTINGS)).expect("a spec of v8");
        let executor = V8::open(spec, &environment).expect("an executor");
        let library = conformance::library().expect("the functions of the checkout");
        let hello = library.get("hello").expect("hello");
        let prepared =
            runtime.block_on(executor.prepare(hello, variant, &mut Laps::begin())).expect("an artifact");
        let request = hello.load_case().expect("a case").request.clone();
        Self { runtime, prepared, request }
    }

    async fn start(&self) -> Box<dyn Instance> {
        self.prepared.start(&mut Laps::begin()).await.expect("an instance")
    }

    async fn invoke(&self, instance: &mut dyn Instance) {
        let response = instance.invoke(self.request.clone(), &mut Laps::begin()).await.expect("a response");
        assert_eq!(black_box(response).status(), 200);
    }

    async fn stop(instance: Box<dyn Instance>) {
        instance.stop(&mut Laps::begin()).await.expect("an end");
    }

    /// Starts only; ends are not counted.
    async fn starts(&self, times: u64) -> Duration {
        let mut total = Duration::ZERO;
        for _ in 0..times {
            let begun = Instant::now();
            let instance = self.start().await;
            total += begun.elapsed();
            Self::stop(instance).await;
        }
        total
    }

    async fn invokes(&self, times: u64) -> Duration {
        let mut instance = self.start().await;
        let begun = Instant::now();
        for _ in 0..times {
            self.invoke(&mut *instance).await;
        }
        let total = begun.elapsed();
        Self::stop(instance).await;
        total
    }

    async fn whole(&self, times: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..times {
            let mut instance = self.start().await;
            self.invoke(&mut *instance).await;
            Self::stop(instance).await;
        }
        begun.elapsed()
    }
}

fn phases(criterion: &mut Criterion) {
    for (spec, variant) in [(NAME, Variant::Rust), (NAME, Variant::Js), ("v8:snapshot=off", Variant::Js)] {
        let cell = Cell::new(spec, variant);
        let mut group = criterion.benchmark_group(format!("{spec}/hello/{variant}"));
        let block_on =
            |future: std::pin::Pin<Box<dyn Future<Output = Duration> + '_>>| cell.runtime.block_on(future);
        group.bench_function("start", |b| b.iter_custom(|times| block_on(Box::pin(cell.starts(times)))));
        group.bench_function("invoke", |b| b.iter_custom(|times| block_on(Box::pin(cell.invokes(times)))));
        group
            .bench_function("start+invoke", |b| b.iter_custom(|times| block_on(Box::pin(cell.whole(times)))));
        group.finish();
    }
}

criterion_group!(benches, phases);
criterion_main!(benches);
