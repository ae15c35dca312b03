//! The claims of the data file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Quantity;
use crate::rows::Experiment;

/// The data file.
const CLAIMS: &str = include_str!("../../claims.toml");

/// A published claim, and how this lab answers it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// A short name.
    pub id: String,
    /// The claim in one sentence.
    pub says: String,
    /// The publication.
    pub source: Source,
    /// The place in it: a chapter, table or thread; empty if it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// Hardware and versions, as published.
    pub conditions: String,
    /// The published number; `None` if there is none.
    pub published: Option<Published>,
    /// The figure that answers it here.
    pub answer: Answer,
    /// The differences between the claim and its answer; empty if there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A person or an organisation.
    pub author: String,
    /// The title, or a description.
    pub title: String,
    /// The year of publication, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// The address, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How well its figures were checked.
    pub checked: Certainty,
}

/// How well a figure was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It was read in the publication itself.
    Primary,
    /// It was read in the publication's abstract only.
    Abstract,
    /// It was read in a text about the publication.
    Secondary,
    /// It was not found in any text.
    Unverified,
}

/// The published number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Its unit.
    pub unit: PublishedUnit,
    /// The statement about the quantity.
    pub statement: Statement,
    /// The factor by which a measurement may differ and still agree; 1 or more.
    pub within: f64,
}

/// The unit of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishedUnit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// Events per second.
    #[serde(rename = "per_s")]
    PerSecond,
    /// One quantity as a multiple of another.
    #[serde(rename = "ratio")]
    Ratio,
}

/// A statement about a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// It is about this value.
    About(f64),
    /// It is this value or less.
    Below(f64),
    /// It is between these values, ends included.
    Between(f64, f64),
    /// It is this value or more.
    AtLeast(f64),
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// This lab measures it.
    Measured {
        /// The quantities, which are added.
        measure: Vec<Quantity>,
        /// The divisor.
        #[serde(skip_serializing_if = "Option::is_none")]
        over: Option<Quantity>,
    },
    /// This lab does not measure it, for this reason.
    Absent(String),
}

/// A data file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// The text is not TOML, or not in the form of the data file.
    #[error("the claims can't be read: {0}")]
    Form(#[from] toml::de::Error),
    /// A claim contradicts itself.
    #[error("claim `{id}`: {reason}")]
    Claim {
        /// Its id.
        id: String,
        /// The contradiction.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    sources: BTreeMap<String, Source>,
    claim: Vec<ClaimForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimForm {
    id: String,
    says: String,
    source: String,
    #[serde(default)]
    place: String,
    conditions: String,
    published: Option<PublishedForm>,
    #[serde(default)]
    measure: Vec<Quantity>,
    over: Option<Quantity>,
    absent: Option<String>,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishedForm {
    unit: PublishedUnit,
    about: Option<f64>,
    below: Option<f64>,
    between: Option<[f64; 2]>,
    at_least: Option<f64>,
    within: Option<f64>,
}

/// The claims of the data file, in its order.
///
/// # Errors
/// If the data file is wrong.
pub fn all() -> Result<Vec<Claim>, ClaimError> {
    parse(CLAIMS)
}

/// Parses claims in the form of the data file.
///
/// # Errors
/// If the text has another form, or a claim contradicts itself.
pub fn parse(text: &str) -> Result<Vec<Claim>, ClaimError> {
    let FileForm { sources, claim } = toml::from_str(text)?;
    let mut ids = BTreeSet::new();
    let claims = claim.into_iter().map(|form| {
        let id = form.id.clone();
        let claim = if ids.insert(id.clone()) {
            form.resolve(&sources)
        } else {
            Err("there is another claim of this id".to_owned())
        };
        claim.map_err(|reason| ClaimError::Claim { id, reason })
    });
    claims.collect()
}

impl ClaimForm {
    fn resolve(self, sources: &BTreeMap<String, Source>) -> Result<Claim, String> {
        let is_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(is_kebab) {
            return Err("an id is made of small letters, digits and hyphens".into());
        }
        let source = sources.get(&self.source).cloned();
        let source = source.ok_or_else(|| format!("there is no source `{}`", self.source))?;
        let published = self.published.map(PublishedForm::resolve).transpose()?;
        let answer = answer(self.measure, self.over, self.absent, published)?;
        let Self { id, says, place, conditions, note, .. } = self;
        Ok(Claim { id, says, source, place, conditions, published, answer, note })
    }
}

fn answer(
    measure: Vec<Quantity>,
    over: Option<Quantity>,
    absent: Option<String>,
    published: Option<Published>,
) -> Result<Answer, String> {
    if let Some(reason) = absent {
        let is_alone = measure.is_empty() && over.is_none();
        return is_alone
            .then_some(Answer::Absent(reason))
            .ok_or("`absent` excludes `measure` and `over`".into());
    }
    let published = published.ok_or("`measure` needs a `published` number to compare with")?;
    if measure.is_empty() {
        return Err("it needs `measure` or `absent`".into());
    }
    if over.is_some() && measure.len() > 1 {
        return Err("a sum cannot be divided: the ratio would have no interval".into());
    }
    if over.is_some() != (published.unit == PublishedUnit::Ratio) {
        return Err("`over` and the unit `ratio` need each other".into());
    }
    for quantity in measure.iter().chain(&over) {
        if Experiment::of(&quantity.figure).is_none() {
            return Err(format!("no experiment measures a figure `{}`", quantity.figure));
        }
    }
    Ok(Answer::Measured { measure, over })
}

impl PublishedForm {
    fn resolve(self) -> Result<Published, String> {
        let statements = [
            self.about.map(Statement::About),
            self.below.map(Statement::Below),
            self.between.map(|[low, high]| Statement::Between(low, high)),
            self.at_least.map(Statement::AtLeast),
        ];
        let mut statements = statements.into_iter().flatten();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err("`published` needs one of `about`, `below`, `between` and `at_least`".into());
        };
        let is_about = matches!(statement, Statement::About(_));
        let within = match self.within {
            None if is_about => return Err("`about` needs `within`: how far off still agrees".into()),
            within => within.unwrap_or(1.0),
        };
        let (low, high) = statement.ends();
        if !(within >= 1.0 && within.is_finite()) {
            return Err("`within` is a factor of 1 or more".into());
        }
        if !(low >= 0.0 && low <= high && (low > 0.0 || high.is_finite())) || high <= 0.0 {
            return Err("a published number is above zero, the lower end first".into());
        }
        Ok(Published { unit: self.unit, statement, within })
    }
}

impl Statement {
    /// The least and the greatest quantity for which it is true.
    fn ends(self) -> (f64, f64) {
        match self {
            Self::About(value) => (value, value),
            Self::Below(value) => (0.0, value),
            Self::Between(low, high) => (low, high),
            Self::AtLeast(value) => (value, f64::INFINITY),
        }
    }
}

impl Published {
    /// The range that agrees: from the least to the greatest quantity for which the
    /// statement is true, both ends moved outwards by the factor `within`.
    pub fn accepts(&self) -> (f64, f64) {
        let (low, high) = self.statement.ends();
        (low / self.within, high * self.within)
    }
}
