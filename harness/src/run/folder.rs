//! The run folder, which is valid from its first moment on.
//!
//! | file | |
//! |---|---|
//! | `run.json` | plan, machine, versions, settings, and the outcome of every cell so far |
//! | `rows.jsonl` | one figure per line, written as it is measured |
//! | `logs/` | stderr of the servers, by block |
//! | `report.*` | rendered from the first two |

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use isolab_reports::Row;
use isolab_reports::folder::ROWS;
use serde::Serialize;

use crate::exit::BadInput;

/// Size of a file that is written and removed before measuring, in bytes. A first block writes
/// about as much.
const PROBE_BYTES: usize = 1 << 20;

/// The folder can no longer be written. Its contents stay.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}; the rows before this are kept", path.display())]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

/// Writes a run folder.
pub struct RunWriter {
    dir: PathBuf,
    rows: BufWriter<File>,
}

impl RunWriter {
    /// Makes the folder, or takes an empty one, and checks that it can be written.
    ///
    /// # Errors
    /// If it cannot be written, or is not empty.
    pub fn create(dir: &Path) -> anyhow::Result<Self> {
        let refused =
            |reason: String| BadInput::because(format!("--out {} cannot be used: {reason}", dir.display()));
        let create = || -> io::Result<Self> {
            fs::create_dir_all(dir)?;
            let dir = dir.canonicalize()?;
            if fs::read_dir(&dir)?.next().is_some() {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not empty"));
            }
            let probe = dir.join("probe");
            fs::write(&probe, vec![1; PROBE_BYTES]).inspect_err(|_| drop(fs::remove_file(&probe)))?;
            fs::remove_file(&probe)?;
            fs::create_dir(dir.join("logs"))?;
            let rows = BufWriter::new(File::create_new(dir.join(ROWS))?);
            Ok(Self { dir, rows })
        };
        create().map_err(|error| refused(error.to_string()))
    }

    /// Opens the folder of an interrupted run, and keeps only some of its rows. Its last line may
    /// be incomplete.
    ///
    /// # Errors
    /// If the rows cannot be read, or cannot be written.
    pub fn reopen(dir: &Path, keep: impl Fn(&Row) -> bool) -> anyhow::Result<Self> {
        let path = dir.join(ROWS);
        let refused =
            |reason: String| BadInput::because(format!("{} cannot be resumed: {reason}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
        let mut kept = String::with_capacity(text.len());
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            match serde_json::from_str::<Row>(line) {
                Ok(row) if keep(&row) => kept.extend([line, "\n"]),
                Ok(_) => {}
                Err(_) if lines.peek().is_none() => {}
                Err(error) => return Err(refused(format!("line {}: {error}", index + 1))),
            }
        }
        let mut folder = Self { dir: dir.to_owned(), rows: BufWriter::new(File::open(&path)?) };
        folder.replace(ROWS, kept.as_bytes())?;
        folder.rows = BufWriter::new(File::options().append(true).open(&path)?);
        Ok(folder)
    }

    /// Its path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log of a block's servers.
    pub fn log(&self, block: &str) -> PathBuf {
        let name = block.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        self.dir.join("logs").join(name).with_extension("log")
    }

    /// Writes rows to the disk before it returns.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn append(&mut self, rows: &[Row]) -> Result<(), FolderError> {
        let mut write = || {
            for row in rows {
                serde_json::to_writer(&mut self.rows, row)?;
                self.rows.write_all(b"\n")?;
            }
            self.rows.flush()
        };
        write().map_err(|source| FolderError { path: self.dir.join(ROWS), source })
    }

    /// Replaces a file as a whole: readers find the old file or the new one, even if the disk is
    /// full.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.dir.join(name);
        let write = || {
            // Readable by others, as far as the umask allows.
            let permissions = fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(&self.dir)?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| FolderError { path: path.clone(), source })
    }

    /// Replaces a file with `value` as JSON.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn replace_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let mut text = serde_json::to_vec_pretty(value).expect("the record of a run serialises");
        text.push(b'\n');
        self.replace(name, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    #[test]
    fn appended_rows_are_in_the_file_at_once() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunWriter::create(&parent.path().join("a/b")).unwrap();
        let row = Row { executor: "direct".into(), value: 7, ..Row::default() };
        folder.append(&[row.clone(), row]).unwrap();
        let text = fs::read_to_string(folder.dir().join("rows.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.contains(r#""value":7"#)), "{text}");
        folder.replace_json("run.json", &1).unwrap();
        assert_eq!(fs::read(folder.dir().join("run.json")).unwrap(), b"1\n");
        assert!(
            folder.log("wasm:compiler=winch hello rust").ends_with("logs/wasm_compiler_winch_hello_rust.log")
        );
    }

    #[test]
    fn a_reopened_folder_keeps_the_chosen_rows() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("run");
        let row = |value| Row { executor: "direct".into(), value, ..Row::default() };
        RunWriter::create(&dir).unwrap().append(&[row(1), row(2)]).unwrap();
        let path = dir.join(ROWS);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{}", r#"{"executor":"dir"#)).unwrap();
        let mut folder = RunWriter::reopen(&dir, |row| row.value == 2).unwrap();
        folder.append(&[row(3)]).unwrap();
        let values: Vec<_> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Row>(line).unwrap().value)
            .collect();
        assert_eq!(values, [2, 3]);
        fs::write(&path, format!("broken\n{whole}")).unwrap();
        let error = RunWriter::reopen(&dir, |_| true).err().unwrap();
        assert!(exit::code(&error) == exit::BAD_INPUT && error.to_string().contains("line 1"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_empty_or_lies_below_a_file_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("file"), "").unwrap();
        for dir in [parent.path().to_owned(), parent.path().join("file/run"), "/proc/run".into()] {
            let error = RunWriter::create(&dir).err().expect("it is refused");
            assert_eq!(exit::code(&error), exit::BAD_INPUT);
            assert!(error.to_string().contains("--out"), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_an_error_and_earlier_rows_stay() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunWriter::create(&parent.path().join("run")).unwrap();
        folder.rows = BufWriter::new(File::options().write(true).open("/dev/full").unwrap());
        let error = folder.append(&[Row::default()]).unwrap_err().to_string();
        assert!(error.contains("rows.jsonl") && error.contains("kept"), "{error}");
    }
}
