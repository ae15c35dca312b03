//! The first thing that a report says: five sentences, made from the run's own figures.
//!
//! [`Conclusion::of`] is a pure function of a [`Summary`]. It speaks of one function, the run's
//! smallest, because there the isolation weighs most; each sentence adds where other functions
//! come out differently. A sentence names a winner only if the run shows one: with one
//! repetition, with intervals that overlap, with a difference that is smaller than the host's
//! drift, or with cells that failed, it says that instead.
//!
//! Every number in a sentence is a [`Quoted`] part that knows its [`Source`], so that a test
//! can hold each number against the figures.

mod floor;
mod ranking;
mod sentence;
mod standing;
mod table;
mod trust;

pub use ranking::Metric;
pub use sentence::{Conclusion, End, FigureRef, Quoted, Sentence, Source, Subject};
pub(crate) use table::{key, table};

use crate::figures::Summary;

impl Conclusion {
    /// The conclusion from a run's figures.
    pub fn of(summary: &Summary) -> Self {
        let groups = summary.headline();
        let sentence = |subject, metrics: &[Metric]| standing::sentence(summary, &groups, subject, metrics);
        Self {
            sentences: [
                sentence(Subject::Start, &[Metric::Start]),
                sentence(Subject::Memory, &[Metric::Memory]),
                sentence(Subject::Throughput, &[Metric::Fresh, Metric::Warm]),
                floor::sentence(summary, &groups),
                trust::sentence(summary, &groups),
            ],
        }
    }
}
