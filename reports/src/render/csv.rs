//! Figures for a spreadsheet: the same list as in the JSON.

use super::json::{Export, Exported};
use crate::figures::Summary;

/// The columns of the CSV.
const HEAD: [&str; 22] = [
    "run",
    "function",
    "variant",
    "executor",
    "twin",
    "figure",
    "unit",
    "estimate",
    "low",
    "high",
    "samples",
    "repetitions",
    "far_outliers",
    "reuse",
    "cold",
    "cached",
    "connections",
    "load_percent",
    "rate_per_s",
    "live_instances",
    "invocations",
    "is_lower_bound",
];

/// As CSV (RFC 4180), one figure a line; fields that do not apply are empty.
pub fn render(summary: &Summary) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let export = Export::of(summary);
    let written = writer.write_record(HEAD).and_then(|()| {
        export.figures.iter().try_for_each(|figure| writer.write_record(record(&export.run, figure)))
    });
    written.expect("writing to memory cannot fail, and every record is as long as the head");
    let bytes = writer.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("text and numbers were written")
}

fn record(run: &str, exported: &Exported) -> [String; 22] {
    fn text<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let Exported { settings, estimate, .. } = exported;
    let cold = settings.cold.map(|cold| format!("{cold:?}").to_lowercase());
    [
        run.to_owned(),
        exported.function.clone(),
        exported.variant.clone(),
        exported.executor.clone(),
        exported.twin.to_string(),
        exported.figure.clone(),
        exported.unit.name().to_owned(),
        estimate.estimate.to_string(),
        text(estimate.low),
        text(estimate.high),
        estimate.samples.to_string(),
        estimate.repetitions.to_string(),
        text(exported.far_outliers),
        text(settings.reuse.as_ref()),
        text(cold),
        text(settings.cached),
        text(settings.connections),
        text(settings.load_percent),
        text(settings.rate_per_s),
        text(settings.live_instances),
        text(settings.invocations),
        exported.is_lower_bound.to_string(),
    ]
}
