//! A program of the host, with the libraries that it loads.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file of a program on PATH. `install` names its package in Debian.
///
/// # Errors
/// The reason with advice, if PATH has no such program.
pub fn find(name: &str, install: &str) -> Result<PathBuf, String> {
    on_path(name).into_iter().next().ok_or_else(|| {
        format!("there is no `{name}` on PATH: install it (Debian: apt-get install {install})")
    })
}

/// All files of this name on PATH.
pub fn on_path(name: &str) -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    files.filter(|path| path.is_file()).collect()
}

/// A program with all that it loads. Every file has its own path wherever the program is put.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// All files, itself among them.
    pub files: BTreeSet<PathBuf>,
    /// Stands for the files: see [`Program::of`].
    pub identity: Vec<String>,
}

impl Program {
    /// The program at `path`. It is known by `version` and by the sizes and times of the
    /// files, and not by their bytes: hashing 100 MB would be most of a cached `prepare`.
    pub fn of(path: &Path, version: &str) -> io::Result<Self> {
        let mut files = libraries(path)?;
        files.insert(path.to_owned());
        // The loader finds libraries outside of its standard folders by this file.
        files.extend(Some(PathBuf::from("/etc/ld.so.cache")).filter(|cache| cache.is_file()));
        let mut identity = vec![version.to_owned()];
        for file in &files {
            let facts = fs::metadata(file)?;
            let (len, seconds, nanoseconds) = (facts.len(), facts.mtime(), facts.mtime_nsec());
            identity.push(format!("{} {len} {seconds}.{nanoseconds}", file.display()));
        }
        Ok(Self { path: path.to_owned(), files, identity })
    }

    /// Adds files whose paths are in the files above, so that those stand for them.
    pub fn add(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        self.files.extend(files);
    }
}

/// The shared libraries of a program and its loader, as `ldd` finds them.
fn libraries(program: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(missing) = text.lines().find(|line| line.contains("not found")) {
        return Err(io::Error::other(format!("a library is missing: {}", missing.trim())));
    }
    // For a static program there is nothing on stdout.
    Ok(parse_libraries(&text))
}

/// Lines are `name => /path (address)` or `/path/of/the/loader (address)`.
fn parse_libraries(text: &str) -> BTreeSet<PathBuf> {
    let path = |line: &str| {
        let line = line.rsplit_once("=> ").map_or(line, |(_, path)| path);
        let path = line.trim().split(" (0x").next().filter(|path| path.starts_with('/'));
        path.map(PathBuf::from)
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_ldd_is_read() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_libraries(text), BTreeSet::from(expected));
        assert!(parse_libraries("\tstatically linked\n").is_empty());
    }
}
