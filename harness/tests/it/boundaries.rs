//! `bench --boundaries`: one run over every boundary that this binary can draw.

use isolab::executors;
use isolab_reports::{RunStatus, Status, folder};

use crate::support::{is_required, one_run_at_a_time, run};

#[test]
fn every_boundary_is_tried_or_has_a_reason() {
    let _run = one_run_at_a_time();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let arguments = ["bench", "--boundaries", "--quick", "--only", "confinement", "--out"];
    let finished = run(arguments.into_iter().chain([dir.to_str().unwrap()]));
    assert_eq!(finished.code, Some(0), "{finished:?}");

    let run = folder::read(&dir).unwrap().run;
    assert_eq!(run.status, RunStatus::Complete);
    let names: Vec<_> = run.executors.iter().map(|executor| executor.name.clone()).collect();
    assert_eq!(names, executors::boundaries().iter().map(ToString::to_string).collect::<Vec<_>>());
    for executor in &run.executors {
        let name = &executor.name;
        if let Some(reason) = &executor.unavailable {
            assert!(!is_required(name), "{name}: {reason}");
            continue;
        }
        let cells: Vec<_> = run.cells.iter().filter(|cell| cell.executor == executor.spec).collect();
        assert!(cells.iter().any(|cell| cell.status == Status::Ok), "{name}: {cells:?}");
        // A variant that it does not run is left out with a reason.
        let is_fine = |status, reason: &Option<String>| {
            status == Status::Ok || (status == Status::Skipped && reason.is_some())
        };
        assert!(cells.iter().all(|cell| is_fine(cell.status, &cell.reason)), "{name}: {cells:?}");
    }
}
