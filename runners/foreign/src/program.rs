//! The program of a foreign runtime on this host.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolab_core::Cause;
use isolab_guest::program;

/// A program, and what it says of its version.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Its parts with their versions.
    pub(crate) versions: Vec<(String, String)>,
}

impl Program {
    /// Looks for a program on PATH, and where set-up installs it. `folder` is one that every user may enter.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] with advice, if there is none that runs.
    pub(crate) fn find(name: &str, folder: &Path) -> Result<Self, Cause> {
        let installed = tools().join(name);
        let found =
            program::on_path(name).into_iter().chain([installed.clone()]).find(|path| is_binary(path));
        let path = found.ok_or_else(|| {
            Cause::Unavailable(format!(
                "the program `{name}` is neither on PATH nor at {}: install it with scripts/setup-foreign",
                installed.display()
            ))
        })?;
        let failed =
            |error: io::Error| Cause::Unavailable(format!("{} cannot be run: {error}", path.display()));
        let versions = versions(&path).map_err(failed)?;
        let path = show(&path, &folder.join(name)).map_err(failed)?;
        Ok(Self { path, versions })
    }
}

/// The folder in which `scripts/setup-foreign` puts programs.
fn tools() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    cache.unwrap_or_default().join("isolab/tools/bin")
}

/// Whether a file is a program itself. npm puts a script in its place that runs it as a child.
fn is_binary(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// Shows a program to the user of the processes, who may not enter every folder: at another path, if that user is
/// not this one.
fn show(program: &Path, at: &Path) -> io::Result<PathBuf> {
    let program = program.canonicalize()?;
    if !nix::unistd::geteuid().is_root() {
        return Ok(program);
    }
    // A copy takes as long as some starts.
    fs::hard_link(&program, at).or_else(|_| fs::copy(&program, at).map(drop))?;
    Ok(at.to_owned())
}

fn versions(program: &Path) -> io::Result<Vec<(String, String)>> {
    let output = Command::new(program).arg("--version").env_clear().stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(parse_versions(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines are `name version`, and more may follow.
fn parse_versions(text: &str) -> Vec<(String, String)> {
    let parse = |line: &str| {
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let parsed =
            parse_versions("deno 2.0.0 (stable, release, x86_64-unknown-linux-gnu)\nv8 12.9.202.13-rusty\n");
        let expected = [("deno", "2.0.0"), ("v8", "12.9.202.13-rusty")];
        assert_eq!(parsed, expected.map(|(name, version)| (name.to_owned(), version.to_owned())));
    }

    #[test]
    fn a_missing_program_is_told_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Program::find("isolab-missing", folder.path()).unwrap_err();
        let Cause::Unavailable(reason) = missing else { panic!("{missing}") };
        assert!(reason.contains("`isolab-missing`") && reason.contains("scripts/setup-foreign"), "{reason}");
    }

    #[test]
    fn a_script_is_not_taken_for_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("deno");
        fs::write(&script, "#!/usr/bin/env node\n").unwrap();
        assert!(!is_binary(&script));
        assert!(is_binary(&std::env::current_exe().unwrap()));
    }
}
