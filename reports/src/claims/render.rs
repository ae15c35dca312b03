//! Checked claims as tables and as JSON.

use std::fmt;

use serde::Serialize;

use super::check::Measured;
use super::data::{Certainty, Published, PublishedUnit, Source, Statement};
use super::{Answer, Checked, Claim, Reproduction};
use crate::figures::Unit;
use crate::render::markdown::table;
use crate::render::terminal;
use crate::tables::{NONE, Section, Table, head};
use crate::words::units;

/// The number of claims by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClaimTally {
    /// Claims that the run agrees with.
    pub reproduced: usize,
    /// Claims that the run does not agree with.
    pub not_reproduced: usize,
    /// Claims without a measured value.
    pub not_measurable: usize,
}

impl ClaimTally {
    /// Counts the outcomes.
    pub fn of(checked: &[Checked]) -> Self {
        let mut tally = Self::default();
        for one in checked {
            *match one.verdict {
                Reproduction::Reproduced => &mut tally.reproduced,
                Reproduction::NotReproduced => &mut tally.not_reproduced,
                Reproduction::NotMeasurable(_) => &mut tally.not_measurable,
            } += 1;
        }
        tally
    }
}

impl fmt::Display for ClaimTally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reproduced, not_reproduced, not_measurable } = self;
        write!(
            formatter,
            "{} published claims: {reproduced} reproduced, {not_reproduced} not reproduced, {not_measurable} not \
             measurable here",
            reproduced + not_reproduced + not_measurable
        )
    }
}

const RULE: &str = "A claim is reproduced if the 95 % confidence interval that this run measured overlaps the \
published range. The range is widened by the factor in parentheses. The published figures come from other machines and \
versions: they are claims to test, not targets.";

/// Three tables: the measured claims, the others, and the explanation of each. Empty tables
/// are left out.
pub fn tables(checked: &[Checked]) -> Section {
    let tables = [measured(checked), not_measured(checked), explained(checked)];
    Section {
        title: "Published claims".into(),
        lead: String::new(),
        tables: tables.into_iter().filter(|table| !table.lines.is_empty()).collect(),
    }
}

/// The tables in Markdown, under one title.
pub fn markdown(checked: &[Checked]) -> String {
    let mut section = tables(checked);
    section.title = format!("{}\n\n{}.", section.title, ClaimTally::of(checked));
    let mut out = String::new();
    table::section(&mut out, &section).expect("writing to a string does not fail");
    out
}

/// The tables for a terminal, at most `width` columns wide if that is given, without the
/// explanations.
pub fn table(checked: &[Checked], width: Option<u16>) -> String {
    let mut out = String::new();
    for table in tables(checked).tables.iter().filter(|table| !table.is_detail) {
        out += &terminal::of_table(table, width);
        out += "\n\n";
    }
    out + &format!("{}\n", ClaimTally::of(checked))
}

fn measured(checked: &[Checked]) -> Table {
    let lines = checked.iter().filter_map(|one| {
        let measured = one.measured?;
        let published = one.claim.published.as_ref()?;
        Some(vec![
            one.claim.id.clone(),
            one.verdict.to_string(),
            shown(published),
            published.unit.show(measured.value),
            interval(published.unit, measured),
        ])
    });
    Table {
        name: "claims",
        title: "Published against measured".into(),
        head: head(&["claim", "verdict", "published", "measured", "interval"]),
        names: 2,
        lines: lines.collect(),
        note: RULE.into(),
        is_detail: false,
    }
}

fn not_measured(checked: &[Checked]) -> Table {
    let lines = checked.iter().filter_map(|one| match &one.verdict {
        Reproduction::NotMeasurable(reason) => {
            let published = one.claim.published.as_ref().map_or(NONE.into(), shown);
            Some(vec![one.claim.id.clone(), published, reason.clone()])
        }
        _ => None,
    });
    Table {
        name: "claims_not_measurable",
        title: "Not measurable here".into(),
        head: head(&["claim", "published", "reason"]),
        names: 3,
        lines: lines.collect(),
        ..Table::default()
    }
}

