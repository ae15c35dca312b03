//! The suite of all executors, over every function there is.

use std::collections::BTreeMap;
use std::thread;

use isolab_core::conformance;
use isolab_core::function::Host;
use isolab_foreign::{DENO, Runtime, WORKERD};
use isolab_outbound::origin::Origin;

use crate::support::Lab;

#[tokio::main(flavor = "current_thread")]
async fn behaves(runtime: &'static Runtime) {
    let origin = Origin::start().unwrap();
    let host = Host { name: "origin".into(), port: 80 };
    let Some(lab) = Lab::open(runtime, BTreeMap::from([(host, origin.address())])) else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.foreign, &library).await;
    println!("{}\n{report}", lab.name());
    report.assert();
}

/// Both at the same time: the suite mostly waits.
#[test]
fn every_function_behaves_in_each_runtime() {
    thread::scope(|scope| {
        for runtime in [&DENO, &WORKERD] {
            scope.spawn(move || behaves(runtime));
        }
    });
}
