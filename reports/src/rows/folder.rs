//! Reads a run from its folder.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rayon::prelude::*;

use super::run::SCHEMA_VERSION;
use super::{Row, Run};

/// Name of the file with the rows.
pub const ROWS: &str = "rows.jsonl";
/// Name of the file that describes the run.
pub const RUN: &str = "run.json";

/// A run in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFolder {
    /// `run.json`.
    pub run: Run,
    /// `rows.jsonl`.
    pub rows: Vec<Row>,
}

/// A folder that is not a run, or has another schema version.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}; is this the folder of a run?", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A line is not a row, or the file not a `run.json`.
    #[error("{}:{line}: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The error.
        reason: String,
    },
    /// The run has another schema version.
    #[error("{} has schema version {found}; this binary reads {SCHEMA_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
}

/// Name of the file with the rows after `gzip`, which a published run may have instead.
pub const ROWS_COMPRESSED: &str = "rows.jsonl.gz";

/// Reads a run's two files.
///
/// # Errors
/// If a file cannot be read, or has another form or version.
pub fn read(folder: &Path) -> Result<RunFolder, ReadError> {
    Ok(RunFolder { run: read_run(&folder.join(RUN))?, rows: read_rows(folder)? })
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The line, counted from 1.
    pub line: usize,
    /// The error.
    pub reason: String,
}

/// Reads a run's two files. Bad rows are left out and returned with their line and error.
///
/// # Errors
/// If a file cannot be read, or `run.json` has another form or version.
pub fn read_lenient(folder: &Path) -> Result<(RunFolder, Vec<BadRow>), ReadError> {
    let run = read_run(&folder.join(RUN))?;
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for row in rows_of(&row_bytes(folder)?.1) {
        match row {
            Ok(row) => rows.push(row),
            Err(reason) => bad.push(reason),
        }
    }
    Ok((RunFolder { run, rows }, bad))
}

/// The bytes of the rows, and the file that they are in.
fn row_bytes(folder: &Path) -> Result<(PathBuf, Vec<u8>), ReadError> {
    let (plain, compressed) = (folder.join(ROWS), folder.join(ROWS_COMPRESSED));
    let failed = |path: &Path, error| ReadError::File { path: path.to_owned(), error };
    match fs::read(&plain) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && compressed.exists() => {
            let mut bytes = Vec::new();
            let read =
                fs::File::open(&compressed).and_then(|file| GzDecoder::new(file).read_to_end(&mut bytes));
            read.map_err(|error| failed(&compressed, error))?;
            Ok((compressed, bytes))
        }
        read => Ok((plain.clone(), read.map_err(|error| failed(&plain, error))?)),
    }
}

fn text(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|error| ReadError::File { path: path.to_owned(), error })
}

fn form(path: &Path, line: usize, error: &serde_json::Error) -> ReadError {
    ReadError::Form { path: path.to_owned(), line, reason: error.to_string() }
}

/// Reads a `run.json`.
///
/// # Errors
/// If the file cannot be read, or has another form or version.
pub fn read_run(path: &Path) -> Result<Run, ReadError> {
    let text = text(path)?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| form(path, error.line(), &error))?;
    // Checks the version first: another version may have another form.
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(SCHEMA_VERSION) => {
            Err(ReadError::Version { path: path.to_owned(), found })
        }
        _ => serde_json::from_str(&text).map_err(|error| form(path, error.line(), &error)),
    }
}

fn read_rows(folder: &Path) -> Result<Vec<Row>, ReadError> {
    let (path, bytes) = row_bytes(folder)?;
    let rows: Result<Vec<Row>, BadRow> = rows_of(&bytes).into_iter().collect();
    rows.map_err(|BadRow { line, reason }| ReadError::Form { path, line, reason })
}