fn explained(checked: &[Checked]) -> Table {
    let lines = checked.iter().map(|Checked { claim, .. }| {
        let (how, note) = (how(claim), claim.note.clone());
        vec![claim.id.clone(), claim.says.clone(), origin(claim), claim.conditions.clone(), how, note]
    });
    Table {
        name: "claims_explained",
        title: "Each claim, its source and its figure here".into(),
        head: head(&["claim", "says", "source", "conditions", "measured here as", "limits of the match"]),
        names: 6,
        lines: lines.collect(),
        note: String::new(),
        is_detail: true,
    }
}

fn shown(published: &Published) -> String {
    let show = |value| published.unit.show(value);
    let statement = match published.statement {
        Statement::About(value) => format!("about {}", show(value)),
        Statement::Below(value) => format!("≤ {}", show(value)),
        Statement::Between(low, high) => format!("{} to {}", show(low), show(high)),
        Statement::AtLeast(value) => format!("≥ {}", show(value)),
    };
    if published.within > 1.0 { format!("{statement} (within {}×)", published.within) } else { statement }
}

fn interval(unit: PublishedUnit, measured: Measured) -> String {
    match (measured.low, measured.high) {
        (Some(low), Some(high)) => format!("{} to {}", unit.show(low), unit.show(high)),
        _ => NONE.into(),
    }
}

fn how(claim: &Claim) -> String {
    match &claim.answer {
        Answer::Absent(_) => NONE.into(),
        Answer::Measured { measure, over } => {
            let parts: Vec<String> = measure.iter().map(ToString::to_string).collect();
            let parts = parts.join(" + ");
            over.as_ref().map_or(parts.clone(), |over| format!("{parts}, over {over}"))
        }
    }
}

fn origin(claim: &Claim) -> String {
    let Source { author, title, year, url, checked } = &claim.source;
    let title = url.as_ref().map_or_else(|| title.clone(), |url| format!("[{title}]({url})"));
    let year = year.map(|year| year.to_string());
    let place = Some(claim.place.clone()).filter(|place| !place.is_empty());
    let parts = [Some(author.clone()), Some(title), year, place];
    format!("{} ({checked})", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Certainty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Primary => "figure read in the source",
            Self::Abstract => "figure read in the abstract",
            Self::Secondary => "figure read in another publication",
            Self::Unverified => "figure not verified",
        })
    }
}

impl PublishedUnit {
    /// A value with its unit.
    fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => Unit::Nanoseconds.show(value),
            Self::Bytes => Unit::Bytes.show(value),
            Self::PerSecond => format!("{}/s", Unit::PerSecond.show(value)),
            Self::Ratio => units::ratio(value),
        }
    }
}

/// The exported claims.
#[derive(Serialize)]
struct Exported<'a> {
    run: &'a str,
    confidence: f64,
    tally: ClaimTally,
    claims: Vec<ExportedClaim<'a>>,
}

#[derive(Serialize)]
struct ExportedClaim<'a> {
    #[serde(flatten)]
    claim: &'a Claim,
    /// The range that agrees with the claim; the upper end is left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepts: Option<Accepts>,
    measured: Option<Measured>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Accepts {
    low: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
}

/// The claims and outcomes as JSON. `run` is the run's id.
pub fn json(checked: &[Checked], run: &str) -> String {
    let claims = checked.iter().map(|one| {
        let (verdict, reason) = match &one.verdict {
            Reproduction::Reproduced => ("reproduced", None),
            Reproduction::NotReproduced => ("not_reproduced", None),
            Reproduction::NotMeasurable(reason) => ("not_measurable", Some(reason.as_str())),
        };
        let accepts = one.claim.published.as_ref().map(|published| {
            let (low, high) = published.accepts();
            Accepts { low, high: Some(high).filter(|high| high.is_finite()) }
        });
        ExportedClaim { claim: &one.claim, accepts, measured: one.measured, verdict, reason }
    });
    let exported = Exported {
        run,
        confidence: crate::statistics::CONFIDENCE,
        tally: ClaimTally::of(checked),
        claims: claims.collect(),
    };
    let text =
        serde_json::to_string_pretty(&exported).expect("a struct of texts and finite numbers serialises");
    text + "\n"
}
