//! One container: its processes, and what is left of it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use isolab_guest::child::{self, Surroundings};
use isolab_guest::group;

use crate::runtime::Runtime;

/// How long the runtime may take to remove a container.
const DELETE_TIMEOUT: Duration = Duration::from_secs(10);

/// A container of a runtime, which is the parent of its first process.
pub(crate) struct Container {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) id: String,
    /// The folder with its configuration.
    pub(crate) bundle: PathBuf,
    /// The folder in which the runtime keeps its state.
    pub(crate) state: PathBuf,
    /// Its control group, in every hierarchy.
    pub(crate) groups: Vec<PathBuf>,
}

impl Container {
    /// Whether a process is in the container.
    pub(crate) fn holds(groups: &[PathBuf], process: u32) -> bool {
        groups.iter().any(|folder| group::processes(folder).contains(&process))
    }
}

#[async_trait(?Send)]
impl Surroundings for Container {
    fn includes(&self, _child: u32, process: u32) -> bool {
        Self::holds(&self.groups, process)
    }

    fn status(&self, status: ExitStatus) -> ExitStatus {
        child::status_of_waited(status)
    }

    fn kill(&self) {
        self.groups.iter().for_each(|folder| group::kill_all(folder));
    }

    /// The runtime sees the container's end, and removes it.
    fn has_keeper(&self) -> bool {
        true
    }

    async fn remove(&self) -> io::Result<()> {
        if self.state.exists() {
            let mut command = tokio::process::Command::from(self.runtime.delete(&self.id));
            let output = tokio::time::timeout(DELETE_TIMEOUT, command.kill_on_drop(true).output()).await??;
            if self.state.exists() {
                let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(io::Error::other(format!("the runtime has left the container behind: {words}")));
            }
        }
        for folder in self.groups.iter().filter(|folder| folder.exists()) {
            fs::remove_dir(folder)?;
        }
        fs::remove_dir_all(&self.bundle)
    }
}
