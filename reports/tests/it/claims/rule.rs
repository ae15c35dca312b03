//! The rule that compares a claim with a run.

use isolab_reports::claims::{
    self, Better, Obstacle, ObstacleKind, Position, Published, PublishedUnit, Statement, Verdict,
};
use isolab_reports::{Row, RunFolder, Status, Summary};

use proptest::prelude::*;

use super::form::{START, claim, parse};
use super::quantities;
use super::sample::folder;
use crate::support::{block, number};

/// The outcome of one claim about `start` on wasm, with these starts in one repetition.
fn checked(published: &str, starts: &[u64]) -> (Option<Position>, Verdict) {
    let text = claim("a", &format!("published = {{ unit = 'ns', {published} }}\nmeasure = [{START}]"));
    let claims = parse(&text).unwrap();
    let mut folder = folder(quantities(&claims));
    let block = block("wasm", "hello", "rust");
    let row = |(sample, value)| Row { sample, ..number(&block, "start", "duration_ns", value) };
    folder.rows = (0..).zip(starts.iter().copied()).map(row).collect();
    let checked = claims::check(&claims, &Summary::of(&folder)).remove(0);
    (checked.position, checked.verdict)
}

/// A published number, without its answer.
fn published(unit: PublishedUnit, statement: Statement, within: f64, better: Better) -> Published {
    Published { unit, statement, within, better }
}

#[test]
fn the_rule_by_a_table() {
    use Better::{Less, More};
    use PublishedUnit::Ratio;
    use Statement::{About, AtLeast, Below, Between};
    let (contained, overlapping, apart) =
        (Some(Position::Contained), Some(Position::Overlapping), Some(Position::Apart));
    for (statement, within, better, interval, position, verdict) in [
        (About(100.0), 2.0, Less, (50.0, 200.0), contained, Verdict::Reproduced),
        (About(100.0), 2.0, Less, (49.0, 60.0), overlapping, Verdict::Undecided),
        (About(100.0), 2.0, Less, (60.0, 201.0), overlapping, Verdict::Undecided),
        (About(100.0), 2.0, Less, (1.0, 1_000.0), overlapping, Verdict::Undecided),
        (About(100.0), 2.0, Less, (1.0, 49.0), apart, Verdict::Better),
        (About(100.0), 2.0, More, (1.0, 49.0), apart, Verdict::Worse),
        (About(100.0), 2.0, Less, (201.0, 300.0), apart, Verdict::Worse),
        (About(100.0), 2.0, More, (201.0, 300.0), apart, Verdict::Better),
        (Between(100.0, 300.0), 1.0, Less, (100.0, 300.0), contained, Verdict::Reproduced),
        (Between(100.0, 300.0), 2.0, Less, (50.0, 600.0), contained, Verdict::Reproduced),
        (Between(100.0, 300.0), 1.0, Less, (300.0, 301.0), overlapping, Verdict::Undecided),
        (Between(100.0, 300.0), 1.0, Less, (90.0, 99.0), apart, Verdict::Better),
        (Below(100.0), 1.0, Less, (0.0, 100.0), contained, Verdict::Reproduced),
        (Below(100.0), 1.0, Less, (100.0, 101.0), overlapping, Verdict::Undecided),
        (Below(100.0), 1.0, Less, (101.0, 102.0), apart, Verdict::Worse),
        (Below(100.0), 2.0, Less, (150.0, 200.0), contained, Verdict::Reproduced),
        (AtLeast(100.0), 1.0, More, (100.0, 1e9), contained, Verdict::Reproduced),
        (AtLeast(100.0), 1.0, More, (99.0, 101.0), overlapping, Verdict::Undecided),
        (AtLeast(100.0), 1.0, More, (1.0, 99.0), apart, Verdict::Worse),
        (AtLeast(100.0), 2.0, More, (50.0, 60.0), contained, Verdict::Reproduced),
    ] {
        let found = Verdict::of(Some(interval), &published(Ratio, statement, within, better));
        assert_eq!(found, (position, verdict), "{statement:?} within {within}, {interval:?}");
    }
}

#[test]
fn no_interval_decides_nothing() {
    let about = published(PublishedUnit::Ratio, Statement::About(1.0), 2.0, Better::Less);
    assert_eq!(Verdict::of(None, &about), (None, Verdict::Undecided));
    // A single sample has no interval.
    assert_eq!(checked("below = 110.0", &[1]), (None, Verdict::Undecided));
}

