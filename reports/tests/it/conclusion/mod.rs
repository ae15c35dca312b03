//! The five sentences: other figures, other sentences, and no number from elsewhere.

mod sample;

use std::fmt::Write as _;

use isolab_reports::conclusion::{Conclusion, End, FigureRef, Quoted, Source};
use isolab_reports::figures::{Comparison, Figure};
use isolab_reports::words::{precision, units};
use isolab_reports::{Row, RunFolder, RunStatus, Status, Summary};
use proptest::prelude::*;

use sample::{DIRECT, DOCKER, Made, Sample, V8, WASM, fail};

fn conclude(folder: &RunFolder) -> Vec<String> {
    let conclusion = Conclusion::of(&Summary::of(folder));
    conclusion.sentences.iter().map(ToString::to_string).collect()
}

fn of(sample: &Sample) -> Vec<String> {
    conclude(&sample.folder())
}

/// A sample with these executors, `direct` before them.
fn with(executors: &[Made]) -> Sample {
    Sample { executors: [&[DIRECT], executors].concat(), ..Sample::default() }
}

/// Runs that differ in what they can show.
fn runs() -> Vec<(&'static str, RunFolder)> {
    let blocks = vec![("hello", "js"), ("hello", "rust")];
    let near = Made { warm_per_s: 90_400, ..V8 };
    let scattered = Sample { scatter_percent: 60, ..with(&[WASM, near, DOCKER]) };
    let drifted = Sample { drift_percent: 40, ..with(&[WASM, Made { warm_per_s: 72_000, ..V8 }, DOCKER]) };
    let mut failed = Sample::default().folder();
    fail(&mut failed, |cell| cell.executor == "wasm");
    let mut fresh_failed = Sample::default().folder();
    fail(&mut fresh_failed, |cell| cell.executor == "wasm" && cell.reuse == "fresh");
    let mut nothing = Sample::default().folder();
    nothing.rows.clear();
    fail(&mut nothing, |_| true);
    let mut interrupted = Sample::default().folder();
    interrupted.run.status = RunStatus::Interrupted;
    interrupted.run.host_warnings.push("other processes used 20 % of the processors".into());
    interrupted.rows.retain(|row| row.executor != "docker");
    for cell in interrupted.run.cells.iter_mut().filter(|cell| cell.executor == "docker") {
        cell.status = Status::Pending;
    }
    let mut startup = Sample::default().folder();
    startup.rows.retain(|row| row.phase == "start");
    vec![
        ("every executor has its place", Sample::default().folder()),
        ("two variants", Sample { blocks: blocks.clone(), ..Sample::default() }.folder()),
        ("another function has another winner", elsewhere()),
        ("warm rates do not differ", with(&[WASM, near, DOCKER]).folder()),
        ("repetitions contradict each other", scattered.folder()),
        ("the host drifted", drifted.folder()),
        ("identical cells differ", with_pairs(3)),
        ("one repetition", Sample { repetitions: 1, ..Sample::default() }.folder()),
        ("one executor", Sample { executors: vec![WASM], ..Sample::default() }.folder()),
        ("the likely winner failed", failed),
        ("the likely winner failed with fresh instances", fresh_failed),
        ("nothing was measured", nothing),
        ("interrupted", interrupted),
        ("only start-up was measured", startup),
    ]
}

/// A run in which `v8` is the fastest by far to start one of three functions.
fn elsewhere() -> RunFolder {
    let blocks = vec![("hello", "rust"), ("json", "rust"), ("blake3", "rust")];
    let mut folder = Sample { blocks, ..Sample::default() }.folder();
    let is_deviating =
        |row: &&mut Row| row.executor == "v8" && row.function == "json" && row.phase == "start";
    folder.rows.iter_mut().filter(is_deviating).for_each(|row| row.value /= 1_000);
    folder
}

/// A run whose second, identical cells are slower by this factor.
fn with_pairs(factor: u64) -> RunFolder {
    let mut folder = Sample::default().folder();
    let twins: Vec<Row> = folder
        .rows
        .iter()
        .filter(|row| row.executor != "host" && row.phase != "memory")
        .map(|row| {
            let is_slower = row.metric == "duration_ns";
            let value = if is_slower { row.value * factor } else { row.value };
            Row { twin: Some(true), value, ..row.clone() }
        })
        .collect();
    folder.rows.extend(twins);
    folder
}

