//! Phases and first responses.

use super::cells::{FEW, against, figure, greatest, value};
use super::code;
use super::{NONE, Table, head};
use crate::figures::{Figure, Figures, Group, Settings};
use crate::rows::row::Cold;

fn plain<'a>(executor: &'a Figures, name: &str) -> Option<&'a Figure> {
    executor.figure(name, &Settings::default())
}

/// The phases, medians.
pub(super) fn phases(group: &Group) -> Table {
    let best = group.best(Figures::start);
    let invoke = Settings::cold(Cold::Instance, None);
    let line = |executor: &Figures| {
        let start = executor.start();
        let cells = [
            value(executor.artifact()),
            figure(executor.prepare(false)),
            figure(executor.prepare(true)),
            figure(start),
            against(group, start, best),
            figure(executor.figure("invoke_p50", &invoke)),
            figure(plain(executor, "invoke_p50")),
            figure(plain(executor, "stop_p50")),
        ];
        let has_figures = cells.iter().any(|cell| cell != NONE);
        has_figures.then(|| std::iter::once(code(executor)).chain(cells).collect())
    };
    Table {
        name: "startup",
        title: "Start-up by phase".into(),
        head: head(&[
            "executor",
            "artifact",
            "prepare, nothing cached",
            "prepare, cached",
            "start",
            "start against the best",
            "first invoke",
            "later invoke",
            "stop",
        ]),
        names: 1,
        lines: group.executors.iter().filter_map(line).collect(),
        note: "Medians by the front end's clock. `artifact` is the size of what `prepare` makes or finds: machine \
               code, a snapshot, a source, a container's image. `start` is measured with everything prepared. A dash under \
               `prepare, cached` means that the executor keeps nothing that another server process could use. A \
               dash under `prepare, nothing cached` means that it has nothing to keep."
            .into(),
        is_detail: false,
    }
}

/// The responses of a client, by the part that was cold.
const ANSWERS: [(&str, Option<Cold>, Option<bool>); 4] = [
    ("cold host", Some(Cold::Host), None),
    ("cold function, nothing cached", Some(Cold::Function), Some(false)),
    ("cold function, cached", Some(Cold::Function), Some(true)),
    ("cold instance", Some(Cold::Instance), None),
];

/// Responses as a client sees them, one request at a time.
pub(super) fn answers(group: &Group) -> Table {
    let mut lines = Vec::new();
    for executor in &group.executors {
        let mut line = |what: &str, settings: &Settings| {
            let at = |name: &str| executor.figure(name, settings);
            if at("response_p50").is_some() {
                let best = group.best(|executor| executor.figure("response_p50", settings));
                lines.push(vec![
                    code(executor),
                    what.to_owned(),
                    figure(at("response_p50")),
                    against(group, at("response_p50"), best),
                    value(at("response_p90")),
                    figure(at("response_p99")),
                ]);
            }
        };
        for (what, kind, cached) in ANSWERS {
            line(what, &Settings { cold: kind, cached, ..Settings::default() });
        }
        let warm = executor.named("response_p50").filter(|figure| figure.settings.cold.is_none());
        for response in warm {
            let reuse = response.settings.reuse.as_deref().unwrap_or_default();
            line(&format!("nothing cold ({reuse})"), &response.settings);
        }
    }
    Table {
        name: "answers",
        title: "Answers by what was cold".into(),
        head: head(&["executor", "what was cold", "p50", "p50 against the best", "p90", "p99"]),
        names: 2,
        lines,
        note: format!(
            "Latency as a client on the same machine sees it, one request at a time. A cold host is timed from \
               the start of the server's process, with the artifact cached. A cold function is timed from the \
               first request for it in a server that listens. A cold instance is timed from a request that \
               finds the function prepared. Each instance proves by its count of uses that it was cold. {FEW}"
        ),
        is_detail: false,
    }
}

/// The laps within the phases, medians.
pub(super) fn laps(group: &Group) -> Table {
    let mut lines = Vec::new();
    for executor in &group.executors {
        for lap in executor.figures.iter().filter(|figure| is_lap(figure)) {
            let (phase, name) = lap.name.trim_end_matches("_p50").split_once('.').unwrap_or_default();
            let settings = lap.settings.to_string();
            let settings = if settings.is_empty() { NONE.to_owned() } else { settings };
            lines.push(vec![code(executor), phase.to_owned(), name.to_owned(), settings, figure(Some(lap))]);
        }
    }
    Table {
        name: "laps",
        title: "Laps within the phases".into(),
        head: head(&["executor", "phase", "lap", "settings", "p50"]),
        names: 4,
        lines,
        note: "Laps explain a phase. Each model has its own laps, so do not compare them between models."
            .into(),
        is_detail: true,
    }
}

fn is_lap(figure: &Figure) -> bool {
    figure.name.ends_with("_p50") && figure.name.contains('.')
}

/// Phases and responses by percentile, with far outliers.
pub(super) fn tails(group: &Group) -> Table {
    let mut lines = Vec::new();
    for executor in &group.executors {
        let medians = executor.figures.iter().filter(|figure| figure.outliers.is_some() && !is_lap(figure));
        for median in medians {
            let Some(subject) =
                median.name.strip_suffix("_p50").filter(|subject| !subject.contains("latency"))
            else {
                continue;
            };
            let at = |name: &str| executor.figure(&format!("{subject}_{name}"), &median.settings);
            if at("max").is_none() || subject.contains("service") {
                continue;
            }
            let outliers = median.outliers.unwrap_or_default();
            lines.push(vec![
                code(executor),
                [subject, &median.settings.to_string()].join(" ").trim().to_owned(),
                figure(Some(median)),
                figure(at("p90")),
                figure(at("p99")),
                figure(at("p999")),
                greatest(at("max")),
                format!("{} of {}", outliers.count(), outliers.samples),
                median.estimate.repetitions.to_string(),
            ]);
        }
    }
    Table {
        name: "percentiles",
        title: "Phases and answers by percentile".into(),
        head: head(&[
            "executor",
            "duration of",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "greatest, of n",
            "far outliers",
            "repetitions",
        ]),
        names: 2,
        lines,
        note: format!(
            "Far outliers lie more than three interquartile ranges beyond the quartiles of their \
               repetition, on the scale of logarithms (Tukey's outer fences). They are counted and never \
               dropped. {FEW}"
        ),
        is_detail: true,
    }
}
