//! Answers the files of a folder that the function is granted, `/data`.
//!
//! `?file=hello.txt` names one, and the answer is its bytes. Without a name, the answer is a list of all
//! files, a line with name and size each. Only files of the folder itself are there: names of folders, of
//! symbolic links and of files elsewhere have status 404.

use std::fs;
use std::io;
use std::path::Path;

use isolab_sdk::{Request, Response};

const FOLDER: &str = "/data";

const BYTES: &str = "application/octet-stream";

/// Answers from the granted folder.
pub fn handle(request: &Request<'_>) -> Response {
    answer(Path::new(FOLDER), request)
}

isolab_sdk::export!(handle);

/// Answers from a folder.
pub fn answer(folder: &Path, request: &Request<'_>) -> Response {
    let answered = match request.query_value("file") {
        Some(name) => read(folder, &name).map(|file| match file {
            Some(body) => Response::new(200, BYTES, body),
            None => Response::text(404, "there is no such file"),
        }),
        None => list(folder).map(|list| Response::text(200, list)),
    };
    answered.unwrap_or_else(|error| Response::text(500, error.to_string()))
}

/// The bytes of a file; `None` if the folder has no such file.
fn read(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Ok(None);
    }
    let path = folder.join(name);
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => fs::read(path).map(Some),
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename)
}

fn list(folder: &Path) -> io::Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name();
            let bytes = fs::symlink_metadata(folder.join(&name))?.len();
            lines.push(format!("{} {bytes}\n", name.to_string_lossy()));
        }
    }
    lines.sort();
    Ok(lines.concat())
}
