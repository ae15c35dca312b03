//! `frontend::lifecycle` is the only caller of the phases: a test of the sources.

use std::path::{Path, PathBuf};

use isolab_core::guest;

/// Every Rust file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file that call a phase of an executor, which all take the laps.
fn calls(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let is_call = |line: &&str| {
        let line = line.to_lowercase();
        [".prepare(", ".start(", ".invoke(", ".stop("].iter().any(|call| line.contains(call))
            && line.contains("laps")
    };
    text.lines().filter(is_call).map(|line| format!("{}: {}", file.display(), line.trim())).collect()
}

#[test]
fn no_other_file_of_the_front_end_and_the_harness_calls_a_phase() {
    let root = guest::workspace();
    let mut files = Vec::new();
    for folder in ["runners/frontend/src", "harness/src", "harness/benches"] {
        sources(&root.join(folder), &mut files);
    }
    let lifecycle = root.join("runners/frontend/src/lifecycle.rs");
    assert_eq!(calls(&lifecycle).len(), 4, "one call of each phase: {:?}", calls(&lifecycle));
    let others: Vec<_> =
        files.iter().filter(|file| **file != lifecycle).flat_map(|file| calls(file)).collect();
    assert!(others.is_empty(), "these calls are not timed by the lifecycle: {others:#?}");
}
