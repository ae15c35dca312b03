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
