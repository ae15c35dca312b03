//! The whole lab once: `isolab bench --quick` over every executor, function, variant
//! and policy that this machine can run. It takes minutes; everything else is in the
//! other files.

use isolab_reports::{RunStatus, Status, folder};

mod support;

use support::{can_run, run};

#[test]
fn the_full_matrix_is_measured() {
    let possible: Vec<_> = ["wasm", "v8", "docker", "direct"].into_iter().filter(|it| can_run(it)).collect();
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = run(["bench", "--quick", "--out", dir.to_str().unwrap()]);
    assert_eq!(finished.code, Some(0), "{finished:?}");

    let run = folder::read(&dir).unwrap().run;
    assert_eq!(run.status, RunStatus::Complete);
    for executor in possible {
        let of: Vec<_> = run.cells.iter().filter(|cell| cell.executor.starts_with(executor)).collect();
        let measured = of.iter().filter(|cell| cell.status == Status::Ok).count();
        let is_native = executor == "direct";
        // Four functions, as rust and js, fresh and warm; `direct` knows no js.
        assert_eq!(measured, if is_native { 8 } else { 16 }, "{executor}: {of:?}");
    }
}
