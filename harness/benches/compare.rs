//! The proof of `isolab compare`: on a host that a neighbour slows down by 30 % and more, at random
//! times, 3 % more work are found, and equal sides show no difference.
//!
//! ```sh
//! cargo bench -p isolab --bench compare -- [TRIES] [SECONDS]
//! ```
//!
//! The neighbour is a thread on the server's processor that comes and goes every few seconds, and
//! computes for a part of each 10 milliseconds while it is there. The work is that of the
//! instrument `burn`, which runs a fixed number of rounds of a loop: `slower` runs 3 % more. Each
//! try has a time limit of SECONDS [default: 60]. The last line says how many tries were right.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use rand::Rng;
use serde_json::Value;

/// Rounds of the loop of one request: long enough that the front end's own time is a small part of
/// it, so that 3 % more rounds make an answer nearly 3 % later.
const ROUNDS: u32 = 400_000;
/// The part of each [`STEP`] that the neighbour computes.
const TAKEN: f64 = 0.3;
const STEP: Duration = Duration::from_millis(10);
/// The neighbour comes and goes after a random time from this range, in seconds.
const STAYS: std::ops::Range<f64> = 0.5..4.0;

fn main() {
    // `cargo bench` adds an option of its own.
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let tries = arguments.first().copied().unwrap_or(20);
    let seconds = arguments.get(1).copied().unwrap_or(60);
    let functions = tempfile::tempdir().expect("a temporary folder");
    let equal = function(functions.path(), "equal", ROUNDS);
    let slower = function(functions.path(), "slower", ROUNDS * 103 / 100);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| neighbour(&is_over));
        let different = tally("3 % more work", tries, seconds, &equal, &slower, "difference");
        let same = tally("equal sides", tries, seconds, &equal, &equal, "no_difference");
        is_over.store(true, Ordering::Relaxed);
        println!("3 % more work: {} of {tries} called a difference", different.right);
        println!(
            "equal sides: {} of {tries} called a difference, {} called none",
            same.differences, same.right
        );
    });
}

/// A function with the code of `burn`, whose request asks for this many rounds.
fn function(parent: &Path, name: &str, rounds: u32) -> PathBuf {
    let folder = parent.join(name).join("burn");
    let burn = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/instruments/burn");
    std::fs::create_dir_all(folder.join("cases")).expect("a folder for a function");
    let like = burn.canonicalize().expect("the instrument `burn`");
    let manifest = format!("like = \"{}\"\nload = \"burnt\"\n", like.display());
    std::fs::write(folder.join("function.toml"), manifest).expect("a manifest");
    let case = format!(
        "{{\"request\": {{\"method\": \"GET\", \"query\": \"rounds={rounds}\"}}, \"response\": {{\"status\": 200, \
         \"headers\": {{\"content-type\": \"text/plain; charset=utf-8\"}}, \"body\": \"burnt\"}}}}"
    );
    std::fs::write(folder.join("cases/burnt.json"), case).expect("a case");
    folder
}

/// Computes on the server's processor, at random times.
fn neighbour(is_over: &AtomicBool) {
    let this = Pid::from_raw(0);
    let usable = sched_getaffinity(this).expect("the kernel tells the usable processors");
    let server = (0..CpuSet::count()).find(|cpu| usable.is_set(*cpu).unwrap_or(false));
    let mut set = CpuSet::new();
    set.set(server.expect("there is a processor")).expect("its number fits");
    sched_setaffinity(this, &set).expect("a usable processor");
    let mut is_there = true;
    while !is_over.load(Ordering::Relaxed) {
        let until = Instant::now() + Duration::from_secs_f64(rand::rng().random_range(STAYS));
        while Instant::now() < until && !is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            while is_there && begun.elapsed() < STEP.mul_f64(TAKEN) {
                std::hint::spin_loop();
            }
            std::thread::sleep(STEP.saturating_sub(begun.elapsed()));
        }
        is_there = !is_there;
    }
}

#[derive(Default)]
struct Tally {
    right: u64,
    differences: u64,
}

/// Tries a comparison this often, and prints a line for each try.
fn tally(name: &str, tries: u64, seconds: u64, first: &Path, second: &Path, right: &str) -> Tally {
    let mut tally = Tally::default();
    for seed in 1..=tries {
        let found = compare(seed, seconds, first, second);
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let elapsed = found["elapsed_ms"].as_f64().unwrap_or_default() / 1e3;
        let waited = 100.0 * found["waited_part"].as_f64().unwrap_or_default();
        println!("{name} {seed}: {} ({elapsed:.0} s, waited {waited:.0} %)", text("sentence"));
        assert!(waited > 2.0, "the neighbour is not on the server's processor");
        tally.right += u64::from(text("finding") == right);
        tally.differences += u64::from(text("finding") == "difference");
    }
    tally
}

/// One comparison by the binary, as its JSON.
fn compare(seed: u64, seconds: u64, first: &Path, second: &Path) -> Value {
    let out = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    // The functions are like `burn` of this checkout: `direct` calls no code from elsewhere.
    command.env("ISOLAB_HOME", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.args(["compare", "direct", "--variant", "rust", "--json"]);
    command.args(["--seed", &seed.to_string(), "--budget", &format!("{seconds}s")]);
    for function in [first, second] {
        command.arg("--function").arg(function);
    }
    let output = command.arg("--out").arg(out.path().join("run")).stdin(Stdio::null()).output();
    let output = output.expect("the binary runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("no result ({error}): {}", String::from_utf8_lossy(&output.stderr));
    })
}
