//! Attempts of guests to reach this host, by the real binary.

use std::collections::BTreeMap;

use isolab_reports::row::Attempt;
use isolab_reports::{Row, folder};

use crate::support::{can_run, one_run_at_a_time, run};

/// Whether each attempt succeeded, and why it could not be made, in the order of [`Attempt::ALL`].
type Outcomes = Vec<(bool, Option<String>)>;

/// The outcomes of every executor and variant.
fn outcomes(executors: &[&str]) -> BTreeMap<(String, String), Outcomes> {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let finished = run([
        "--executor",
        &executors.join(","),
        "--function",
        "hello",
        "--reuse",
        "warm",
        "--quick",
        "--only",
        "confinement",
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let rows = folder::read(&dir).unwrap().rows;
    let mut outcomes = BTreeMap::<_, Outcomes>::new();
    for row in rows.into_iter().filter(|row| row.phase == "confinement") {
        let Row { executor, variant, attempt, failed, value, .. } = row;
        let executor = executor.split(':').next().unwrap().to_owned();
        let of = outcomes.entry((executor, variant)).or_default();
        assert_eq!(attempt, Some(Attempt::ALL[of.len()]), "one row for each attempt, in order");
        of.push((value == 1, failed));
    }
    outcomes
}

#[test]
fn a_guest_reaches_its_host_exactly_where_nothing_confines_it() {
    let _run = one_run_at_a_time();
    let executors = ["direct", "process", "wasm", "v8", "docker"].into_iter().filter(|name| can_run(name));
    let executors: Vec<&str> = executors.collect();
    let outcomes = outcomes(&executors);
    for ((executor, variant), of) in &outcomes {
        let is_open = ["direct", "process"].contains(&executor.as_str());
        let expected = vec![(is_open, None); Attempt::ALL.len()];
        assert_eq!(of, &expected, "{executor} {variant}: {:?}", Attempt::ALL);
    }
    // `direct` runs no JavaScript.
    assert_eq!(outcomes.len(), 2 * executors.len() - 1, "{outcomes:?}");
}
