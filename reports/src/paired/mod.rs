//! The comparison of two sides that were measured together, window by window.
//!
//! ```text
//! rows ─► windows ─► quads: A B B A ─► one effect for each pair of processes ─► ratio, finding
//! ```
//!
//! Two servers, one of each *side*, are alive at the same time: a *pair*. Only one of them is
//! loaded at a time, in short windows in the order A B B A or B A A B: a *quad*. A drift of the
//! host that is steady over a quad moves both sides alike, and cancels. The seed decides the order
//! of each quad.
//!
//! - A quad's effect is the mean logarithm of the second side's windows minus that of the first's.
//! - A pair's effect is the Hodges–Lehmann estimate of its quads' effects: a neighbour that comes
//!   or goes in the middle of a quad hardly moves it.
//! - The ratio is the mean over pairs, with an interval that may be looked at after each pair.
//!   Memory layout and addresses make every process a little faster or slower, so the pair of
//!   processes is the unit that counts: T. Mytkowicz, A. Diwan, M. Hauswirth, P. F. Sweeney:
//!   Producing Wrong Data Without Doing Anything Obviously Wrong!, ASPLOS 2009.
//!
//! - [`metric`]: the value of a window. [`effects`]: rows to effects. [`finding`]: effects to a
//!   ratio and its finding. [`words`]: the finding in a sentence.

pub mod effects;
pub mod finding;
pub mod metric;
pub mod words;

pub use effects::PairEffects;
pub use finding::{Aim, Finding, PairedResult};
pub use metric::PairedMetric;

use crate::rows::row::Side;
use crate::rows::{Row, RunFolder};

/// A comparison as its rows and its `run.json` tell it.
#[derive(Clone, Debug)]
pub struct Paired {
    /// The quantity that the sides are compared by.
    pub metric: PairedMetric,
    /// The result.
    pub result: PairedResult,
    /// The median value of each side's windows.
    pub levels: [Option<f64>; 2],
    /// All answers of each side over the whole time of its windows, per second.
    pub throughputs: [Option<f64>; 2],
    /// Instructions of one answer, where the machine counted them.
    pub instructions: Option<PairedResult>,
    /// The part of the windows' time in which the server that was not loaded used its processor.
    pub idle: Option<f64>,
    /// The part of the windows' time in which the loaded server waited for its processor.
    pub waited: Option<f64>,
}

impl Paired {
    /// From the folder of a comparison; `None` if the run is not one.
    ///
    /// # Errors
    /// If its metric is unknown.
    pub fn of(folder: &RunFolder) -> Result<Option<Self>, String> {
        let Some(compared) = &folder.run.comparison else { return Ok(None) };
        let metric = compared.metric.parse()?;
        Ok(Some(Self::from_rows(&folder.rows, metric, Aim { margin: compared.margin_percent / 100.0 })))
    }

    /// From the rows of a comparison.
    pub fn from_rows(rows: &[Row], metric: PairedMetric, aim: Aim) -> Self {
        let effects = PairEffects::of(rows, metric);
        let counted = PairEffects::of(rows, PairedMetric::Instructions);
        let sum_of = |name: &str, side: Option<Side>| -> Option<f64> {
            let rows = rows.iter().filter(|row| row.phase == effects::PHASE && row.metric == name);
            let values = rows.filter(|row| side.is_none() || row.side == side).map(|row| row.value as f64);
            values.reduce(|sum, value| sum + value)
        };
        let part = |name: &str| Some(sum_of(name, None)? / sum_of("duration_ns", None)?);
        let throughput = |side: Side| {
            Some(1e9 * sum_of("responses_count", Some(side))? / sum_of("duration_ns", Some(side))?)
        };
        Self {
            metric,
            result: PairedResult::of(&effects, aim),
            levels: effects.levels,
            throughputs: [Side::First, Side::Second].map(throughput),
            instructions: (counted.quads > 0).then(|| PairedResult::of(&counted, aim)),
            idle: part("idle_cpu_ns"),
            waited: part("waited_ns"),
        }
    }
}
