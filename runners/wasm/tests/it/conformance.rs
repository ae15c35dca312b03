//! The suite that every executor must pass.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{ask, open, open_with, prepare, ready};
use isolab_core::function::Host;
use isolab_core::{Cache, Cause, Environment, Executor, Function, Library, Spec, Variant, conformance};
use isolab_outbound::origin::Origin;
use isolab_wasm::{SETTINGS, Wasm};

/// The cache stays from one run to the next: compiling the JavaScript engine for every
/// handler takes minutes, and the module `cache` tests the cache itself.
fn pass(spec: &str, library: &Library) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let origin = Origin::start().unwrap();
    let hosts = BTreeMap::from([(Host { name: "origin".into(), port: 80 }, origin.address())]);
    let report = ready(conformance::run(&open_with(spec, folder, hosts), library));
    println!("{report}");
    report.assert();
}

#[test]
fn commands_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let assemble = |text: &str| wat::parse_str(text).map_err(|error| error.to_string());
    let report = ready(conformance::commands::run(&open("wasm", folder.path()), assemble));
    println!("{report}");
    report.assert();
}

#[test]
fn threads_share_what_is_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = open("wasm", folder.path());
    let library = some(&["hello"]);
    let hello = library.get("hello").unwrap();
    let prepared = prepare(&wasm, hello, Variant::Rust).unwrap();
    let case = hello.load_case();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    case.check(&ask(&*prepared, case.request.clone()).unwrap()).unwrap();
                }
            });
        }
    });
}

#[test]
fn more_instances_than_the_address_space_holds_are_refused_with_advice() {
    let spec = Spec::parse("wasm").unwrap().resolve(SETTINGS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let environment = Environment {
        cache,
        run_id: "test".into(),
        max_instances: 10_000_000,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let Err(error) = Wasm::open(spec, &environment) else { panic!("40 PiB were reserved") };
    assert!(matches!(error.cause, Cause::Unavailable(_)) && error.hint.is_some(), "{error}");
}

/// The functions of these names.
fn some(names: &[&str]) -> Library {
    let all = conformance::library().unwrap();
    let mut library = Library::default();
    for name in names {
        library.insert(all.get(name).unwrap().clone());
    }
    library
}

#[test]
fn every_function() {
    pass("wasm", &conformance::library().unwrap());
}

/// Files are those of the full host. `js` is refused.
#[test]
fn a_granted_folder() {
    let library = some(&["files"]);
    let (wasm, files) = (open("wasm", Path::new(env!("CARGO_TARGET_TMPDIR"))), library.get("files").unwrap());
    let prepared = prepare(&wasm, files, Variant::Rust).unwrap();
    assert_eq!(prepared.artifact().kind, "compiled module that can wait, with all of WASI");
    let refused = wasm.supports(files, Variant::Js).unwrap_err();
    assert_eq!(refused, "`wasm` cannot grant folders to a function of this variant");
    pass("wasm", &library);
}

#[test]
fn functions_that_send_requests() {
    pass("wasm", &some(&["proxy", "fanout"]));
    pass("wasm:allocator=ondemand", &some(&["proxy", "fanout"]));
}

#[test]
fn the_one_pass_compiler() {
    pass("wasm:compiler=winch", &some(&["hello", "fibonacci", "spin", "allocate", "recurse"]));
}

#[test]
fn the_interpreter() {
    // `allocate` in JavaScript fills its memory so slowly here that on a busy host the deadline comes first.
    let names =
        ["hello", "fibonacci", "json", "stream", "wait", "spin", "buffers", "flood", "overrun", "recurse"];
    pass("wasm:compiler=pulley", &some(&names));
    pass("wasm:compiler=pulley,allocator=ondemand", &some(&["hello", "recurse"]));
}

#[test]
fn bytecode_for_a_processor_is_refused_with_the_reason() {
    let spec = Spec::parse("wasm:compiler=pulley,target=baseline").unwrap().resolve(SETTINGS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment {
        cache: Cache::new(folder.path()),
        run_id: "test".into(),
        max_instances: 1,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let Err(error) = Wasm::open(spec, &environment) else { panic!("bytecode was made for a processor") };
    assert!(
        matches!(&error.cause, Cause::Unavailable(reason) if reason.contains("leave out `target`")),
        "{error}"
    );
}

#[test]
fn the_stack_of_the_toolchain() {
    pass("wasm:stack=default", &some(&["hello", "json", "spin", "allocate", "overrun", "recurse"]));
}

#[test]
fn the_instructions_of_every_processor() {
    pass("wasm:target=baseline", &some(&["hello", "blake3", "json"]));
}

#[test]
fn memory_on_demand() {
    pass("wasm:allocator=ondemand", &some(&["hello", "remember", "spin", "allocate", "flood"]));
}

#[test]
fn without_images_of_data() {
    pass("wasm:images=off", &some(&["hello", "remember", "allocate", "regex"]));
    pass("wasm:allocator=ondemand,images=off", &some(&["hello", "remember", "spin", "regex"]));
}

#[test]
fn every_function_without_a_snapshot() {
    pass("wasm:snapshot=off", &conformance::library().unwrap());
}

/// A set of many expressions is megabytes of memory after its initialisation.
#[test]
fn a_large_initialisation_in_advance_and_at_each_start() {
    let folder = isolab_core::guest::workspace().join("functions/claims/user-agents");
    let mut library = Library::default();
    library.insert(Function::load(&folder).unwrap());
    for spec in ["wasm", "wasm:snapshot=off", "wasm:images=off"] {
        pass(spec, &library);
    }
}

/// By default small memories are cleared and larger ones scanned.
#[test]
fn slots_cleared_or_scanned_whatever_their_size() {
    pass("wasm:reset=clear", &some(&["hello", "json", "remember", "allocate"]));
    pass("wasm:reset=scan", &some(&["hello", "json", "remember", "allocate"]));
}
