//! Published claims: the data file, the rule, and what it looks like.

mod data;
mod form;
mod rule;
mod sample;

use isolab_reports::Summary;
use isolab_reports::claims::{self, Answer, Checked, Claim, ClaimTally, Quantity, Reproduction};
use serde_json::Value;

use sample::folder;

fn all() -> Vec<Claim> {
    claims::all().unwrap()
}

fn quantities(claims: &[Claim]) -> impl Iterator<Item = &Quantity> {
    claims.iter().flat_map(|claim| match &claim.answer {
        Answer::Measured { measure, over } => measure.iter().chain(over).collect::<Vec<_>>(),
        Answer::Absent(_) => Vec::new(),
    })
}

/// All claims over a run that has everything but `v8`, and `docker` under another runtime.
fn checked() -> Vec<Checked> {
    let claims = all();
    let mut folder = folder(quantities(&claims));
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
    assert!(
        checked
            .iter()
            .all(|one| one.measured.is_some() != matches!(one.verdict, Reproduction::NotMeasurable(_)))
    );
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
    assert_eq!(of("reproduced"), tally.reproduced);
    assert_eq!(of("not_reproduced"), tally.not_reproduced);
    assert_eq!(of("not_measurable"), tally.not_measurable);
    assert_eq!(tally.reproduced + tally.not_reproduced + tally.not_measurable, checked.len());
    assert!(tally.reproduced > 0 && tally.not_reproduced > 0 && tally.not_measurable > 0);
    assert_eq!(json["run"], "a run");
    insta::assert_snapshot!("a_claim_in_json", serde_json::to_string_pretty(&json["claims"][0]).unwrap());
}
