//! `isolab doctor`: show what this machine can run, and what to do about the rest.

use std::collections::BTreeMap;

use anyhow::Result;
use isolab_core::{Environment, Executor, Spec, Variant};
use isolab_reports::run::Placement;

use crate::compare::callgrind;
use crate::executors::{self, Registration};
use crate::exit::{DONE, FAILED};
use crate::host::affinity::Pinning;
use crate::host::machine::{Build, Machine, Virtualisation};
use crate::host::probes::counters;
use crate::host::virtual_machine;
use crate::library;

/// Opens every executor. The exit code says whether all of them can run.
pub fn run() -> Result<u8> {
    super::log_to_stderr();
    let machine = Machine::look();
    print_machine(&machine);
    print_counters();
    print_build(&Build::look());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all_run = runtime.block_on(print_executors())?;
    println!("\nadvice");
    let advice = advice(&machine);
    if advice.is_empty() {
        println!("  - none: this machine is ready");
    }
    for line in advice {
        println!("  - {line}");
    }
    Ok(if all_run { DONE } else { FAILED })
}

fn print_machine(machine: &Machine) {
    println!("machine");
    let virtual_note = if machine.is_virtual { ", virtual" } else { "" };
    let usable = machine.usable_cpus.len();
    print_fact(
        "processor",
        &format!("{} ({usable} of {} usable{virtual_note})", machine.cpu, machine.cpus_count),
    );
    print_fact("memory", &format!("{} MiB", machine.memory_bytes >> 20));
    print_fact("system", &format!("{}, Linux {}", machine.os, machine.kernel));
    print_fact("cgroups", &format!("version {}", machine.cgroup_version));
    print_fact("governor", machine.governor.as_deref().unwrap_or("not shown by the kernel"));
    let virtualisation = match machine.virtualisation {
        Virtualisation::None => "emulated only: there is no /dev/kvm",
        Virtualisation::Paravirtual => {
            "paravirtual: there is a /dev/kvm, and the processor shows no instructions for it"
        }
        Virtualisation::Hardware => "by the processor",
    };
    print_fact("guests", virtualisation);
    if machine.virtualisation != Virtualisation::None {
        print_fact("", &timed_guest());
    }
    let [one, five, fifteen] = machine.load_average;
    print_fact("load", &format!("{one:.2} {five:.2} {fifteen:.2}"));
}

/// How a small guest ran.
fn timed_guest() -> String {
    match virtual_machine::time() {
        Ok(timing) => {
            let executed_by =
                if timing.is_emulated() { "the kernel emulates them" } else { "the processor runs them" };
            format!(
                "a small guest was ready after {:.1?}; {:.1?} for each of its instructions: {executed_by}",
                timing.start, timing.instruction
            )
        }
        Err(error) => format!("a small guest cannot run: {error:#}"),
    }
}

/// Prints what `compare` can count.
fn print_counters() {
    match counters::available() {
        Ok(names) => print_fact("counters", &names.join(", ").replace('_', " ")),
        Err(refused) => print_fact("counters", &format!("none: {refused}")),
    }
    let valgrind = callgrind::version();
    print_fact("callgrind", valgrind.as_deref().unwrap_or("not installed: run `apt-get install valgrind`"));
}

fn print_build(build: &Build) {
    print_fact("isolab", &format!("{} ({})", build.version, build.summary()));
    print_fact("commit", build.commit.as_deref().unwrap_or("not in a checkout"));
}

fn print_fact(name: &str, value: &str) {
    println!("  {name:10} {value}");
}

/// Prints each executor. Returns whether all of them can run.
async fn print_executors() -> Result<bool> {
    println!("\nexecutors");
    let environment = Environment {
        cache: super::cache(None),
        run_id: super::run_id(),
        max_instances: 1,
        guest_cpu: None,
        hosts: BTreeMap::new(),
    };
    let mut all_run = true;
    for known in executors::ALL {
        let Some(build) = known.build else {
            let feature = known.feature.unwrap_or_default();
            print_fact(known.name, &format!("not in this binary: build it with `--features {feature}`"));
            continue;
        };
        let spec = Spec::parse(known.name)?.resolve(build.settings)?;
        match executors::open(spec, &environment).await {
            Ok(executor) => {
                print_executor(known, &*executor)?;
                executor.close().await?;
            }
            Err(error) => {
                all_run = false;
                print_fact(known.name, &format!("cannot run: {error}"));
            }
        }
    }
    Ok(all_run)
}

fn print_executor(known: &Registration, executor: &dyn Executor) -> Result<()> {
    let versions: Vec<_> =
        executor.versions().into_iter().map(|(name, version)| format!("{name} {version}")).collect();
    print_fact(executor.spec().name(), &format!("{}: {}", known.model, versions.join(", ")));
    print_fact("", &format!("{:#}", executor.spec()));
    print_fact("", known.deadline);
    // One line for all functions that it refuses for the same reason.
    let mut refused: BTreeMap<(Variant, String), Vec<String>> = BTreeMap::new();
    for function in library::open(&[])?.iter() {
        for variant in function.variants() {
            if let Err(reason) = executor.supports(function, variant) {
                refused.entry((variant, reason)).or_default().push(format!("`{}`", function.name()));
            }
        }
    }
    for ((variant, reason), functions) in refused {
        print_fact("", &format!("cannot run {} as {variant}: {reason}", functions.join(", ")));
    }
    Ok(())
}

fn advice(machine: &Machine) -> Vec<String> {
    let mut advice = Vec::new();
    if Pinning::choose(Placement::Together).is_none() {
        advice.push(
            "use at least two processors: server and load generator share one here, and slow each other down"
                .into(),
        );
    }
    if machine.governor.as_deref().is_some_and(|governor| governor != "performance") {
        advice.push("set the frequency governor to `performance` while measuring: `cpupower frequency-set -g performance`".into());
    }
    if machine.load_average[0] > 0.5 {
        advice.push("wait until nothing else runs: the load average is above 0.5".into());
    }
    if machine.is_virtual {
        advice.push("expect the speed to drift: other virtual machines may share this processor".into());
    }
    if env!("ISOLAB_OPT_LEVEL") != "3" || cfg!(debug_assertions) {
        advice.push("build with `cargo build` in this workspace: this binary is not fully optimised".into());
    }
    advice
}