/// Every line of the file in its order; a line may hold anything.
fn rows_of(bytes: &[u8]) -> Vec<Result<Row, BadRow>> {
    if bytes.is_empty() {
        return Vec::new();
    }
    // Every row ends in a line break; a row without one was cut off.
    let complete = bytes.strip_suffix(b"\n");
    let lines: Vec<&[u8]> = complete.unwrap_or(bytes).split(|byte| *byte == b'\n').collect();
    let truncated = complete.is_none().then_some(lines.len());
    let row = |(index, text): (usize, &[u8])| {
        serde_json::from_slice(text).map_err(|error| {
            let (line, mut reason) = (index + 1, error.to_string());
            if truncated == Some(line) {
                reason = format!("the file is truncated: its last line breaks off ({reason})");
            }
            BadRow { line, reason }
        })
    };
    lines.into_par_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(run: &str, rows: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RUN), run).unwrap();
        fs::write(folder.path().join(ROWS), rows).unwrap();
        folder
    }

    const EMPTY: &str = r#"{"schema": 2, "id": "a", "status": "complete", "command": [], "seed": 1, "started": "",
        "ended": null, "preset": {}, "machine": {}, "build": {}, "executors": [], "cells": [], "notes": [],
        "host_warnings": [], "blocks_done": [],
        "prices": {"per_cpu_second": 0, "per_gib_second": 0, "currency": "", "source": ""},
        "selection": {"executors": [], "functions": [], "variants": [], "reuses": [], "experiments": []}}"#;

    #[test]
    fn a_run_is_read_with_its_rows() {
        let row = r#"{"executor":"wasm","function":"hello","variant":"rust","repetition":0,"sample":0,
            "phase":"start","metric":"duration_ns","value":7,"build":"dev"}"#
            .replace('\n', "");
        let run = read(folder(EMPTY, &format!("{row}\n{row}\n")).path()).unwrap();
        assert_eq!((run.run.id.as_str(), run.rows.len(), run.rows[1].value), ("a", 2, 7));
    }

    #[test]
    fn bad_rows_are_left_out_only_if_asked() {
        let row = r#"{"executor":"wasm","function":"hello","variant":"rust","repetition":0,"sample":0,"phase":"start","metric":"duration_ns","value":7,"build":"dev"}"#;
        let rows = format!("{row}\nno row\n{row}\n\u{0}\n{}", &row[..40]);
        let folder = folder(EMPTY, &rows);
        assert!(read(folder.path()).unwrap_err().to_string().contains("rows.jsonl:2: expected"));
        let (run, bad) = read_lenient(folder.path()).unwrap();
        assert_eq!(run.rows.len(), 2);
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2, 4, 5]);
        assert!(bad[2].reason.starts_with("the file is truncated"), "{bad:?}");
        assert!(!bad[0].reason.contains("truncated") && !bad[1].reason.contains("truncated"));
    }

    #[test]
    fn bytes_that_are_not_text_are_reported_with_their_line() {
        let folder = folder(EMPTY, "");
        assert_eq!(read(folder.path()).unwrap().rows.len(), 0);
        fs::write(folder.path().join(ROWS), b"\xff\xfe\n").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("rows.jsonl:1: "));
    }

    #[test]
    fn compressed_rows_are_read_as_they_are() {
        let row = Row { executor: "wasm".into(), value: 7, ..Row::default() };
        let text = serde_json::to_string(&row).unwrap() + "\n";
        let folder = folder(EMPTY, "");
        fs::remove_file(folder.path().join(ROWS)).unwrap();
        let file = fs::File::create(folder.path().join(ROWS_COMPRESSED)).unwrap();
        let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::best());
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.finish().unwrap();
        assert_eq!(read(folder.path()).unwrap().rows, [row]);
        fs::write(folder.path().join(ROWS_COMPRESSED), "no gzip").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("rows.jsonl.gz"));
    }

    #[test]
    fn a_folder_that_is_not_a_run_is_refused_with_file_and_line() {
        let refused = |run: &str, rows: &str| read(folder(run, rows).path()).unwrap_err().to_string();
        assert!(refused(EMPTY, "{\"executor\":\"wa").contains("rows.jsonl:1: the file is truncated"));
        assert!(refused(EMPTY, "{}").contains("missing field"));
        assert!(refused("{\n]", "").contains("run.json:2"));
        assert!(refused(&EMPTY.replace("\"schema\": 2", "\"schema\": 9"), "").contains("schema version 9"));
        assert!(
            read(Path::new("/nowhere")).unwrap_err().to_string().contains("is this the folder of a run?")
        );
    }
}
