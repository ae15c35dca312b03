//! Running a program that was written a moment ago.
//!
//! While another thread starts a process, that one may hold the program's file open for writing, and the kernel
//! refuses to run the file (`ETXTBSY`, execve(2)).

use std::io;
use std::process;
use std::time::Duration;

use tokio::process as asynchronous;

const RETRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// Starts a process.
pub(crate) async fn spawn(command: &mut asynchronous::Command) -> io::Result<asynchronous::Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if is_passing(&error, &mut tries) => tokio::time::sleep(PAUSE).await,
            spawned => return spawned,
        }
    }
}

/// Starts a process, and may hold its thread.
pub(crate) fn spawn_blocking(command: &mut process::Command) -> io::Result<process::Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if is_passing(&error, &mut tries) => std::thread::sleep(PAUSE),
            spawned => return spawned,
        }
    }
}

/// Whether another try may succeed.
fn is_passing(error: &io::Error, tries: &mut usize) -> bool {
    *tries += 1;
    error.kind() == io::ErrorKind::ExecutableFileBusy && *tries <= RETRIES
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    /// Writes a program, and keeps it open for writing for some milliseconds.
    fn write(folder: &Path) -> std::path::PathBuf {
        let program = folder.join("program");
        fs::copy("/bin/true", &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let open = File::options().append(true).open(&program).unwrap();
        std::thread::spawn(move || {
            std::thread::sleep(5 * PAUSE);
            drop(open);
        });
        program
    }

    #[tokio::test]
    async fn a_program_that_is_still_open_is_run_as_soon_as_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = spawn(&mut asynchronous::Command::new(write(folder.path()))).await.unwrap();
        assert!(child.wait().await.unwrap().success());
        let mut child = spawn_blocking(&mut process::Command::new(write(folder.path()))).unwrap();
        assert!(child.wait().unwrap().success());
        let missing = spawn_blocking(&mut process::Command::new(folder.path().join("missing")));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
