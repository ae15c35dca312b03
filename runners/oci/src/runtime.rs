//! An OCI runtime: a program that makes containers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolab_guest::program;

/// The runtime that is a part of a binary of the lab.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The binary.
    pub program: PathBuf,
    /// The arguments that make it the runtime.
    pub arguments: Vec<OsString>,
}

/// The version of the embedded runtime: the one in `Cargo.lock`.
const VERSION: &str = "0.7.0";

/// The name of the runtime that is embedded.
const EMBEDDED: &str = "libcontainer";

/// A runtime that was found.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
    /// Arguments before the command.
    options: Vec<OsString>,
}

impl Runtime {
    /// Looks for the runtime of that name. It keeps the state of its containers in `state`.
    ///
    /// # Errors
    /// The reason, if it is missing or does not run.
    pub(crate) fn find(name: &str, embedded: Option<Embedded>, state: &Path) -> Result<Self, String> {
        if name == EMBEDDED {
            let Embedded { program, arguments } =
                embedded.ok_or("this binary was built without `libcontainer`")?;
            let options = arguments.into_iter().chain(["--root".into(), state.into()]).collect();
            return Ok(Self { program, version: VERSION.to_owned(), options });
        }
        let program = program::find(name, name)?;
        let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("`{name}` cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!(
                "`{name}` does not work: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let version =
            text.lines().next().unwrap_or_default().rsplit(' ').next().unwrap_or_default().to_owned();
        let mut options = vec!["--root".into(), state.into()];
        options.extend(more_options(name).iter().map(OsString::from));
        Ok(Self { program, version, options })
    }

    /// The command that runs a container, and ends with it.
    pub(crate) fn run(&self, bundle: &Path, id: &str) -> Command {
        let mut command = self.command();
        command.arg("run").arg("--bundle").arg(bundle).arg(id);
        command
    }

    /// The command that removes a container, whatever its state is.
    pub(crate) fn delete(&self, id: &str) -> Command {
        let mut command = self.command();
        command.args(["delete", "--force", id]);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.options).current_dir("/").stdin(Stdio::null());
        command
    }
}

/// gVisor uses the network stack of the container's namespace instead of its own, and may use sockets of the host:
/// the engine's configuration that `scripts/setup-docker` writes says the same.
fn more_options(name: &str) -> &'static [&'static str] {
    match name {
        "crun" => &["--cgroup-manager=cgroupfs"],
        "runsc" => &["--network=host", "--host-uds=all"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_embedded_runtime_is_that_in_the_lock_file() {
        let path = isolab_core::guest::workspace().join("Cargo.lock");
        let lock = std::fs::read_to_string(path).unwrap();
        assert!(lock.contains(&format!("name = \"{EMBEDDED}\"\nversion = \"{VERSION}\"")));
    }
}
