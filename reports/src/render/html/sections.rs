//! The charts of each experiment with their captions.

use serde_json::Value;

use super::figure::{ChartFigure, ChartSection};
use crate::charts::{Chart, cpu, edges, latency, load, memory, noise, reuses, startup};
use crate::figures::Summary;
use crate::rows::Run;

/// The load of the open loop whose percentiles are shown, in percent of capacity.
const HALF: u64 = 50;

pub(super) fn all(summary: &Summary) -> Vec<ChartSection> {
    let settings = settings(&summary.run);
    let mut sections = vec![
        section(
            "startup",
            "Startup",
            "Phases are compared between models; laps only explain what is inside of one.",
            starts(summary),
        ),
        section(
            "latency",
            "Latency by percentile",
            "The axis stretches towards the tail: each nine is as wide as the one before it.",
            latencies(summary),
        ),
        section(
            "memory",
            "Memory",
            "What the host pays, the server with its containers and their shims: where a line starts is the price of the model, how it rises is the price of one more instance.",
            memories(summary),
        ),
        section(
            "load",
            "Load",
            "A closed loop waits for the server; an open loop does not, and counts from the moment at which a request should have been sent.",
            loads(summary),
        ),
        section(
            "edges",
            "Bursts and density",
            "How the models behave at an edge: many requests at once from idle, and more and more instances until a bound is reached.",
            edges(summary),
        ),
        section(
            "cpu",
            "Processor time",
            "Bars show shares, so that microseconds and milliseconds can stand side by side; the figure at the right is the whole.",
            processor(summary),
        ),
        section(
            "noise",
            "Noise",
            "What differs here differs by itself: no difference between models below this size means anything.",
            noises(summary),
        ),
    ];
    for figure in sections.iter_mut().flat_map(|section| &mut section.figures) {
        figure.settings = format!("{settings}{}", figure.settings);
    }
    sections
}

fn section(
    id: &'static str,
    title: &'static str,
    lead: &'static str,
    figures: Vec<Option<ChartFigure>>,
) -> ChartSection {
    ChartSection { id, title, lead, figures: figures.into_iter().flatten().collect() }
}

fn figure(id: &str, title: &str, chart: Option<Chart>, caption: &str, settings: &str) -> Option<ChartFigure> {
    Some(ChartFigure {
        id: id.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-"),
        title: title.into(),
        caption: caption.into(),
        settings: settings.into(),
        charts: vec![chart?],
        is_secondary: false,
    })
}

/// The settings that all charts share.
pub(super) fn settings(run: &Run) -> String {
    let name = run.preset.get("name").and_then(Value::as_str).map(|name| format!("Preset {name}"));
    let repetitions = run.preset.get("repetitions").and_then(Value::as_u64);
    let repetitions =
        repetitions.map(|count| format!("{count} repetition{}", if count == 1 { "" } else { "s" }));
    let known: Vec<_> = name.into_iter().chain(repetitions).collect();
    if known.is_empty() { String::new() } else { format!("{}. ", known.join(", ")) }
}

fn starts(summary: &Summary) -> Vec<Option<ChartFigure>> {
    vec![
        figure(
            "first-answer",
            "From nothing to the first answer of an instance",
            startup::first_answer(summary),
            "Time runs to the right on a logarithmic scale: each part reaches from the moment at which it begins to \
             that at which it ends. The scale has no zero, so the first part begins at the left edge however short \
             it is; read where a part ends, and compare lengths as factors. Breaks in a part are its laps. Parts \
             are medians of their own, which add up only nearly to the median at the right.",
            "Reuse fresh, one request at a time, the function prepared; each instance was used once.",
        ),
        figure(
            "cold",
            "Kinds of cold",
            startup::kinds_of_cold(summary),
            "From the top: less and less has to be made before an answer. Cold host: from the spawning of the \
             server's process on. Cold function: the first request for it in a server that listens. Cold instance: \
             the function is prepared. Median of each, as the client sees it.",
            "One request at a time. A first answer counts only if the instance says that it was used once.",
        ),
    ]
}

fn latencies(summary: &Summary) -> Vec<Option<ChartFigure>> {
    let closed = reuses(summary, "load").into_iter().map(|reuse| {
        let reuse = reuse.as_str();
        let (chart, connections) = latency::closed(summary, reuse)?;
        let plural = if connections == 1 { "" } else { "s" };
        figure(
            &format!("closed-percentiles-{reuse}"),
            &format!("{}: while nothing waits", kind(reuse)),
            Some(chart),
            "Time from sending to the whole answer, from p10 to the greatest that was seen. The flatter a line, the \
             more alike the answers. Each point is the median over windows of that window's percentile.",
            &format!("Closed loop, reuse {reuse}, {connections} connection{plural}."),
        )
    });
    let open = reuses(summary, "open").into_iter().map(|reuse| {
        let reuse = reuse.as_str();
        let (chart, percent) = latency::open(summary, reuse, HALF)?;
        figure(
            &format!("open-percentiles-{reuse}"),
            &format!("{}: at {percent} % of what it can do", kind(reuse)),
            Some(chart),
            "From the intended moment of sending (solid), and from the real one (dashed), which hides what a request \
             waited before the generator could send it. Where the two part, a queue stood.",
            &format!("Open loop, reuse {reuse}, {percent} % of the closed loop's highest rate, each model by its own."),
        )
        .map(|figure| if reuse == "fresh" { figure.secondary() } else { figure })
    });
    closed.chain(open).collect()
}