#[test]
fn the_interval_of_a_run_is_judged() {
    // Twenty equal starts have an interval without width.
    let at = |published: &str, value| checked(published, &[value; 20]).1;
    assert_eq!(at("about = 100.0, within = 2.0", 200), Verdict::Reproduced);
    assert_eq!(at("about = 100.0, within = 2.0", 201), Verdict::Worse);
    assert_eq!(at("about = 100.0, within = 2.0", 49), Verdict::Better);
    // The median is 110, and its interval reaches down to below 105.
    let scattered: Vec<u64> = (0..21).map(|place| 100 + place).collect();
    assert_eq!(checked("below = 108.0", &scattered), (Some(Position::Overlapping), Verdict::Undecided));
    assert_eq!(checked("below = 99.0", &scattered), (Some(Position::Apart), Verdict::Worse));
    assert_eq!(checked("below = 120.0", &scattered), (Some(Position::Contained), Verdict::Reproduced));
}

proptest! {
    /// The position is the one that a direct comparison of sets of whole numbers gives.
    #[test]
    fn a_position_says_which_numbers_are_shared(
        low in 0u32..60, width in 0u32..60, from in 0u32..60, span in 0u32..60, unbounded: bool
    ) {
        let high = low + width;
        let to = if unbounded { u32::MAX } else { from + span };
        let shared = (low..=high).filter(|number| (from..=to).contains(number)).count();
        let expected = match shared {
            0 => Position::Apart,
            all if all == (width + 1) as usize => Position::Contained,
            _ => Position::Overlapping,
        };
        let end = if unbounded { f64::INFINITY } else { f64::from(to) };
        prop_assert_eq!(Position::of((low.into(), high.into()), (from.into(), end)), expected);
    }

    /// Reproduced and undecided do not depend on the better side; better and worse change places.
    #[test]
    fn the_better_side_only_tells_better_from_worse(
        low in 0.0f64..60.0, width in 0.0f64..60.0, about in 1.0f64..60.0, within in 1.0f64..4.0
    ) {
        let of = |better| {
            let about = published(PublishedUnit::Ratio, Statement::About(about), within, better);
            Verdict::of(Some((low, low + width)), &about)
        };
        let ((position, less), (same, more)) = (of(Better::Less), of(Better::More));
        prop_assert_eq!(position, same);
        if position == Some(Position::Apart) {
            let (low_side, high_side) = if low < about { (less, more) } else { (more, less) };
            prop_assert_eq!([low_side, high_side], [Verdict::Better, Verdict::Worse]);
        } else {
            prop_assert_eq!(less, more);
        }
    }

    /// A narrower interval within a decided one is decided alike.
    #[test]
    fn a_decided_verdict_stands_for_every_narrower_interval(
        low in 0.0f64..60.0, width in 0.0f64..60.0, about in 1.0f64..60.0, part in 0.0f64..0.5
    ) {
        let about = published(PublishedUnit::Nanoseconds, Statement::About(about), 2.0, Better::Less);
        let wide = Verdict::of(Some((low, low + width)), &about).1;
        let narrow = Verdict::of(Some((low + part * width, low + width - part * width)), &about).1;
        if wide != Verdict::Undecided {
            prop_assert_eq!(wide, narrow);
        }
    }
}

#[test]
fn a_claim_without_a_figure_has_the_runs_reason_and_the_way_to_one() {
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
    let lacks = |id: &str, reason: &str| Verdict::NotInRun {
        reason: reason.into(),
        command: format!("isolab reproduce --claim {id}"),
    };
    let machine = Obstacle {
        kind: ObstacleKind::Software,
        takes: "a machine that can run `docker`".into(),
        because: "no Docker engine answers".into(),
    };
    assert_eq!(
        reasons(&folder),
        [
            Verdict::Reproduced,
            Verdict::Cannot(machine),
            lacks("v8", "`v8`: body `a` instead of `b`"),
            lacks("direct", "the run was without the executor `direct`"),
        ]
    );
    folder.rows.clear();
    assert_eq!(reasons(&folder)[0], lacks("wasm", "the run has no `start_p50` of `hello` rust on `wasm`"));
    folder.run.cells.iter_mut().for_each(|cell| (cell.status, cell.reason) = (Status::Pending, None));
    assert_eq!(reasons(&folder)[0], lacks("wasm", "`wasm`: not reached before the run ended"));
}

#[test]
fn a_unit_that_does_not_fit_is_told_and_not_judged() {
    let text = claim("a", &format!("published = {{ unit = 'bytes', below = 1e9 }}\nmeasure = [{START}]"));
    let claims = parse(&text).unwrap();
    let folder = folder(quantities(&claims));
    let checked = claims::check(&claims, &Summary::of(&folder));
    let Verdict::NotInRun { reason, .. } = &checked[0].verdict else { panic!("{checked:?}") };
    assert_eq!(reason, "`start_p50` is counted in ns");
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
    assert_eq!(checked[0].verdict, Verdict::Reproduced, "{checked:?}");
}
