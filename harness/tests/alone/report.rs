//! `isolab report` and `isolab reproduce` on runs that were measured before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::alone;
use crate::support::{Finished, run};

/// A small run, measured once for all tests of this file.
fn measured() -> &'static Path {
    static RUN: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, dir) = RUN.get_or_init(|| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("run");
        let finished = run([
            "--executor",
            "direct",
            "--function",
            "hello",
            "--quick",
            "--repetitions",
            "3",
            "--only",
            "memory,load",
            "--out",
            dir.to_str().unwrap(),
        ]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        (parent, dir)
    });
    dir
}

/// A copy of it that a test may change.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("copy");
    fs::create_dir(&dir).unwrap();
    for file in ["run.json", "rows.jsonl"] {
        fs::copy(measured().join(file), dir.join(file)).unwrap();
    }
    (parent, dir)
}

fn change(path: &Path, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, change(text)).unwrap();
}

/// The rows with 10,000 right answers a second in every window of a closed loop.
fn with_steady_rate(rows: &str) -> String {
    let steady = rows.lines().map(|line| {
        let mut row: isolab_reports::Row = serde_json::from_str(line).unwrap();
        match (row.phase.as_str(), row.metric.as_str()) {
            ("load", "duration_ns") => row.value = 1_000_000_000,
            ("load", "responses_count") => row.value = 10_000,
            _ => {}
        }
        serde_json::to_string(&row).unwrap() + "\n"
    });
    steady.collect()
}

fn report<'a>(dirs: impl IntoIterator<Item = &'a Path>, options: &[&str]) -> Finished {
    let dirs = dirs.into_iter().map(|dir| dir.to_str().unwrap().to_owned());
    run(["report".to_owned()].into_iter().chain(dirs).chain(options.iter().map(ToString::to_string)))
}

