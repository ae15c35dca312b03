//! What a run leaves behind: a folder that is valid from its first moment on.
//!
//! | file | |
//! |---|---|
//! | `run.json` | plan, machine, versions, settings, and what came of every cell so far |
//! | `rows.jsonl` | one number a line, written as it is measured |
//! | `logs/` | what the servers said on stderr, by block |
//! | `report.md` | rendered from the other two |

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use isolab_reports::Row;
use isolab_reports::folder::ROWS;
use serde::Serialize;

use crate::exit::BadInput;

/// Written and removed before measuring, in bytes: as much as a first block leaves.
const PROBE_BYTES: usize = 1 << 20;

/// The folder can no longer be written. What is in it stays.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written; what was measured so far is kept", path.display())]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

/// An open run folder.
pub struct RunWriter {
    dir: PathBuf,
    rows: BufWriter<File>,
}

impl RunWriter {
    /// Makes the folder, or takes one that is empty, and sees that it can be written.
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

    /// Opens the folder of an interrupted run, and drops the rows that are not to be kept.
    /// The last line may have been cut off.
    pub fn reopen(dir: &Path, keep: impl Fn(&Row) -> bool) -> anyhow::Result<Self> {
        let path = dir.join(ROWS);
        let refused =
            |reason: String| BadInput::because(format!("{} cannot be taken up: {reason}", path.display()));
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

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the servers of a block say what they have to say.
    pub fn log(&self, block: &str) -> PathBuf {
        let name = block.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
        self.dir.join("logs").join(name).with_extension("log")
    }

    /// Writes rows, all of them before it returns.
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

    /// Replaces a file as a whole, so that a reader, or a full disk, finds the old one
    /// or the new one.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.dir.join(name);
        let write = || {
            // Readable for others, as far as the umask has it so.
            let permissions = fs::Permissions::from_mode(0o666);
            let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(&self.dir)?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| FolderError { path: path.clone(), source })
    }

    /// Replaces a file with `value` as JSON.
    pub fn replace_json(&self, name: &str, value: &impl Serialize) -> Result<(), FolderError> {
        let mut text = serde_json::to_vec_pretty(value).expect("facts of a run serialise");
        text.push(b'\n');
        self.replace(name, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    #[test]
    fn rows_are_there_as_soon_as_they_are_appended() {
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
    fn an_interrupted_folder_keeps_what_is_to_be_kept() {
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
    fn a_folder_with_something_in_it_or_below_a_file_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("file"), "").unwrap();
        for dir in [parent.path().to_owned(), parent.path().join("file/run"), "/proc/run".into()] {
            let error = RunWriter::create(&dir).err().expect("it is refused");
            assert_eq!(exit::code(&error), exit::BAD_INPUT);
            assert!(error.to_string().contains("--out"), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_said_and_what_was_written_stays() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = RunWriter::create(&parent.path().join("run")).unwrap();
        folder.rows = BufWriter::new(File::options().write(true).open("/dev/full").unwrap());
        let error = folder.append(&[Row::default()]).unwrap_err().to_string();
        assert!(error.contains("rows.jsonl") && error.contains("kept"), "{error}");
    }
}