#[test]
fn the_sentences_of_runs_that_differ_in_what_they_show() {
    let mut all = String::new();
    for (name, folder) in runs() {
        writeln!(all, "## {name}\n").unwrap();
        for sentence in &Conclusion::of(&Summary::of(&folder)).sentences {
            writeln!(all, "- {}: {sentence}", sentence.subject.title()).unwrap();
        }
        writeln!(all).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn swapped_winners_are_swapped_in_the_sentences() {
    let sample = Sample { scatter_percent: 1, ..Sample::default() };
    let mut swapped = sample.folder();
    let other = |name: &str| match name {
        "wasm" => "v8".to_owned(),
        "v8" => "wasm".to_owned(),
        name => name.to_owned(),
    };
    swapped.rows.iter_mut().for_each(|row| row.executor = other(&row.executor));
    let (before, after) = (of(&sample), conclude(&swapped));
    let renamed: Vec<String> = before
        .iter()
        .map(|text| text.replace("`wasm`", "`?`").replace("`v8`", "`wasm`").replace("`?`", "`v8`"))
        .collect();
    // The sentence on the floor follows the run's order of executors and not their figures.
    assert_eq!((&after[..3], &after[4]), (&renamed[..3], &renamed[4]));
    assert!(before[..4].iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
}

#[test]
fn each_figure_has_its_own_winner() {
    let executors = [WASM, Made { instance_bytes: 5_000, ..V8 }, Made { warm_per_s: 100_000, ..DOCKER }];
    let sentences = of(&with(&executors));
    let [start, memory, load] = [&sentences[0], &sentences[1], &sentences[2]];
    assert!(start.starts_with("`wasm` starts fastest"), "{start}");
    assert!(memory.starts_with("`v8` holds least memory"), "{memory}");
    assert!(load.contains("for each request, `wasm` answers most"), "{load}");
    assert!(load.contains("with warm instances, `docker` answers most"), "{load}");
}

#[test]
fn a_run_that_shows_no_winner_names_none() {
    let claims = ["fastest", "least memory per", "answers most"];
    let names_none = |sentences: &[String], what: &str| {
        let text = sentences.join("\n");
        assert!(claims.iter().all(|claim| !text.contains(claim)), "{what}: {text}");
    };
    for (name, folder) in runs() {
        if ["one repetition", "one executor", "nothing was measured"].contains(&name) {
            names_none(&conclude(&folder), name);
        }
    }
    // All the same but for what each repetition adds.
    let same = ["wasm", "v8", "docker"].map(|name| Made { name, ..WASM });
    names_none(&of(&Sample { scatter_percent: 5, ..with(&same) }), "equal executors");
}

#[test]
fn a_failed_winner_is_named_and_not_ranked() {
    let text = |name: &str| {
        let (_, folder) = runs().into_iter().find(|(run, _)| *run == name).unwrap();
        conclude(&folder)
    };
    let failed = text("the likely winner failed");
    assert!(
        failed[0].starts_with("`v8` starts fastest") && failed[0].contains("`wasm` (failed)"),
        "{failed:?}"
    );
    let fresh = text("the likely winner failed with fresh instances");
    assert!(fresh[0].starts_with("`wasm` starts fastest"), "{fresh:?}");
    assert!(fresh[2].contains("each request, `v8` answers most") && fresh[2].contains("`wasm` (failed)"));
}

#[test]
fn a_difference_smaller_than_the_hosts_drift_proves_nothing() {
    let executors = [WASM, Made { warm_per_s: 72_000, ..V8 }, DOCKER];
    let steady = of(&with(&executors));
    assert!(steady[2].contains("with warm instances, `wasm` answers most"), "{steady:?}");
    let drifted = of(&Sample { drift_percent: 40, ..with(&executors) });
    assert!(drifted[2].contains("less than the host drifted"), "{drifted:?}");
    assert!(drifted[4].contains("drifted by 40.0 %"), "{drifted:?}");
}

#[test]
fn a_pair_that_differs_too_often_is_told() {
    assert!(conclude(&with_pairs(3))[4].contains("more than"));
    assert!(!conclude(&with_pairs(1))[4].contains("more than"));
}

fn figure<'a>(summary: &'a Summary, of: &FigureRef) -> &'a Figure {
    let group =
        summary.groups.iter().find(|group| group.function == of.function && group.variant == of.variant);
    let executor = group.unwrap().executors.iter().find(|executor| executor.spec == of.executor).unwrap();
    executor.figure(&of.figure, &of.settings).unwrap()
}

/// Whether a number is what its source comes to, in some number of digits.
fn is_so(summary: &Summary, Quoted { text, source }: &Quoted) -> bool {
    let end = |value: f64, interval: Option<isolab_reports::statistics::Interval>, end: End| match end {
        End::Value => value,
        End::Low => interval.unwrap().low,
        End::High => interval.unwrap().high,
    };
    let in_digits = |show: &dyn Fn(u32) -> String| (1..=6).any(|digits| show(digits) == *text);
    let cells = &summary.run.cells;
    match source {
        Source::Figure(of, which) => {
            let figure = figure(summary, of);
            let value = end(figure.estimate.value, figure.estimate.interval, *which);
            in_digits(&|digits| figure.unit.show_to(value, digits))
        }
        Source::Ratio(of, to, which) => {
            let ratio = Comparison::of(figure(summary, of), figure(summary, to))
                .unwrap()
                .at(summary.level())
                .factor();
            let value = end(ratio.value, ratio.interval, *which);
            in_digits(&|digits| precision::significant(value, digits))
        }
        Source::LeastVisible(of, to) => {
            Comparison::of(figure(summary, of), figure(summary, to))
                .unwrap()
                .at(summary.level())
                .least_visible()
                == Some(text.clone())
        }
        Source::Invocations(of) => {
            of.settings.invocations.map(|count| count.to_string()) == Some(text.clone())
        }
        Source::Drift => *text == units::percent(summary.calibration.as_ref().unwrap().spread),
        Source::Repetitions => *text == summary.repetitions.to_string(),
        Source::Pairs => *text == isolab_reports::tables::tally_of_pairs(summary).comparisons.to_string(),
        Source::DifferingPairs => {
            *text == isolab_reports::tables::tally_of_pairs(summary).differences.to_string()
        }
        Source::PairsOfChance => {
            let expected = isolab_reports::tables::tally_of_pairs(summary).false_differences();
            (text.parse::<f64>().unwrap() - expected).abs() <= 0.5
        }
        Source::UnmeasuredCells => {
            let measured = |status| matches!(status, Status::Ok | Status::Skipped);
            *text == cells.iter().filter(|cell| !measured(cell.status)).count().to_string()
        }
        Source::Cells => *text == cells.len().to_string(),
        Source::InvalidCells => *text == summary.validity.cells.len().to_string(),
        Source::HostWarnings => *text == summary.run.host_warnings.len().to_string(),
    }
}

/// Every number of every sentence is one of the run's, and every digit belongs to such a number
/// or to a name in backticks.
fn holds_only_the_runs_numbers(folder: &RunFolder) -> Result<(), TestCaseError> {
    let summary = Summary::of(folder);
    for sentence in &Conclusion::of(&summary).sentences {
        let text = sentence.text();
        let mut rest: String = text.split('`').step_by(2).collect();
        for number in sentence.numbers() {
            prop_assert!(is_so(&summary, number), "{number:?} in {text}");
            prop_assert!(rest.contains(&number.text), "{number:?} in {text}");
            rest = rest.replacen(&number.text, "", 1);
        }
        prop_assert!(!rest.contains(|letter: char| letter.is_ascii_digit()), "{rest:?} of {text}");
        prop_assert!(text.ends_with('.') && !text.contains("NaN") && !text.contains("inf"), "{text}");
        prop_assert!(!text.contains("  ") && !text.contains("faster") && !text.contains("slower"), "{text}");
        prop_assert!(sentence.short().len() <= text.len());
    }
    Ok(())
}

#[test]
fn the_sentences_hold_only_the_runs_numbers() {
    for (name, folder) in runs() {
        holds_only_the_runs_numbers(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn made(name: &'static str) -> impl Strategy<Value = Made> {
    (1u64..1_000_000_000, 1u64..100_000_000, 1u64..200_000, 1u64..200_000).prop_map(
        move |(start_ns, instance_bytes, fresh_per_s, warm_per_s)| Made {
            name,
            start_ns,
            instance_bytes,
            fresh_per_s,
            warm_per_s,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_sentence_holds_a_number_that_is_not_the_runs(
        executors in (made("direct"), made("wasm"), made("v8"), made("docker")),
        left_out in 0usize..5,
        repetitions in 1u32..4,
        scatter_percent in 0u64..200,
        drift_percent in 0u64..60,
    ) {
        let (direct, wasm, v8, docker) = executors;
        let mut executors = vec![direct, wasm, v8, docker];
        if left_out < executors.len() {
            executors.remove(left_out);
        }
        let blocks = vec![("hello", "rust"), ("hello", "js"), ("json", "rust")];
        let sample = Sample { executors, blocks, repetitions, scatter_percent, drift_percent };
        holds_only_the_runs_numbers(&sample.folder())?;
    }
}