#[test]
fn a_run_is_rendered_in_every_form() {
    let _alone = alone();
    let (_parent, dir) = copy();
    let finished = report([dir.as_path()], &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for (file, begins) in [
        ("report.md", "# What isolation cost"),
        ("report.html", "<!DOCTYPE html>"),
        ("report.csv", "run,function,variant"),
        ("report.json", "{"),
    ] {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        assert!(text.starts_with(begins) && text.contains("hello"), "{file}: {}", &text[..99]);
        // Rendering the same rows gives the same bytes.
        assert_eq!(text, fs::read_to_string(measured().join(file)).unwrap(), "{file}");
    }
    let printed = report([dir.as_path()], &["--print", "csv"]);
    assert!(printed.stdout.contains(",hello,rust,"), "{printed:?}");
    assert_eq!(report([dir.as_path()], &["--format", "pdf"]).code, Some(2));
    let priced = ["--print", "markdown", "--price-per-cpu-second", "0.5", "--currency", "EUR"];
    let markdown = report([dir.as_path()], &priced).stdout;
    assert!(markdown.contains("EUR") && markdown.contains("given when this report was made"), "{markdown}");
    assert_eq!(report([dir.as_path()], &["--price-per-cpu-second", "-1"]).code, Some(2));
}

#[test]
fn equal_runs_are_equal_and_a_slower_one_closes_the_gate() {
    let _alone = alone();
    let (_parent, dir) = copy();
    let finished = report([measured(), &dir], &[]);
    assert_eq!(finished.code, Some(0), "{finished:?}");

    // The host's drift may hide half of a rate, so both runs get the same rate in every window.
    let (_before, before) = copy();
    for dir in [&before, &dir] {
        change(&dir.join("rows.jsonl"), |rows| with_steady_rate(&rows));
    }
    // Every window takes twice as long: half of the rate.
    change(&dir.join("rows.jsonl"), |rows| {
        let slower = rows.lines().map(|line| {
            let mut row: isolab_reports::Row = serde_json::from_str(line).unwrap();
            if row.phase == "load" && row.metric == "duration_ns" {
                row.value *= 2;
            }
            serde_json::to_string(&row).unwrap() + "\n"
        });
        slower.collect()
    });
    let written = report([measured(), &dir], &["--out", "elsewhere"]);
    assert!(written.code == Some(2) && written.stdout.is_empty(), "{written:?}");
    let worse = report([before.as_path(), &dir], &["--smallest-percent", "20"]);
    assert!(worse.code == Some(1) && worse.stderr.contains("got worse"), "{worse:?}");
    let better = report([dir.as_path(), &before], &["--smallest-percent", "20"]);
    assert_eq!(better.code, Some(0), "{better:?}");
    let none = report([before.as_path(), &dir], &["--smallest-percent", "90"]);
    assert_eq!(none.code, Some(0), "{none:?}");
}

#[test]
fn runs_of_one_repetition_cannot_be_compared() {
    let _alone = alone();
    let (_parent, dir) = copy();
    change(&dir.join("rows.jsonl"), |rows| {
        rows.lines().filter(|row| row.contains(r#""repetition":0,"#)).flat_map(|row| [row, "\n"]).collect()
    });
    let once = report([measured(), &dir], &[]);
    assert!(once.code == Some(2) && once.stderr.contains("two repetitions"), "{once:?}");
    let markdown = report([dir.as_path()], &["--print", "markdown"]).stdout;
    assert!(markdown.contains("no verdicts") && !markdown.contains("slower"), "{markdown}");
    assert!(!markdown.contains("faster"), "{markdown}");
}

#[test]
fn a_folder_that_holds_no_run_is_bad_input_and_a_bad_row_is_named_by_its_line() {
    let _alone = alone();
    let refused = |dir: &Path, reason: &str| {
        let finished = report([dir], &[]);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{reason}: {}", finished.stderr);
    };
    refused(Path::new("/nowhere"), "is this the folder of a run?");

    let (_parent, dir) = copy();
    let rows = dir.join("rows.jsonl");
    change(&rows, |text| text[..text.len() - 20].to_owned());
    let last = fs::read_to_string(&rows).unwrap().lines().count();
    refused(&dir, &format!("rows.jsonl:{last}"));
    let lenient = report([dir.as_path()], &["--skip-bad-rows"]);
    assert_eq!(lenient.code, Some(0), "{lenient:?}");
    assert!(lenient.stderr.contains(&format!(":{last}: ")), "{}", lenient.stderr);

    change(&rows, |_| "{\"from\": \"elsewhere\"}\n".to_owned());
    refused(&dir, "rows.jsonl:1");
    change(&dir.join("run.json"), |text| text.replacen("\"schema\": 2", "\"schema\": 1", 1));
    refused(&dir, "schema version 1");
}

#[test]
fn runs_without_a_common_cell_cannot_be_compared() {
    let _alone = alone();
    let (_parent, dir) = copy();
    for file in ["run.json", "rows.jsonl"] {
        change(&dir.join(file), |text| text.replace("\"hello\"", "\"other\""));
    }
    let finished = report([measured(), &dir], &[]);
    assert!(finished.code == Some(2) && finished.stderr.contains("no cell in common"), "{finished:?}");
}

#[test]
fn claims_are_checked_against_a_run_and_those_it_cannot_answer_say_why() {
    let _alone = alone();
    let (_parent, dir) = copy();
    let finished = run(["reproduce", "--run", dir.to_str().unwrap()]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let of_another_run = "isolab reproduce --claim thesis-fibonacci-40-wasmtime";
    let of_other_hardware = "a processor with hardware virtualisation";
    let claims = fs::read_to_string(dir.join("claims.md")).unwrap();
    for said in [of_another_run, of_other_hardware, "Not in this run", "Cannot be measured here"] {
        assert!(claims.contains(said), "{said}: {claims}");
    }
    for said in ["thesis-fibonacci-40-wasmtime", "firecracker-start", "cannot be measured here"] {
        assert!(finished.stdout.contains(said), "{said}: {}", finished.stdout);
    }
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("claims.json")).unwrap()).unwrap();
    assert!(json["claims"].as_array().is_some_and(|claims| claims.len() > 50), "{json}");
    let one = run(["reproduce", "--run", dir.to_str().unwrap(), "--claim", "firecracker-start"]);
    assert!(one.stdout.contains("firecracker-start") && !one.stdout.contains("runc-start"), "{one:?}");
    assert_eq!(run(["reproduce", "--run", "/nowhere"]).code, Some(2));
}
