//! Removes the entries that were used least recently.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A use within this time of the last one is not recorded.
const USE_RESOLUTION: Duration = Duration::from_hours(1);

/// Part of the limit, in percent, that a pruned cache has: the next one need not be pruned at once.
const KEPT_PERCENT: u64 = 90;

/// A file of a cache folder.
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// Records that an entry was used. A cache that cannot be written keeps the time of its making.
pub(super) fn record_use(entry: &File) {
    let now = SystemTime::now();
    let is_old = |entry: Metadata| entry.modified().is_ok_and(|used| used + USE_RESOLUTION < now);
    if entry.metadata().is_ok_and(is_old) {
        let _ = entry.set_modified(now);
    }
}

/// Removes files until the folder has less than its limit, and answers how many bytes were removed. Other processes
/// may remove files at the same time, and read those that are removed.
pub(super) fn prune(folder: &Path, limit_bytes: u64) -> io::Result<u64> {
    let mut entries = entries(folder)?;
    let mut held: u64 = entries.iter().map(|entry| entry.bytes).sum();
    if held <= limit_bytes {
        return Ok(0);
    }
    let (before, kept) = (held, limit_bytes / 100 * KEPT_PERCENT);
    entries.sort_by_key(|entry| entry.used);
    for entry in entries {
        if held <= kept {
            break;
        }
        match fs::remove_file(&entry.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => held -= entry.bytes,
        }
    }
    Ok(before - held)
}

/// The files in the folders of all kinds, also those that a process has begun and never finished.
fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let kinds = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        kinds => kinds?,
    };
    let folders = kinds.flatten().filter(|kind| kind.file_type().is_ok_and(|it| it.is_dir()));
    let files = folders.filter_map(|kind| fs::read_dir(kind.path()).ok()).flat_map(Iterator::flatten);
    Ok(files
        .filter_map(|file| {
            let facts = file.metadata().ok().filter(Metadata::is_file)?;
            Some(Entry { path: file.path(), bytes: facts.len(), used: facts.modified().ok()? })
        })
        .collect())
}
