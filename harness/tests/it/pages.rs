//! The pages for people say what is so: README's commands, ARCHITECTURE's folders and words.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use isolab::cli::Cli;

/// The crates whose folders ARCHITECTURE lists.
const LISTED: [&str; 3] = ["runners/frontend/src", "harness/src", "reports/src"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The first cells of all tables of a page that have this heading, without the code marks.
fn first_cells(text: &str, heading: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        let cell = line.strip_prefix('|').and_then(|rest| rest.split('|').next()).map(str::trim);
        match cell {
            None => is_inside = false,
            Some(cell) if cell == heading => is_inside = true,
            Some(cell) if is_inside && !cell.starts_with("--") => cells.push(cell.replace('`', "")),
            Some(_) => {}
        }
    }
    assert!(cells.len() > 5, "no table has the heading `{heading}`");
    cells
}

/// The folders in `folder`.
fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// All Rust code below `folder`, as one text in lower case.
fn rust_code(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            text += &rust_code(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(path).unwrap().to_lowercase();
        }
    }
    text
}

#[test]
fn isolab_accepts_every_command_of_the_readme() {
    let text = page("README.md");
    let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("cargo run -- ")).collect();
    assert!(commands.len() > 10, "the README has commands");
    for command in commands {
        let arguments = command.split(" #").next().unwrap().split_whitespace();
        let parsed = Cli::try_parse_from(std::iter::once("isolab").chain(arguments));
        assert!(parsed.is_ok(), "`isolab {command}` is refused: {}", parsed.unwrap_err());
    }
}

#[test]
fn every_folder_that_architecture_names_exists() {
    for folder in first_cells(&page("ARCHITECTURE.md"), "folder") {
        let path = root().join(folder.replace("<name>", "hello"));
        assert!(path.is_dir(), "ARCHITECTURE.md names `{folder}`, and there is no such folder");
    }
}

#[test]
fn architecture_names_every_crate_and_every_folder_of_the_large_ones() {
    let named: BTreeSet<_> = first_cells(&page("ARCHITECTURE.md"), "folder").into_iter().collect();
    let manifest = page("Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let mut missing: Vec<String> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|member| !member.starts_with("functions/") && !named.contains(*member))
        .map(str::to_owned)
        .collect();
    for crate_folder in LISTED {
        let inner = folders(&root().join(crate_folder)).into_iter();
        missing
            .extend(inner.map(|name| format!("{crate_folder}/{name}")).filter(|path| !named.contains(path)));
    }
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

#[test]
fn every_word_of_the_table_is_used() {
    let code = ["harness", "reports", "runners"].map(|folder| rust_code(&root().join(folder))).concat();
    let words = first_cells(&page("ARCHITECTURE.md"), "word");
    let unused: Vec<_> = words.iter().filter(|word| !code.contains(&word.to_lowercase())).collect();
    assert!(unused.is_empty(), "ARCHITECTURE.md defines words that the code does not use: {unused:?}");
}
