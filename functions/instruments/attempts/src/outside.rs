//! The attempts of native code.

use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Mutex, PoisonError};

use isolab_sdk::Request;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pause};

/// The processes that it has started.
static STARTED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A line for each attempt.
pub(crate) fn attempts(request: &Request<'_>) -> String {
    let asked = |name| request.query_value(name);
    let mark = asked("mark").unwrap_or_default();
    let mut lines = String::new();
    let mut add = |name: &str, outcome: io::Result<String>| {
        let (word, text) = match outcome {
            Ok(text) => ("yes", text),
            Err(error) => ("no", error.to_string()),
        };
        writeln!(lines, "{name} {word} {text}").expect("writing to a string cannot fail");
    };
    if let Some(path) = asked("read") {
        add("read_file", fs::read_to_string(&*path));
    }
    if let Some(path) = asked("write") {
        add("write_file", fs::write(&*path, &*mark).map(|()| String::new()));
    }
    if let Some(port) = number(asked("port")) {
        add("connect", connect(port, &mark));
    }
    if let Some(process) = number(asked("neighbour")) {
        add("see_process", command_line(process));
        let killed = kill(Pid::from_raw(process), Signal::SIGKILL);
        add("signal", killed.map(|()| String::new()).map_err(Into::into));
    }
    if let Some(wanted) = number(asked("processes")) {
        add("start_processes", start(wanted, &mark));
    }
    lines
}

fn number<T: std::str::FromStr>(text: Option<impl AsRef<str>>) -> Option<T> {
    text?.as_ref().parse().ok()
}

fn connect(port: u16, mark: &str) -> io::Result<String> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))?.write_all(mark.as_bytes())?;
    Ok(String::new())
}

fn command_line(process: i32) -> io::Result<String> {
    Ok(fs::read_to_string(format!("/proc/{process}/cmdline"))?.replace('\0', " "))
}

/// Starts processes that are named by the mark. A process has its name from the thread that forks it.
fn start(wanted: usize, mark: &str) -> io::Result<String> {
    let name = CString::new(mark)?;
    let own = prctl::get_name();
    named(&name);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = (0..wanted).try_for_each(|_| {
        started.push(fork_idle()?);
        Ok::<_, nix::Error>(())
    });
    if let Ok(own) = own {
        named(&own);
    }
    match outcome {
        Ok(()) => Ok(String::new()),
        Err(error) => Err(io::Error::other(format!("{error} after {}", started.len()))),
    }
}

/// Names this thread. Without a name, the host does not find the processes, and does not count them.
fn named(name: &CStr) {
    let _ = prctl::set_name(name);
}

fn fork_idle() -> nix::Result<Pid> {
    // SAFETY: the child only makes system calls: it takes no lock and no memory.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            // It would outlive a server that is killed. If the kernel refuses, the kill of the sandbox is left.
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            loop {
                pause();
            }
        }
    }
}

/// Ends the processes that it has started.
pub(crate) fn end() {
    for process in STARTED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        if kill(process, Signal::SIGKILL).is_ok() {
            let _ = waitpid(process, None);
        }
    }
}
