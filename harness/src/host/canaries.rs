//! Things of the host that no guest should reach: a file, a folder, a port and a process. Each tells whether it was.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_reports::row::Attempt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use procfs::process::{Process, all_processes};

/// The user and group `nobody` of most distributions. The process is theirs if the lab runs as root, because that is
/// also the user of guests.
const NOBODY: u32 = 65_534;

/// The time in which a guest's signal reaches the process, and its bytes the port. It passes only if a guest says that
/// it succeeded and did not.
const ARRIVAL: Duration = Duration::from_secs(1);

/// The time of a connection to the port. A guest sends its mark at once.
const SILENCE: Duration = Duration::from_secs(1);

/// One of each. They are removed when dropped.
pub struct Canaries {
    folder: tempfile::TempDir,
    /// The content of the file, which no guest knows.
    secret: String,
    port: Port,
    process: Sleeper,
    /// Tells the guest's doing from that of others.
    mark: String,
}

impl Canaries {
    /// Makes them. Every user of the host may read the file, write into the folder and connect to the port.
    ///
    /// # Errors
    /// If the host refuses one of them.
    pub fn make() -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("isolab-canary-").tempdir().context("cannot make a folder")?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        let (secret, mark) = (random_seconds(), random_seconds());
        let file = readable(folder.path());
        fs::write(&file, &secret).context("cannot write a file")?;
        fs::set_permissions(&file, Permissions::from_mode(0o644))?;
        let port = Port::listen(mark.clone()).context("cannot listen on loopback")?;
        Ok(Self { folder, secret, port, process: Sleeper::start()?, mark })
    }

    /// The query that tells the function `attempts` where they are.
    pub fn query(&self) -> String {
        let path =
            |path: PathBuf| utf8_percent_encode(&path.display().to_string(), NON_ALPHANUMERIC).to_string();
        let folder = self.folder.path();
        let mut query = format!("mark={}", self.mark);
        for (name, value) in [
            ("read", path(readable(folder))),
            ("write", path(writable(folder))),
            ("port", self.port.address.port().to_string()),
            ("neighbour", self.process.child.id().to_string()),
            ("processes", Attempt::PROCESSES.to_string()),
        ] {
            write!(query, "&{name}={value}").expect("writing to a string cannot fail");
        }
        query
    }

    /// Whether an attempt had its effect. `answer` is that of the function, whose word counts for nothing but a secret.
    pub fn is_reached(&mut self, attempt: Attempt, answer: &str) -> bool {
        let answered = line(answer, attempt);
        let is_claimed = answered.is_some();
        let answered = answered.unwrap_or_default();
        match attempt {
            Attempt::ReadFile => answered == self.secret,
            Attempt::WriteFile => {
                fs::read(writable(self.folder.path())).is_ok_and(|text| text == self.mark.as_bytes())
            }
            Attempt::Connect => arrives(is_claimed, || self.port.is_reached.load(Ordering::Acquire)),
            Attempt::SeeProcess => answered.split_whitespace().any(|word| word == self.process.seconds),
            Attempt::Signal => arrives(is_claimed, || self.process.has_ended()),
            Attempt::StartProcesses => processes_of(&self.mark) >= Attempt::PROCESSES,
        }
    }
}

/// The text of an attempt that the guest says has succeeded.
fn line(answer: &str, attempt: Attempt) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix(attempt.name())?.strip_prefix(" yes").map(str::trim))
}

fn readable(folder: &Path) -> PathBuf {
    folder.join("readable")
}

fn writable(folder: &Path) -> PathBuf {
    folder.join("written")
}

/// Ten minutes and a random part of a second, as text: a secret of 30 bits that `sleep` takes for a time, and short
/// enough for the name of a process.
fn random_seconds() -> String {
    format!("600.{:09}", rand::random_range(0..1_000_000_000))
}

