//! The suite of all executors, over every function there is.

use crate::support::{Lab, function};
use isolab_core::{Library, conformance};

#[tokio::test]
async fn every_function_behaves_in_a_container() {
    let Some(lab) = Lab::open("docker").await else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
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
