//! The data file, and the checks that each of its claims must pass.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Quantity;
use super::claim::{Answer, Better, Claim, Obstacle, Published, PublishedUnit, Source, Statement};
use crate::rows::Experiment;

/// The data file.
const CLAIMS: &str = include_str!("../../claims.toml");

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
    published: PublishedForm,
    #[serde(default)]
    measure: Vec<Quantity>,
    over: Option<Quantity>,
    cannot: Option<Obstacle>,
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
    better: Option<Better>,
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
        let published = self.published.resolve()?;
        let answer = answer(self.measure, self.over, self.cannot, published.unit)?;
        let Self { id, says, place, conditions, note, .. } = self;
        Ok(Claim { id, says, source, place, conditions, published, answer, note })
    }
}

fn answer(
    measure: Vec<Quantity>,
    over: Option<Quantity>,
    cannot: Option<Obstacle>,
    unit: PublishedUnit,
) -> Result<Answer, String> {
    if let Some(obstacle) = cannot {
        if !measure.is_empty() || over.is_some() {
            return Err("`cannot` excludes `measure` and `over`".into());
        }
        return Ok(Answer::Cannot(obstacle));
    }
    if measure.is_empty() {
        return Err("it needs `measure` or `cannot`".into());
    }
    if over.is_some() && measure.len() > 1 {
        return Err("a sum cannot be divided: the ratio would have no interval".into());
    }
    if over.is_some() != (unit == PublishedUnit::Ratio) {
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
        let better = match (self.unit.better(), self.better) {
            (Some(_), Some(_)) => return Err("the unit says which side is better; leave out `better`".into()),
            (None, None) => return Err("a ratio needs `better`: `less` or `more`".into()),
            (of_unit, own) => of_unit.or(own).expect("one of the two is there"),
        };
        Ok(Published { unit: self.unit, statement, within, better })
    }
}
