//! A published claim, and the answer that this lab has for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// A published claim, and how this lab answers it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Claim {
    /// A short name.
    pub id: String,
    /// The claim in one sentence.
    pub says: String,
    /// The publication.
    pub source: Source,
    /// The place in it: a chapter, table or thread; left out if it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default)]
    pub place: String,
    /// Hardware and versions, as published.
    pub conditions: String,
    /// The published number.
    pub published: Published,
    /// The figure that answers it here.
    pub answer: Answer,
    /// The differences between the claim and its answer; left out if there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default)]
    pub note: String,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Published {
    /// Its unit.
    pub unit: PublishedUnit,
    /// The statement about the quantity.
    pub statement: Statement,
    /// The factor by which a measurement may differ and still agree; 1 or more.
    pub within: f64,
    /// The side on which a measurement is better than the published range.
    pub better: Better,
}

/// The unit of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
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

/// The good side of a published range, for the subject of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better, as of times and bytes.
    Less,
    /// More is better, as of rates.
    More,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
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
    /// This lab cannot measure it.
    Cannot(Obstacle),
}

/// The one thing that a measurement would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Obstacle {
    /// Its kind.
    pub kind: ObstacleKind,
    /// The thing itself.
    pub takes: String,
    /// Why nothing in this lab takes its place; empty if that is obvious.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

/// The kind of thing that a measurement would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ObstacleKind {
    /// An engine or an executor that the lab does not have.
    Engine,
    /// A machine with other hardware.
    Hardware,
    /// A service in a provider's network.
    Network,
    /// A program that this machine lacks: a runtime or a toolchain.
    Software,
    /// A measurement that the lab does not make.
    Instrument,
    /// More than the source says.
    Source,
}

impl Answer {
    /// Every quantity that it needs.
    pub fn quantities(&self) -> impl Iterator<Item = &Quantity> {
        let (measure, over) = match self {
            Self::Measured { measure, over } => (measure.as_slice(), over.as_ref()),
            Self::Cannot(_) => (&[][..], None),
        };
        measure.iter().chain(over)
    }
}

impl PublishedUnit {
    /// The good side of a quantity in this unit; `None` of a ratio, where it depends on the claim.
    pub(super) fn better(self) -> Option<Better> {
        match self {
            Self::Nanoseconds | Self::Bytes => Some(Better::Less),
            Self::PerSecond => Some(Better::More),
            Self::Ratio => None,
        }
    }
}

impl Statement {
    /// The least and the greatest quantity for which it is true.
    pub(super) fn ends(self) -> (f64, f64) {
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
