//! The suite of all executors, over every function there is.

use std::collections::BTreeMap;

use isolab_core::conformance;
use isolab_core::function::Host;
use isolab_outbound::origin::Origin;

use crate::support::Lab;

async fn behaves(spec: &str) {
    let origin = Origin::start().unwrap();
    let host = Host { name: "origin".into(), port: 80 };
    let lab = Lab::open_with(spec, BTreeMap::from([(host, origin.address())]));
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.process, &library).await;
    println!("{spec}\n{report}");
    report.assert();
}

/// The lines at the same time: the suite mostly waits for deadlines. The first run has built all servers.
#[tokio::test]
async fn every_function_behaves_in_a_process_behind_each_line() {
    behaves("process").await;
    tokio::join!(
        behaves("process:confine=landlock"),
        behaves("process:confine=seccomp"),
        behaves("process:confine=bubblewrap"),
        behaves("process:confine=cgroup"),
    );
}
