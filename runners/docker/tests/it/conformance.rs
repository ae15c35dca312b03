//! The suite of all executors, over every function there is.

use crate::support::Lab;
use isolab_core::conformance;

#[tokio::test]
async fn every_function_behaves_in_a_container() {
    let Some(lab) = Lab::open("docker").await else { return };
    let library = conformance::library().unwrap();
    let report = conformance::run(&lab.docker, &library).await;
    println!("{report}");
    report.assert();
}
