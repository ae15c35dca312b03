//! The proof of the gate `isolab report OLD NEW`: runs of one binary show no difference that stops
//! a change.
//!
//! ```sh
//! cargo bench -p isolab --bench gate -- [PAIRS]
//! ```
//!
//! Each run is compared with the one before it, PAIRS times [default: 10]. The last line says how
//! many pairs passed.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::tempdir;

/// One function on every executor, with repetitions: one of them alone has no interval.
const RUN: [&str; 7] =
    ["bench", "--quick", "--repetitions=3", "--function=hello", "--variant=rust", "--only", "startup,load"];

fn main() {
    // `cargo bench` adds an option of its own.
    let pairs = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10);
    let folder = tempdir().expect("a temporary folder");
    let run = |number: usize| folder.path().join(number.to_string());
    measure(&run(0), 0);
    let mut passed = 0;
    for pair in 1..=pairs {
        measure(&run(pair), pair);
        let has_passed = gate(&run(pair - 1), &run(pair));
        println!("pair {pair}: {}", if has_passed { "passed" } else { "stopped" });
        passed += usize::from(has_passed);
    }
    println!("{passed} of {pairs} pairs of runs passed");
}

fn measure(out: &Path, seed: usize) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    command.args(RUN).arg(format!("--seed={seed}")).arg("--out").arg(out);
    let output = command.stdin(Stdio::null()).output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the gate lets the second run pass. Prints the verdicts of one that it stops.
fn gate(old: &Path, new: &Path) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    let output = command.arg("report").args([old, new]).args(["--print", "markdown"]).output();
    let output = output.expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => true,
        Some(1) => {
            said.lines().filter(|line| line.contains("| worse")).for_each(|line| println!("  {line}"));
            false
        }
        _ => panic!("no comparison: {}", String::from_utf8_lossy(&output.stderr)),
    }
}