/// Whether something is there, at once or, if the guest says that it succeeded, soon.
fn arrives(is_claimed: bool, mut is_there: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_there() {
            return true;
        }
        if !is_claimed || begun.elapsed() > ARRIVAL {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The number of processes of this host that have the mark as their name or among their arguments.
fn processes_of(mark: &str) -> usize {
    let has_mark = |process: &Process| {
        process.stat().is_ok_and(|stat| stat.comm == mark)
            || process.cmdline().is_ok_and(|arguments| arguments.iter().any(|argument| argument == mark))
    };
    all_processes().map_or(0, |processes| processes.flatten().filter(has_mark).count())
}

/// A process that only sleeps, and whose command line has a secret.
struct Sleeper {
    child: std::process::Child,
    seconds: String,
}

impl Sleeper {
    fn start() -> Result<Self> {
        let seconds = random_seconds();
        let mut command = Command::new("sleep");
        command
            .arg(&seconds)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if nix::unistd::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(Self { child: command.spawn().context("cannot start `sleep`")?, seconds })
    }

    /// It ends by itself only after minutes.
    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on loopback that remembers whether somebody sent it the mark.
struct Port {
    address: SocketAddr,
    is_reached: Arc<AtomicBool>,
    is_closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    fn listen(mark: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let [is_reached, is_closed] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (reached, closed) = (Arc::clone(&is_reached), Arc::clone(&is_closed));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::Acquire) {
                    return;
                }
                if stream.is_ok_and(|stream| sends(stream, mark.as_bytes())) {
                    reached.store(true, Ordering::Release);
                }
            }
        });
        Ok(Self { address, is_reached, is_closed, thread: Some(thread) })
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.is_closed.store(true, Ordering::Release);
        // Wakes the thread up.
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// Whether a connection sends the mark, as it is or in a request of HTTP, which is answered.
fn sends(mut stream: TcpStream, mark: &[u8]) -> bool {
    let mut received = Vec::new();
    let mut piece = [0; 1024];
    if stream.set_read_timeout(Some(SILENCE)).is_err() {
        return false;
    }
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        received.extend_from_slice(&piece[..length]);
        if received.windows(mark.len()).any(|part| part == mark) {
            // A guest that does not speak HTTP is gone already.
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;

    fn reached(canaries: &mut Canaries, answer: &str) -> Vec<Attempt> {
        Attempt::ALL.into_iter().filter(|attempt| canaries.is_reached(*attempt, answer)).collect()
    }

    #[test]
    fn a_guest_that_only_says_yes_has_reached_nothing() {
        let mut canaries = Canaries::make().unwrap();
        let lies = Attempt::ALL.map(|attempt| format!("{} yes 1\n", attempt.name()));
        assert_eq!(reached(&mut canaries, &lies.concat()), []);
        assert_eq!(reached(&mut canaries, ""), []);
    }

    #[test]
    fn every_effect_is_seen() {
        let mut canaries = Canaries::make().unwrap();
        let folder = canaries.folder.path().to_owned();
        fs::write(writable(&folder), &canaries.mark).unwrap();
        TcpStream::connect(canaries.port.address).unwrap().write_all(canaries.mark.as_bytes()).unwrap();
        let process = canaries.process.child.id().cast_signed();
        let command_line = Process::new(process).unwrap().cmdline().unwrap().join(" ");
        kill(Pid::from_raw(process), Signal::SIGKILL).unwrap();
        let sleep = || Command::new("sleep").arg(&canaries.mark).spawn().unwrap();
        let started: Vec<_> = (0..Attempt::PROCESSES).map(|_| sleep()).collect();
        let answer = format!(
            "read_file yes {}\nconnect yes \nsee_process yes {command_line}\nsignal yes \n",
            fs::read_to_string(readable(&folder)).unwrap()
        );
        assert_eq!(reached(&mut canaries, &answer), Attempt::ALL);
        for mut child in started {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(!canaries.is_reached(Attempt::StartProcesses, &answer));
    }
}
