//! How processes are confined, how they die, and that nothing of them stays.

use std::path::Path;
use std::time::{Duration, Instant};

use isolab_core::{Cause, Executor as _, Instance};
use isolab_foreign::DENO;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Lab, function, get, stop};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

fn id(instance: &dyn Instance) -> u32 {
    instance.outside().helpers[0]
}

fn status(process: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_running(process: u32) -> bool {
    status(process, "State").is_some_and(|state| !state.starts_with('Z'))
}

fn until_gone(process: u32) {
    let begun = Instant::now();
    while is_running(process) {
        assert!(begun.elapsed() < PATIENCE, "process {process} goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_process_is_nobody_and_gains_no_privileges() {
    for lab in Lab::each() {
        let instance = lab.start(&function("hello")).await.unwrap();
        let id = id(&*instance);
        assert_eq!(status(id, "NoNewPrivs").as_deref(), Some("1"));
        if nix::unistd::geteuid().is_root() {
            assert_eq!(status(id, "Uid").as_deref(), Some("65534 65534 65534 65534"));
            assert_eq!(status(id, "Groups").as_deref(), Some(""));
            assert_eq!(status(id, "CapEff").as_deref(), Some("0000000000000000"));
        }
        stop(instance).await;
        assert!(!is_running(id));
    }
}

#[tokio::test]
async fn a_process_that_is_killed_is_told_as_a_crash_and_a_new_one_answers() {
    for lab in Lab::each() {
        let function = function("hello");
        let instance = lab.start(&function).await.unwrap();
        kill(Pid::from_raw(id(&*instance).cast_signed()), Signal::SIGTRAP).unwrap();
        until_gone(id(&*instance));
        let cause = get(&*instance, "/").await.unwrap_err();
        assert!(matches!(cause, Cause::Crashed(_)), "{}: {cause}", lab.name());
        stop(instance).await;
        let next = lab.start(&function).await.unwrap();
        get(&*next, "/").await.unwrap();
        stop(next).await;
    }
}

#[tokio::test]
async fn the_error_of_a_process_that_dies_has_its_last_words() {
    let Some(lab) = Lab::open(&DENO, std::collections::BTreeMap::new()) else { return };
    let code = "export default { fetch() { console.error(\"farewell\"); Deno.exit(3); } };";
    let instance = lab.start(&lab.handler("dies", "", code)).await.unwrap();
    assert_eq!(get(&*instance, "/").await.unwrap_err(), Cause::Crashed("exit code 3: farewell".into()));
    stop(instance).await;
}

/// The thread that has started it is the host's part that it depends on.
#[test]
fn a_process_ends_with_its_host() {
    for lab in Lab::each() {
        let id = std::thread::scope(|scope| {
            let hosting = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let instance = lab.start(&function("hello")).await.unwrap();
                    let id = id(&*instance);
                    assert!(is_running(id));
                    // A host that is killed drops nothing.
                    std::mem::forget(instance);
                    id
                })
            });
            hosting.join().unwrap()
        });
        until_gone(id);
    }
}

/// Every file of the function, the program and the sockets is in one folder, which goes with the executor.
#[tokio::test]
async fn nothing_stays_of_an_executor() {
    for lab in Lab::each() {
        let instance = lab.start(&function("hello")).await.unwrap();
        let function = std::fs::read_link(format!("/proc/{}/cwd", id(&*instance))).unwrap();
        let session = function.parent().unwrap().to_owned();
        assert!(files(&session).len() > 1);
        stop(instance).await;
        lab.foreign.close().await.unwrap();
        assert!(!session.exists());
    }
}

fn files(folder: &Path) -> Vec<std::ffi::OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}
