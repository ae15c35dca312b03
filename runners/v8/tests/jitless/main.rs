//! The executor without machine code. V8's flags hold for a whole process, so these tests have one of their own.

use std::collections::BTreeMap;
use std::path::Path;

use isolab_core::conformance::{self, Outcome};
use isolab_core::{Cache, Cause, Environment, Error, Executor as _, Laps, Spec, Variant};
use isolab_outbound::origin::Origin;
use isolab_v8::{SETTINGS, V8};

fn open(spec: &str, folder: &Path, origin: Option<&Origin>) -> Result<V8, Error> {
    let hosts = origin.map(|origin| {
        let name = isolab_core::function::Host { name: "origin".into(), port: 80 };
        (name, origin.address())
    });
    let environment = Environment {
        cache: Cache::with_key(folder.join("cache"), folder.join("state/key")),
        run_id: "test".into(),
        max_instances: 16,
        guest_cpu: None,
        hosts: BTreeMap::from_iter(hosts),
    };
    V8::open(Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap(), &environment)
}

async fn passes(spec: &str) {
    let (origin, folder) = (Origin::start().unwrap(), tempfile::tempdir().unwrap());
    let executor = open(spec, folder.path(), Some(&origin)).unwrap();
    let report = conformance::run(&executor, &conformance::library().unwrap()).await;
    println!("{report}");
    report.assert();
    for check in &report.checks {
        let (cell, _) = check.name.split_once(':').unwrap_or((&check.name, ""));
        let is_skipped = matches!(&check.outcome, Outcome::Skipped(reason) if reason.contains("has no Wasm"));
        assert_eq!(is_skipped, !cell.ends_with("/js"), "{check:?}");
    }
}

#[tokio::test]
async fn handlers_from_snapshots() {
    passes("v8:jit=off").await;
}

#[tokio::test]
async fn handlers_that_each_start_evaluates() {
    passes("v8:jit=off,snapshot=off").await;
}

#[test]
fn another_executor_of_the_process_cannot_have_machine_code() {
    let folder = tempfile::tempdir().unwrap();
    let executor = open("v8:jit=off", folder.path(), None).unwrap();
    let flags = executor.versions().into_iter().find(|(name, _)| name == "v8-flags").unwrap().1;
    assert!(flags.contains("--jitless"), "{flags}");
    let Err(error) = open("v8", folder.path(), None) else { panic!("the process has two kinds of V8") };
    assert!(matches!(&error.cause, Cause::Unavailable(reason) if reason.contains("`jit=off`")), "{error}");
    assert!(error.hint.is_some(), "{error}");
}

/// Memory that belongs to no file and that the processor may run. `[vdso]` and `[vsyscall]` are the kernel's.
fn executable_memory() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_code = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1].contains('x') && fields.get(5).is_none_or(|path| !path.starts_with(['/', '[']))
    };
    maps.lines().filter(is_code).map(str::to_owned).collect()
}

/// `it` has the other half: with machine code there is such memory.
#[tokio::test]
async fn no_memory_is_executable() {
    let folder = tempfile::tempdir().unwrap();
    let executor = open("v8:jit=off", folder.path(), None).unwrap();
    let library = conformance::library().unwrap();
    let hello = library.get("hello").unwrap();
    let prepared = executor.prepare(hello, Variant::Js, &mut Laps::begin()).await.unwrap();
    let instance = prepared.start(&mut Laps::begin()).await.unwrap();
    for _ in 0..1000 {
        let case = hello.load_case();
        case.check(&instance.invoke(case.request.clone(), &mut Laps::begin()).await.unwrap()).unwrap();
    }
    assert_eq!(executable_memory(), Vec::<String>::new());
    instance.stop(&mut Laps::begin()).await.unwrap();
}
