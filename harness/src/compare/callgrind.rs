//! Instructions of one answer without hardware counters: each server runs under valgrind's
//! callgrind, which counts every instruction that it executes in user space.
//!
//! A server is counted twice, with few and with many requests. The difference leaves out its
//! start and its end. The count is nearly the same each time, whatever else the host does.
//!
//! Callgrind does not see the kernel, which does much of the work of a short request, and no
//! process but the server's. It translates every instruction, so all of them cost the same: caches
//! and branch prediction do not count. Code that an engine makes at run time is counted like any
//! other, if valgrind can run it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Serialize;

use super::request::ComparisonRequest;
use super::session;
use super::side::{SidePlace, SideSetup};
use super::survey::survey;
use crate::exit::BadInput;
use crate::http1::Wire;
use crate::interrupt;
use crate::measure::identity;
use crate::session::caches::Caches;

/// Requests of the two counts of a side.
const REQUESTS: [u64; 2] = [200, 1_200];
/// Instances that an executor may reserve memory for: valgrind has less room than a process.
const INSTANCES: u64 = 4;

/// The counts of both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Counted {
    /// Instructions of one answer, of the first side and of the second.
    pub sides: [CountedSide; 2],
    /// The second side's count over the first's.
    pub ratio: f64,
}

/// The count of one side.
#[derive(Clone, Debug, Serialize)]
pub struct CountedSide {
    /// Its name.
    pub label: String,
    /// Instructions of one answer in user space.
    pub instructions_per_response: f64,
}

impl Counted {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let [first, second] = &self.sides;
        let percent = 100.0 * (self.ratio - 1.0);
        let comparative = if percent < 0.0 { "fewer" } else { "more" };
        let side = |side: &CountedSide| format!("{} {:.0}", side.label, side.instructions_per_response);
        vec![
            format!(
                "{} executes {:.2} % {comparative} instructions for each answer",
                second.label,
                percent.abs()
            ),
            format!("instructions: {}, {}", side(first), side(second)),
            "callgrind counts user space only: it does not see the kernel, caches or branch prediction"
                .into(),
        ]
    }
}

/// Counts both sides, one after the other.
///
/// # Errors
/// If valgrind is missing or cannot run a side, or if a side's instances are outside of its server.
pub fn compare(request: &ComparisonRequest, id: &str) -> Result<Counted> {
    version()?;
    interrupt::listen()?;
    let caches = Caches::make(None)?;
    let [first, second] = [0, 1].map(|index| -> Result<CountedSide> {
        let side = &request.sides[index];
        let log = caches.path().join(format!("{index}.log"));
        let place = session::place(side, &caches, None, id, log, index)?;
        if survey(side, &place, request.reuse)?.is_outside {
            return Err(BadInput::because(format!(
                "callgrind counts the server's process, and the instances of {} are outside of it: leave out \
                 --callgrind, or compare another executor",
                side.label
            )));
        }
        // Valgrind shows another processor than the machine has: an engine compiles for it once.
        count(side, &place, request, 1)?;
        let [few, many] = REQUESTS.map(|requests| count(side, &place, request, requests));
        let (few, many) = (few?, many?);
        let instructions = many.saturating_sub(few) as f64 / (REQUESTS[1] - REQUESTS[0]) as f64;
        anyhow::ensure!(
            instructions > 0.0,
            "{}: more requests did not execute more instructions",
            side.label
        );
        Ok(CountedSide { label: side.label.clone(), instructions_per_response: instructions })
    });
    let sides = [first?, second?];
    let ratio = sides[1].instructions_per_response / sides[0].instructions_per_response;
    Ok(Counted { sides, ratio })
}

/// The version of valgrind on this machine.
///
/// # Errors
/// If it is not installed.
pub fn version() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").stdin(Stdio::null()).output();
    let found = output.ok().filter(|output| output.status.success());
    let found = found.with_context(|| {
        BadInput("callgrind needs valgrind, which is not installed: run `apt-get install valgrind`".into())
    })?;
    Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned())
}

/// All instructions of a server that answers this often.
fn count(side: &SideSetup, place: &SidePlace, request: &ComparisonRequest, requests: u64) -> Result<u64> {
    interrupt::check()?;
    let out = place.cache.with_extension(format!("callgrind-{requests}"));
    let wrapped = SideSetup { binary: wrapper(side, &out)?, ..side.clone() };
    let child = wrapped.spawn(place, request.reuse, false);
    let child = child.with_context(|| format!("{} does not start under valgrind", side.label))?;
    let mut client = child.connect()?;
    let wire = Wire::of_case(side.case(), side.function.name(), &client.host())?;
    for _ in 0..requests {
        interrupt::check()?;
        let answer = client.send(&wire).with_context(|| format!("{} under valgrind", side.label))?;
        identity::compare(side.case(), &answer.response)?;
    }
    drop(client);
    child.stop().with_context(|| format!("{} under valgrind", side.label))?;
    let text = fs::read_to_string(&out).with_context(|| format!("callgrind wrote no {}", out.display()))?;
    total(&text).with_context(|| format!("{} has no total", out.display()))
}

/// A program that runs a build under callgrind.
fn wrapper(side: &SideSetup, out: &Path) -> Result<PathBuf> {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let script = format!(
        "#!/bin/sh\nexec valgrind --quiet --tool=callgrind --callgrind-out-file={} {} \"$@\" --instances {INSTANCES}\n",
        quoted(out),
        quoted(&side.binary)
    );
    let path = out.with_extension("sh");
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// The number of instructions in a file of callgrind: its last `totals` or `summary`.
fn total(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| {
        let value = line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: "))?;
        value.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_a_file_of_callgrind() {
        let text =
            "# callgrind format\nversion: 1\nevents: Ir\nsummary: 12345\n\nfn=(1) main\n1 7\ntotals: 12346\n";
        assert_eq!(total(text), Some(12_346));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn a_count_is_told_with_what_it_does_not_see() {
        let side = |label: &str, instructions_per_response| CountedSide {
            label: label.into(),
            instructions_per_response,
        };
        let counted = Counted { sides: [side("OLD", 1000.0), side("NEW", 1030.0)], ratio: 1.03 };
        let lines = counted.lines();
        assert_eq!(lines[0], "NEW executes 3.00 % more instructions for each answer");
        assert!(lines[1].contains("OLD 1000, NEW 1030") && lines[2].contains("kernel"));
    }
}