fn memories(summary: &Summary) -> Vec<Option<ChartFigure>> {
    vec![figure(
        "growth",
        "Memory against live instances",
        memory::growth(summary),
        "Marks are what was measured, lines the least-squares fit, the median over the repetitions; on logarithmic scales a straight fit \
         bends where the instances begin to outweigh what the server holds anyway. Below each panel: the slope, and \
         where the line meets no instance.",
        "Proportional set size of the server, control groups without inactive file pages, helper processes; after \
         the most invocations that were measured; fit over one and more live instances, for each repetition.",
    )]
}

fn loads(summary: &Summary) -> Vec<Option<ChartFigure>> {
    let closed = reuses(summary, "load").into_iter().flat_map(|reuse| {
        let reuse = reuse.as_str();
        let name = kind(reuse);
        let settings = format!("Closed loop, reuse {reuse}; only right answers count.");
        [
            figure(
                &format!("throughput-{reuse}"),
                &format!("{name}: throughput"),
                load::throughput(summary, reuse),
                "Right answers in a second against connections that are always busy.",
                &settings,
            ),
            figure(
                &format!("closed-latency-{reuse}"),
                &format!("{name}: latency"),
                load::closed_latency(summary, reuse),
                "Latency against connections. Once the server is busy, more connections only wait longer.",
                &settings,
            )
            .map(ChartFigure::secondary),
        ]
    });
    let open = reuses(summary, "open").into_iter().flat_map(|reuse| {
        let reuse = reuse.as_str();
        let name = kind(reuse);
        let settings = format!(
            "Open loop, reuse {reuse}, at fixed rates. Hollow marks: requests were dropped, or fewer than {:.0} % of \
             what was offered was answered.",
            load::KEEPS_UP * 100.0
        );
        [
            figure(
                &format!("offered-latency-{reuse}"),
                &format!("{name}: latency at an offered rate"),
                load::open_latency(summary, reuse),
                "Latency from the intended moment of sending against what was offered. Where a line turns up, the \
                 model is saturated.",
                &settings,
            ),
            figure(
                &format!("achieved-{reuse}"),
                &format!("{name}: answers at an offered rate"),
                load::achieved(summary, reuse),
                "What was answered of what was offered: a model keeps up as long as its line goes straight.",
                &settings,
            )
            .map(ChartFigure::secondary),
        ]
    });
    closed.chain(open).collect()
}

fn edges(summary: &Summary) -> Vec<Option<ChartFigure>> {
    let bounds = "Each instance answers in turn while more are started.";
    vec![
        figure(
            "burst",
            "A burst from idle",
            edges::burst(summary),
            "Time until the last of so many requests, sent at once, was answered.",
            "From idle; policies of reuse as in the legend.",
        ),
        figure(
            "density-memory",
            "Density: memory",
            edges::density_memory(summary),
            "Memory held by server, control groups and helpers together while instances are added. Below each panel: \
             how many were live in the end, and what ended it.",
            bounds,
        ),
        figure(
            "density-latency",
            "Density: latency",
            edges::density_latency(summary),
            "The 99th percentile of answers from all live instances in turn.",
            bounds,
        )
        .map(ChartFigure::secondary),
    ]
}

fn processor(summary: &Summary) -> Vec<Option<ChartFigure>> {
    let of = |reuse: &str| {
        figure(
            &format!("cpu-{reuse}"),
            kind(reuse),
            cpu::per_request(summary, reuse),
            "Where the processor time of one request goes. At the right: all of it, and the connections at which it \
             was measured, which are those of the highest rate.",
            &format!(
                "Closed loop, reuse {reuse}. User and system time of the server split its exact time in the \
                 proportion of the kernel's clock ticks. Daemons are those of the container engine."
            ),
        )
    };
    reuses(summary, "load").iter().map(|reuse| of(reuse)).collect()
}

fn noises(summary: &Summary) -> Vec<Option<ChartFigure>> {
    vec![
        figure(
            "calibration",
            "Drift",
            noise::calibration(summary),
            "A loop that always does the same, timed again and again between the cells: on a quiet machine the line \
             is flat.",
            "In the harness, on its own processor.",
        ),
        figure(
            "twins",
            "A/A: the same cell twice",
            noise::twins(summary),
            "Two identical cells in one run. All of what parts them from 1× is noise. A bar that holds 1× is a verdict of \
             no significant difference.",
            "Of loads, warm instances with the most connections.",
        ),
    ]
}

/// A policy of reuse as a heading.
fn kind(reuse: &str) -> &str {
    match reuse {
        "fresh" => "A fresh instance for each request",
        "warm" => "Warm instances",
        other => other,
    }
}
