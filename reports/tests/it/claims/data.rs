//! The claims that are published in `claims.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use isolab_reports::claims::{self, Answer, Claim, Need, Quantity, Statement};
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
    // Four tables of five engines each.
    for table in ["fibonacci-32", "fibonacci-40", "blake3", "blake3-arm"] {
        for engine in ["wasmtime", "wasmer", "node", "wasmedge", "wasm3"] {
            let id = format!("thesis-{table}-{engine}");
            assert_eq!(all().iter().filter(|claim| claim.id == id).count(), 1, "{id}");
        }
    }
}

/// Times in nanoseconds that the thesis's logs of `curl` show for one answer: the first byte
/// minus the instant at which the request could be sent.
#[test]
fn the_platforms_of_the_thesis_are_audited() {
    for (id, first_byte, pretransfer) in [
        ("thesis-fastly-rust", 94_141, 86_885),
        ("thesis-fastly-go", 95_094, 86_228),
        ("thesis-fastly-javascript", 131_382, 85_414),
        ("thesis-cloudflare-javascript", 114_824, 90_531),
        ("thesis-lambda-cold", 504_372, 85_169),
        ("thesis-lambda-warm", 121_778, 85_399),
    ] {
        let claim = all().into_iter().find(|claim| claim.id == id).unwrap();
        let audited = f64::from(first_byte - pretransfer) * 1e3;
        assert_eq!(claim.published.statement, Statement::About(audited), "{id}");
        assert!(claim.note.contains("TLS handshake"), "{id}");
    }
}

/// A number that answers two different claims of one publication would contradict one of them.
#[test]
fn a_number_of_this_lab_answers_one_claim_of_a_source_only() {
    let mut answered: BTreeMap<(String, String), Claim> = BTreeMap::new();
    for claim in all() {
        let Answer::Measured { .. } = claim.answer else { continue };
        let key = (claim.source.title.clone(), format!("{:?}", claim.answer));
        if let Some(other) = answered.insert(key, claim.clone()) {
            // One table for each machine that the publication measured on.
            let is_of_another_machine = other.conditions != claim.conditions;
            assert!(is_of_another_machine, "{} and {} are answered by one number", other.id, claim.id);
        }
    }
}

/// At most a fifth of the claims cannot be measured, by a binary with every engine and a Docker
/// Engine with the runtimes that set-up installs. The others need hardware, an account at a provider
/// or a program that the lab does not have.
#[test]
fn there_are_many_claims_and_most_can_be_measured() {
    let claims = all();
    assert!(claims.len() >= 110, "{}", claims.len());
    let cannot: Vec<_> = claims.iter().filter(|claim| is_out_of_reach(claim) || needs_youki(claim)).collect();
    assert!(cannot.len() * 5 <= claims.len(), "{} of {}: {cannot:?}", cannot.len(), claims.len());
}

/// Whether it needs a runtime that set-up does not install. It installs crun and gVisor.
fn needs_youki(claim: &Claim) -> bool {
    claim.answer.quantities().any(|quantity| quantity.executor.contains("runtime=youki"))
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
        let file = match quantity.variant.as_str() {
            "js" => "handler.js".to_owned(),
            "command" => format!("{}.wasm", quantity.function_name()),
            _ => "Cargo.toml".to_owned(),
        };
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
