//! Published claims: the data file, the rule, and what it looks like.

mod data;
mod form;
mod rule;
mod sample;

use isolab_reports::Summary;
use isolab_reports::claims::{self, Checked, Claim, ClaimTally, ClaimsExport, Quantity, Verdict};
use serde_json::Value;

use sample::folder;

fn all() -> Vec<Claim> {
    claims::all().unwrap()
}

fn quantities(claims: &[Claim]) -> impl Iterator<Item = &Quantity> {
    claims.iter().flat_map(|claim| claim.answer.quantities())
}

/// All claims over a run that has everything but `v8`, `docker` under another runtime, and the
/// network of a bridge, for which nobody asked.
fn checked() -> Vec<Checked> {
    let claims = all();
    let mut folder = folder(quantities(&claims));
    folder.run.executors.retain(|info| info.name != "docker:network=bridge");
    for info in &mut folder.run.executors {
        if info.name.starts_with("v8") {
            info.unavailable = Some("the V8 library is not compiled in".into());
        } else if info.name.contains("runsc") {
            info.unavailable = Some("Docker knows no runtime `runsc`".into());
        }
    }
    claims::check(&claims, &Summary::of(&folder))
}

#[test]
fn the_tables() {
    let checked = checked();
    for one in &checked {
        let is_decided = !matches!(one.verdict, Verdict::NotInRun { .. } | Verdict::Cannot(_));
        assert_eq!(one.measured.is_some(), is_decided, "{one:?}");
        assert!(one.position.is_none() || is_decided, "{one:?}");
    }
    insta::assert_snapshot!("claims_in_markdown", claims::markdown(&checked));
    insta::assert_snapshot!("claims_in_a_terminal", claims::table(&checked, None));
    for table in claims::tables(&checked).tables {
        assert!(table.lines.iter().all(|line| line.len() == table.head.len()), "{table:?}");
    }
    assert_eq!(claims::tables(&[]).tables, []);
}

#[test]
fn the_json_has_every_claim_with_its_verdict() {
    let checked = checked();
    let json: Value = serde_json::from_str(&claims::json(&checked, "a run")).unwrap();
    let tally = ClaimTally::of(&checked);
    let of = |verdict: &str| {
        let claims = json["claims"].as_array().unwrap().iter();
        claims.filter(|claim| claim["verdict"] == verdict).count()
    };
    let counts = [
        ("reproduced", tally.reproduced),
        ("better", tally.better),
        ("worse", tally.worse),
        ("undecided", tally.undecided),
        ("not_in_run", tally.not_in_run),
        ("cannot", tally.cannot),
    ];
    for (verdict, count) in counts {
        assert_eq!(of(verdict), count, "{verdict}");
        assert!(count > 0, "the sample shows no {verdict}");
    }
    assert_eq!(tally.all(), checked.len());
    assert_eq!(tally.takes.values().sum::<usize>(), tally.cannot);
    let schema = jsonschema::validator_for(schemars::schema_for!(ClaimsExport<'_>).as_value()).unwrap();
    assert!(schema.is_valid(&json), "{:?}", schema.iter_errors(&json).next());
    assert_eq!(json["run"], "a run");
    insta::assert_snapshot!("a_claim_in_json", serde_json::to_string_pretty(&json["claims"][0]).unwrap());
}
