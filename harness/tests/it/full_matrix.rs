//! The whole lab once: `isolab bench --quick` over every executor, function, variant and reuse
//! policy that this machine can run. It takes minutes.

use isolab_reports::{RunStatus, Status, folder};

use crate::support::{can_run, one_run_at_a_time, run};

#[test]
fn the_full_matrix_is_measured() {
    let _run = one_run_at_a_time();
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
