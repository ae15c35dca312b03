//! Compiled code in the cache.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{ask, command, get, open, prepare, ready};
use isolab_core::{Cause, Executor, Laps, Variant, conformance};

const QUIET: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// The files that the executor keeps compiled code in.
fn entries(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let folder = fs::read_dir(folder.path().join("cache/wasm-code")).unwrap();
    folder.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_second_executor_finds_what_the_first_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let function = command(folder.path(), "quiet", QUIET);
    let laps = |spec: &str| {
        let mut laps = Laps::begin();
        let wasm = open(spec, folder.path());
        let prepared = ready(wasm.prepare(&function, Variant::Command, &mut laps)).unwrap();
        assert!(ask(&*prepared, get("/")).is_ok());
        let names: Vec<_> = laps.durations().map(|(lap, _)| lap).collect();
        (prepared.artifact().cached, names)
    };
    assert_eq!(laps("wasm"), (false, vec!["build", "compile", "link"]));
    assert_eq!(laps("wasm"), (true, vec!["build", "load", "link"]));
    for compiler in ["wasm:compiler=winch", "wasm:compiler=pulley"] {
        assert!(!laps(compiler).0, "settings that change the code share no entry");
        assert!(laps(compiler).0);
    }
}

#[test]
fn a_damaged_entry_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let function = command(folder.path(), "quiet", QUIET);
    let cached = || {
        let prepared = prepare(&open("wasm", folder.path()), &function, Variant::Command).unwrap();
        assert!(ask(&*prepared, get("/")).is_ok());
        prepared.artifact().cached
    };
    assert!(!cached());
    let [entry] = entries(&folder).try_into().expect("one entry");
    let whole = fs::read(&entry).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &flipped, b""] {
        // A new file, as a running executor may have the old one mapped.
        fs::remove_file(&entry).unwrap();
        fs::write(&entry, damaged).unwrap();
        assert!(!cached(), "a damaged entry was used");
        assert!(cached());
    }
}

/// A command that writes one letter.
fn letter(letter: char) -> String {
    format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\08\00\00\00\01\00\00\00{letter}")
            (func (export "_start")
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))"#
    )
}

/// A writer of the cache folder can put machine code under another name, with a checksum of
/// their own or with the seal of another entry.
#[test]
fn forged_code_is_refused_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let answer = |text: char| {
        let function = command(folder.path(), "letter", &letter(text));
        let prepared = prepare(&open("wasm", folder.path()), &function, Variant::Command).unwrap();
        let body = ask(&*prepared, get("/")).unwrap().into_body();
        (String::from_utf8(body.to_vec()).unwrap(), prepared.artifact().cached)
    };
    assert_eq!(answer('f'), ("f".into(), false));
    let [foreign] = entries(&folder).try_into().expect("one entry");
    assert_eq!(answer('h'), ("h".into(), false));
    let honest = entries(&folder).into_iter().find(|entry| *entry != foreign).expect("two entries");
    let sealed = fs::read(&foreign).unwrap();
    let code = &sealed[blake3::OUT_LEN..];
    for forged in [&[blake3::hash(code).as_bytes(), code].concat(), &sealed, &code.to_vec()] {
        fs::remove_file(&honest).unwrap();
        fs::write(&honest, forged).unwrap();
        assert_eq!(answer('h'), ("h".into(), false), "forged code was used");
        assert_eq!(answer('h'), ("h".into(), true));
    }
    assert_eq!(answer('f'), ("f".into(), true));
}

#[test]
fn an_entry_that_is_swapped_after_it_was_loaded_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let function = command(folder.path(), "letter", &letter('h'));
    let first = prepare(&open("wasm", folder.path()), &function, Variant::Command).unwrap();
    let second = prepare(&open("wasm", folder.path()), &function, Variant::Command).unwrap();
    assert!(second.artifact().cached);
    let [entry] = entries(&folder).try_into().expect("one entry");
    // In place, so that a mapping of the file would change with it.
    let len = fs::metadata(&entry).unwrap().len() as usize;
    fs::write(&entry, vec![0xcc; len]).unwrap();
    for prepared in [first, second] {
        assert_eq!(ask(&*prepared, get("/")).unwrap().body(), "h");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cache"), "a file where the folder should be").unwrap();
    let function = command(folder.path(), "quiet", QUIET);
    let Err(error) = prepare(&open("wasm", folder.path()), &function, Variant::Command) else {
        panic!("nothing was written and nobody said so")
    };
    assert!(matches!(error.cause, Cause::Internal(_)) && error.to_string().contains("wasm-code"), "{error}");
}

#[test]
fn a_rust_function_is_the_same_source_for_every_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let library = conformance::library().unwrap();
    let hello = library.get("hello").unwrap();
    let digest = |spec| {
        let prepared = prepare(&open(spec, folder.path()), hello, Variant::Rust).unwrap();
        prepared.artifact().source_digest.clone()
    };
    assert_eq!(digest("wasm"), digest("wasm:compiler=winch"));
    assert_eq!(digest("wasm"), digest("wasm:compiler=pulley"));
}

/// The digest and the laps of `prepare` for a function of the lab, with its cache in `folder`.
fn prepared(spec: &str, folder: &Path, name: &str, variant: Variant) -> (String, bool, Vec<&'static str>) {
    let library = conformance::library().unwrap();
    let mut laps = Laps::begin();
    let wasm = open(spec, folder);
    let prepared = ready(wasm.prepare(library.get(name).unwrap(), variant, &mut laps)).unwrap();
    let artifact = prepared.artifact();
    (artifact.source_digest.clone(), artifact.cached, laps.durations().map(|(lap, _)| lap).collect())
}

#[test]
fn a_snapshot_has_an_entry_of_its_own_and_the_same_source() {
    for (name, variant) in [("regex", Variant::Rust), ("hello", Variant::Js)] {
        let folder = tempfile::tempdir().unwrap();
        let (on, is_cached, laps) = prepared("wasm", folder.path(), name, variant);
        assert_eq!((is_cached, laps), (false, vec!["build", "snapshot", "compile", "link"]));
        let (off, is_cached, laps) = prepared("wasm:snapshot=off", folder.path(), name, variant);
        assert_eq!((is_cached, laps), (false, vec!["build", "compile", "link", "try"]));
        assert_eq!(on, off);
        assert!(prepared("wasm", folder.path(), name, variant).1);
        assert!(prepared("wasm:snapshot=off", folder.path(), name, variant).1);
        assert!(!prepared("wasm:images=off", folder.path(), name, variant).1, "images are part of the code");
    }
    let folder = tempfile::tempdir().unwrap();
    let (_, _, laps) = prepared("wasm", folder.path(), "hello", Variant::Rust);
    assert_eq!(laps, ["build", "compile", "link"], "a function without an initialisation");
}
