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
    let Some(lab) = Lab::open_with(spec, BTreeMap::from([(host, origin.address())])) else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.oci, &library).await;
    println!("{spec}\n{report}");
    report.assert();
}

/// The runtimes at the same time: the suite mostly waits. The first run has built all servers.
#[test]
fn every_function_behaves_in_a_container_of_each_runtime() {
    behaves("oci:runtime=runc");
    thread::scope(|scope| {
        for spec in ["oci:runtime=libcontainer", "oci:runtime=crun", "oci:runtime=runsc"] {
            scope.spawn(move || behaves(spec));
        }
    });
}
