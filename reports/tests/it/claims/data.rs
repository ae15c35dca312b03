//! The claims that are published in `claims.toml`.

use std::collections::BTreeSet;
use std::path::Path;

use isolab_reports::claims::{self, Answer, Claim, Need, Quantity};
use isolab_reports::{Experiment, Summary};

use super::sample::folder;
use super::{all, quantities};

#[test]
fn the_data_file_is_read_and_tells_all_that_a_reader_needs() {
    let claims = all();
    let ids: BTreeSet<_> = claims.iter().map(|claim| &claim.id).collect();
    assert_eq!(ids.len(), claims.len());
    for claim in &claims {
        assert!(claim.says.ends_with('.') && !claim.conditions.is_empty(), "{}", claim.id);
        assert!(!claim.source.author.is_empty() && !claim.source.title.is_empty(), "{}", claim.id);
        if let Answer::Cannot(obstacle) = &claim.answer {
            assert!(!obstacle.takes.is_empty(), "{}", claim.id);
        }
    }
}

#[test]
fn the_tables_of_the_thesis_are_there_in_full() {
    // Three tables of five engines each.
    for table in ["fibonacci-32", "fibonacci-40", "blake3"] {
        for engine in ["wasmtime", "wasmer", "node", "wasmedge", "wasm3"] {
            let id = format!("thesis-{table}-{engine}");
            assert_eq!(all().iter().filter(|claim| claim.id == id).count(), 1, "{id}");
        }
    }
}

/// Whether no executor of the lab can measure it.
fn is_out_of_reach(claim: &Claim) -> bool {
    matches!(claim.answer, Answer::Cannot(_))
}

/// Every line that marks a lap, in the executors' sources.
fn marks() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../runners")];
    let mut marks = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                marks.extend(text.lines().filter(|line| line.contains("laps.mark(")).map(str::to_owned));
            }
        }
    }
    marks
}

/// Whether rows that follow the table in `row.rs` come to a figure of this name.
fn is_produced(quantity: &Quantity) -> bool {
    let summary = Summary::of(&folder([quantity]));
    let figures = &summary.groups[0].executors[0];
    quantity.pick(figures).is_some()
}

#[test]
fn every_figure_that_is_asked_for_can_be_made() {
    let (claims, marks) = (all(), marks());
    for quantity in quantities(&claims) {
        assert!(is_produced(quantity), "{quantity}");
        let subject = quantity.figure.split('_').next().unwrap();
        if let Some((_, lap)) = subject.split_once('.') {
            let lap = format!("\"{lap}\"");
            assert!(marks.iter().any(|line| line.contains(&lap)), "{quantity}");
        }
    }
    let misnamed = |figure: &str| Quantity {
        figure: figure.into(),
        ..quantities(&claims).find(|quantity| quantity.figure == "start_p50").unwrap().clone()
    };
    for figure in ["start_p51", "start", "memory_slop", "load_rates", "prepare.load_p99"] {
        assert!(!is_produced(&misnamed(figure)), "{figure}");
    }
}

#[test]
fn every_function_that_is_asked_for_is_there_with_its_variant() {
    for quantity in quantities(&all()) {
        let folder = format!("{}/../functions/{}", env!("CARGO_MANIFEST_DIR"), quantity.function);
        let manifest = std::fs::read_to_string(format!("{folder}/function.toml")).unwrap();
        let like = manifest.lines().find_map(|line| line.strip_prefix("like = "));
        let code = like.map_or(folder.clone(), |like| format!("{folder}/{}", like.trim_matches('"')));
        let file = if quantity.variant == "js" { "handler.js" } else { "Cargo.toml" };
        assert!(Path::new(&code).join(file).is_file(), "{quantity}");
    }
}

#[test]
fn needs_name_each_cell_and_experiment_once() {
    let needs = claims::needs(&all());
    let need = |executor: &str, function: &str, variant: &str, reuse: Option<&str>, experiment| Need {
        executor: executor.into(),
        function: function.into(),
        variant: variant.into(),
        reuse: reuse.map(Into::into),
        experiment,
    };
    for expected in [
        need("wasm", "hello", "rust", None, Experiment::Startup),
        need("wasm", "hello", "rust", Some("fresh"), Experiment::Load),
        need("docker", "hello", "rust", None, Experiment::Memory),
        need("direct", "claims/fibonacci-40", "rust", Some("warm"), Experiment::Startup),
        // Later calls need a cell whose instances are used again.
        need("wasm", "hello", "rust", Some("warm"), Experiment::Startup),
    ] {
        assert_eq!(needs.iter().filter(|need| **need == expected).count(), 1, "{expected:?}");
    }
    let unique: BTreeSet<_> = needs.iter().collect();
    assert_eq!(unique.len(), needs.len());
    let cannot: Vec<_> = all().into_iter().filter(is_out_of_reach).collect();
    assert_eq!(claims::needs(&cannot), []);
}
