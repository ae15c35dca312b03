//! The suite of all executors, over every function there is.

use std::collections::BTreeMap;

use isolab_core::conformance;
use isolab_core::function::Host;
use isolab_outbound::origin::Origin;

use crate::support::Lab;

#[tokio::test]
async fn every_function_behaves_in_a_container_without_an_engine() {
    let origin = Origin::start().unwrap();
    let host = Host { name: "origin".into(), port: 80 };
    let Some(lab) = Lab::open_with("oci", BTreeMap::from([(host, origin.address())])) else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.oci, &library).await;
    println!("{report}");
    report.assert();
}
