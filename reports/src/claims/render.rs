//! Checked claims as tables.

use std::fmt;

use super::claim::{Answer, Certainty, ObstacleKind, Published, PublishedUnit, Source, Statement};
use super::{Checked, Claim, ClaimTally, Measured, Verdict};
use crate::figures::Unit;
use crate::render::markdown::table;
use crate::render::terminal;
use crate::tables::{NONE, Section, Table, head};
use crate::words::units;

/// The rule of [`Verdict`] for readers of a table.
const RULE: &str = "Read this with the 95 % confidence interval of this run. `reproduced`: the published range contains \
the interval. `better` and `worse`: the interval lies apart from the range, on its better or worse side. `undecided`: \
they overlap, or the run has no interval. The range is widened by the factor in parentheses. The published figures come \
from other machines and versions: they are claims to test, not targets.";

/// Four tables: the measured claims, those that another run can measure, those that this machine
/// cannot measure, and the explanation of each. Empty tables are left out.
pub fn tables(checked: &[Checked]) -> Section {
    let tables = [measured(checked), not_in_run(checked), cannot(checked), explained(checked)];
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
        let published = &one.claim.published;
        Some(vec![
            one.claim.id.clone(),
            one.verdict.to_string(),
            one.position.map_or(NONE.into(), |position| position.to_string()),
            shown(published),
            published.unit.show(measured.value),
            interval(published.unit, measured),
        ])
    });
    Table {
        name: "claims",
        title: "Published against measured".into(),
        head: head(&["claim", "verdict", "interval is", "published", "measured", "interval"]),
        names: 3,
        lines: lines.collect(),
        note: RULE.into(),
        is_detail: false,
    }
}

fn not_in_run(checked: &[Checked]) -> Table {
    let lines = checked.iter().filter_map(|one| match &one.verdict {
        Verdict::NotInRun { reason, command } => Some(vec![
            one.claim.id.clone(),
            shown(&one.claim.published),
            reason.clone(),
            format!("`{command}`"),
        ]),
        _ => None,
    });
    Table {
        name: "claims_not_in_run",
        title: "Not in this run".into(),
        head: head(&["claim", "published", "reason", "command"]),
        names: 4,
        lines: lines.collect(),
        ..Table::default()
    }
}

fn cannot(checked: &[Checked]) -> Table {
    let lines = checked.iter().filter_map(|one| match &one.verdict {
        Verdict::Cannot(obstacle) => {
            let because = if obstacle.because.is_empty() { NONE } else { &obstacle.because };
            let line = [
                &*one.claim.id,
                &shown(&one.claim.published),
                &*obstacle.kind.to_string(),
                &obstacle.takes,
                because,
            ];
            Some(line.map(str::to_owned).to_vec())
        }
        _ => None,
    });
    Table {
        name: "claims_cannot",
        title: "Cannot be measured here".into(),
        head: head(&["claim", "published", "lacks", "it would take", "because"]),
        names: 5,
        lines: lines.collect(),
        note: by_kind(checked),
        ..Table::default()
    }
}

/// How many claims lack which kind of thing.
fn by_kind(checked: &[Checked]) -> String {
    let takes = ClaimTally::of(checked).takes;
    let counts: Vec<_> = takes.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    format!("Claims by the kind of thing that they lack: {}.", counts.join(", "))
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
        Answer::Cannot(_) => NONE.into(),
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

impl fmt::Display for ObstacleKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Engine => "engine",
            Self::Hardware => "hardware",
            Self::Network => "network",
            Self::Software => "software",
            Self::Instrument => "instrument",
            Self::Source => "source",
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
