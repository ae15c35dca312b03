//! The rule that compares a claim with a run.

use isolab_reports::claims::{self, Reproduction};
use isolab_reports::{Row, RunFolder, Status, Summary};

use super::form::{START, claim, parse};
use super::quantities;
use super::sample::folder;
use crate::support::{block, number};

/// The outcome of one claim about `start` on wasm, with these starts in one repetition.
fn verdict(published: &str, starts: &[u64]) -> Reproduction {
    let text = claim("a", &format!("published = {{ unit = 'ns', {published} }}\nmeasure = [{START}]"));
    let claims = parse(&text).unwrap();
    let mut folder = folder(quantities(&claims));
    let block = block("wasm", "hello", "rust");
    let row = |(sample, value)| Row { sample, ..number(&block, "start", "duration_ns", value) };
    folder.rows = (0..).zip(starts.iter().copied()).map(row).collect();
    claims::check(&claims, &Summary::of(&folder)).remove(0).verdict
}

#[test]
fn the_rule_at_its_borders() {
    // Twenty equal starts have an interval without width.
    let at = |published: &str, value| verdict(published, &[value; 20]);
    let (yes, no) = (Reproduction::Reproduced, Reproduction::NotReproduced);
    for (published, least, greatest) in
        [("about = 100.0, within = 2.0", 50, 200), ("between = [100.0, 300.0]", 100, 300)]
    {
        assert_eq!([at(published, least), at(published, greatest)], [yes.clone(), yes.clone()]);
        assert_eq!([at(published, least - 1), at(published, greatest + 1)], [no.clone(), no.clone()]);
    }
    assert_eq!([at("below = 100.0", 1), at("below = 100.0", 100)], [yes.clone(), yes.clone()]);
    assert_eq!(at("below = 100.0", 101), no);
    assert_eq!([at("at_least = 100.0", 100), at("at_least = 100.0", 100_000)], [yes.clone(), yes.clone()]);
    assert_eq!(at("at_least = 100.0", 99), no);
    assert_eq!(
        [at("at_least = 100.0, within = 2.0", 50), at("below = 100.0, within = 2.0", 200)],
        [yes.clone(), yes]
    );
}

#[test]
fn the_interval_must_meet_the_range() {
    // The median is 110, and its interval reaches down to below 105.
    let scattered: Vec<u64> = (0..21).map(|place| 100 + place).collect();
    assert_eq!(verdict("below = 108.0", &scattered), Reproduction::Reproduced);
    assert_eq!(verdict("below = 99.0", &scattered), Reproduction::NotReproduced);
    // A single sample has no interval; its value takes the place of one.
    assert_eq!(verdict("below = 108.0", &[110]), Reproduction::NotReproduced);
    assert_eq!(verdict("below = 110.0", &[110]), Reproduction::Reproduced);
}

#[test]
fn a_claim_without_a_figure_is_not_measurable_and_has_the_runs_reason() {
    let quantity = |executor: &str| START.replace("wasm", executor);
    let text = ["wasm", "docker", "v8", "direct"]
        .map(|executor| {
            let published = "published = { unit = 'ns', below = 1e9 }";
            claim(executor, &format!("{published}\nmeasure = [{}]", quantity(executor)))
        })
        .concat();
    let claims = parse(&text).unwrap();
    let mut folder = folder(quantities(&claims));
    folder.run.executors.retain(|info| info.name != "direct");
    for info in folder.run.executors.iter_mut().filter(|info| info.name == "docker") {
        info.unavailable = Some("no Docker engine answers".into());
    }
    for cell in folder.run.cells.iter_mut().filter(|cell| cell.executor.starts_with("v8")) {
        (cell.status, cell.reason) = (Status::Failed, Some("body `a`\ninstead of `b`".into()));
    }
    let reasons = |folder: &RunFolder| {
        claims::check(&claims, &Summary::of(folder)).into_iter().map(|one| one.verdict).collect::<Vec<_>>()
    };
    let not = |reason: &str| Reproduction::NotMeasurable(reason.into());
    assert_eq!(
        reasons(&folder),
        [
            Reproduction::Reproduced,
            not("`docker`: no Docker engine answers"),
            not("`v8`: body `a` instead of `b`"),
            not("the run was without the executor `direct`"),
        ]
    );
    folder.rows.clear();
    assert_eq!(reasons(&folder)[0], not("the run has no `start_p50` of `hello` rust on `wasm`"));
    folder.run.cells.iter_mut().for_each(|cell| (cell.status, cell.reason) = (Status::Pending, None));
    assert_eq!(reasons(&folder)[0], not("`wasm`: not reached before the run ended"));
}

#[test]
fn a_unit_that_does_not_fit_is_told_and_not_judged() {
    let text = claim("a", &format!("published = {{ unit = 'bytes', below = 1e9 }}\nmeasure = [{START}]"));
    let claims = parse(&text).unwrap();
    let folder = folder(quantities(&claims));
    let checked = claims::check(&claims, &Summary::of(&folder));
    assert_eq!(checked[0].verdict, Reproduction::NotMeasurable("`start_p50` is counted in ns".into()));
}

#[test]
fn of_several_connections_the_best_rate_answers() {
    let rate = START.replace("start_p50'", "load_rate', reuse = 'fresh'");
    let text = claim(
        "a",
        &format!("published = {{ unit = 'per_s', about = 3000, within = 1 }}\nmeasure = [{rate}]"),
    );
    let claims = parse(&text).unwrap();
    let mut folder = folder(quantities(&claims));
    folder.rows.clear();
    let block = block("wasm", "hello", "rust");
    for (connections, responses) in [(1, 1_000), (8, 3_000), (32, 2_000)] {
        for sample in 0..5 {
            for (metric, value) in [("responses_count", responses), ("duration_ns", 1_000_000_000)] {
                let (reuse, connections) = (Some("fresh".into()), Some(connections));
                let row = number(&block, "load", metric, value);
                folder.rows.push(Row { sample, reuse, connections, ..row });
            }
        }
    }
    let checked = claims::check(&claims, &Summary::of(&folder));
    assert_eq!(checked[0].verdict, Reproduction::Reproduced, "{checked:?}");
}
