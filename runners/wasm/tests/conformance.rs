//! The suite that every executor must pass.

mod support;

use isolab_core::{Library, conformance};
use support::{open, ready};

fn pass(spec: &str, library: &Library) {
    let folder = tempfile::tempdir().unwrap();
    let report = ready(conformance::run(&open(spec, folder.path()), library));
    println!("{report}");
    report.assert();
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

#[test]
fn the_one_pass_compiler() {
    pass("wasm:compiler=winch", &some(&["hello", "fibonacci", "spin", "allocate", "recurse"]));
}

#[test]
fn memory_on_demand() {
    pass("wasm:allocator=ondemand", &some(&["hello", "remember", "spin", "allocate", "flood"]));
}
