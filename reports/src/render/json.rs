//! Figures for other programs, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::figures::{Calibration, Figure, Settings, Summary, Unit};
use crate::statistics::Estimate;

/// Version of the export's form.
pub const EXPORT_VERSION: u32 = 1;

/// A run's figures.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Export {
    /// [`EXPORT_VERSION`].
    pub export: u32,
    /// The run's id.
    pub run: String,
    /// The confidence of the intervals, from 0 to 1.
    pub confidence: f64,
    /// The currency of prices.
    pub currency: String,
    /// Whether the host's speed drifted; left out if it was not watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_host_drifting: Option<bool>,
    /// Every figure.
    pub figures: Vec<Exported>,
}

/// One figure.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Exported {
    /// The function's name.
    pub function: String,
    /// The variant.
    pub variant: String,
    /// The executor spec with all its settings.
    pub executor: String,
    /// Whether it belongs to the second, identical cell of an A/A pair.
    pub twin: bool,
    /// The figure's name.
    pub figure: String,
    /// Distinguish it from others of its name.
    pub settings: Settings,
    /// The unit.
    pub unit: Unit,
    /// The value with its uncertainty.
    #[serde(flatten)]
    pub estimate: ExportedEstimate,
    /// Whether the value is a lower bound, because the run's own cap ended the search; left out if it
    /// is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub is_lower_bound: bool,
    /// The number of samples far from the others; left out if they are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub far_outliers: Option<usize>,
}

/// A value with its uncertainty.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct ExportedEstimate {
    /// The value.
    pub estimate: f64,
    /// The lower end of its interval; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The number of samples.
    pub samples: usize,
    /// The number of repetitions.
    pub repetitions: usize,
}

impl Export {
    /// The figures of a run.
    pub fn of(summary: &Summary) -> Self {
        let mut figures = Vec::new();
        for group in &summary.groups {
            for executor in &group.executors {
                let firsts = executor.figures.iter().map(|figure| (false, figure));
                let twins = executor.twins.iter().map(|figure| (true, figure));
                figures.extend(firsts.chain(twins).map(|(twin, figure)| Exported {
                    function: group.function.clone(),
                    variant: group.variant.clone(),
                    executor: executor.spec.clone(),
                    twin,
                    ..Exported::of(figure)
                }));
            }
        }
        Self {
            export: EXPORT_VERSION,
            run: summary.run.id.clone(),
            confidence: crate::statistics::CONFIDENCE,
            currency: summary.run.prices.currency.clone(),
            is_host_drifting: summary.calibration.as_ref().map(Calibration::is_drifting),
            figures,
        }
    }
}

impl Exported {
    fn of(figure: &Figure) -> Self {
        Self {
            function: String::new(),
            variant: String::new(),
            executor: String::new(),
            twin: false,
            figure: figure.name.clone(),
            settings: figure.settings.clone(),
            unit: figure.unit,
            estimate: ExportedEstimate::of(&figure.estimate),
            is_lower_bound: figure.is_bound,
            far_outliers: figure.outliers.map(|outliers| outliers.count()),
        }
    }
}

impl ExportedEstimate {
    fn of(estimate: &Estimate) -> Self {
        let Estimate { value, interval, samples, repetitions, .. } = *estimate;
        let (low, high) = (interval.map(|interval| interval.low), interval.map(|interval| interval.high));
        Self { estimate: value, low, high, samples, repetitions }
    }
}

/// As JSON; its schema is `reports/schema/export.schema.json`.
pub fn render(summary: &Summary) -> String {
    let text = serde_json::to_string_pretty(&Export::of(summary));
    let mut text = text.expect("text and finite numbers are always JSON");
    text.push('\n');
    text
}
