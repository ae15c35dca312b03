//! The suite of all executors, over every function there is.

use std::collections::BTreeMap;

use crate::support::{Lab, function};
use isolab_core::function::Host;
use isolab_core::{Library, conformance};
use isolab_outbound::origin::Origin;

/// A lab with the host that some functions are granted.
async fn lab_with(origin: &Origin) -> Option<Lab> {
    let host = Host { name: "origin".into(), port: 80 };
    Lab::open_with("docker", BTreeMap::from([(host, origin.address())])).await
}

#[tokio::test]
async fn every_function_behaves_in_a_container() {
    let origin = Origin::start().unwrap();
    let Some(lab) = lab_with(&origin).await else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
}

/// The functions that a granted host answers for, by themselves.
#[tokio::test]
async fn a_function_asks_a_granted_host_from_a_container() {
    let origin = Origin::start().unwrap();
    let Some(lab) = lab_with(&origin).await else { return };
    let mut library = Library::open(&[]).unwrap();
    for name in ["proxy", "fanout"] {
        library.insert(function(name));
    }
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
}

/// Both languages, and a server of each kind.
#[tokio::test]
async fn a_function_reads_a_granted_folder_in_a_container() {
    let Some(lab) = Lab::open("docker").await else { return };
    let mut library = Library::open(&[]).unwrap();
    library.insert(function("files"));
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
    assert!(!report.to_string().contains("skipped"), "{report}");
}

/// The attack on the host, by itself and so within seconds.
#[tokio::test]
async fn a_guest_that_attacks_its_host_finds_nothing_to_write() {
    let Some(lab) = Lab::open("docker").await else { return };
    let mut library = Library::open(&[]).unwrap();
    library.insert(function("hostile/relink"));
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
}

/// The server initialises its function before it connects to the host. Without end, the start
/// takes until its time-out.
#[tokio::test]
async fn a_function_is_initialised_before_its_server_connects() {
    let Some(lab) = Lab::open("docker").await else { return };
    let mut library = Library::open(&[]).unwrap();
    for folder in ["claims/regex", "hostile/stall"] {
        library.insert(function(folder));
    }
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
}
