//! The suite of all executors, over every function there is.

use std::collections::BTreeMap;
use std::thread;

use isolab_core::conformance;
use isolab_core::function::Host;
use isolab_outbound::origin::Origin;

use crate::support::Lab;

#[tokio::main(flavor = "current_thread")]
async fn behaves(spec: &str) {
    let origin = Origin::start().unwrap();
    let host = Host { name: "origin".into(), port: 80 };
    let lab = Lab::open_with(spec, BTreeMap::from([(host, origin.address())])).unwrap();
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.process, &library).await;
    println!("{spec}\n{report}");
    report.assert();
}

/// The lines at the same time: the suite mostly waits. The first run has built all servers.
#[test]
fn every_function_behaves_in_a_process_behind_each_line() {
    behaves("process");
    thread::scope(|scope| {
        for spec in [
            "process:confine=landlock",
            "process:confine=seccomp",
            "process:confine=bubblewrap",
            "process:confine=cgroup",
            "process:spawn=fork",
            "process:spawn=fork,confine=landlock",
            "process:spawn=fork,confine=cgroup",
            "process:sandbox=wasm2c",
        ] {
            scope.spawn(move || behaves(spec));
        }
    });
}
