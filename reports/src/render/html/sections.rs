//! The charts of each experiment with their captions.

use serde_json::Value;

use super::figure::{ChartFigure, ChartSection};
use crate::charts::{Chart, boundaries, cpu, edges, latency, load, memory, noise, reuses, startup};
use crate::figures::{SATURATED, Summary};
use crate::rows::Run;

/// The load of the open loop whose percentiles are shown, in percent of capacity.
const HALF: u64 = 50;

pub(super) fn all(summary: &Summary) -> Vec<ChartSection> {
    let settings = settings(&summary.run);
    let mut sections = vec![
        section(
            "boundaries",
            "Boundaries",
            "The costs of all boundaries side by side. The tables among all figures say what each confines.",
            vec![costs(summary)],
        ),
        section(
            "startup",
            "Startup",
            "Compare phases between models. Laps only explain one phase of one model.",
            starts(summary),
        ),
        section(
            "latency",
            "Latency by percentile",
            "The axis stretches towards the tail: p90, p99 and p99.9 are equally far apart.",
            latencies(summary),
        ),
        section(
            "memory",
            "Memory",
            "The memory of the server, its containers and their shims. A line starts at the memory of the server without instances. Its slope is the memory of one more instance.",
            memories(summary),
        ),
        section(
            "load",
            "Load",
            "A closed loop waits for the server. An open loop does not: it measures latency from the time at which a request should have been sent.",
            loads(summary),
        ),
        section(
            "edges",
            "Bursts and density",
            "Two extremes: many requests at once to an idle server, and more and more instances until a limit.",
            edges(summary),
        ),
        section(
            "cpu",
            "Processor time",
            "Bars show shares, so that microseconds and milliseconds fit side by side. The figure at the right is the total.",
            processor(summary),
        ),
        section(
            "noise",
            "Noise",
            "These differences come from noise alone. A difference between executors that is not larger means nothing.",
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

fn costs(summary: &Summary) -> Option<ChartFigure> {
    figure(
        "boundaries-costs",
        "Start, memory and throughput of each boundary",
        boundaries::costs(summary),
        "One mark for each executor, with its name beside it: further left starts faster, further down holds less \
         memory, and a larger mark answers more requests per second. Both axes and the sizes are logarithmic. An \
         executor without one of the three values is named below.",
        "Medians of `start`, the slope of the host's memory over live instances, and warm instances in a closed loop at \
         the number of connections with the highest rate.",
    )
}

fn starts(summary: &Summary) -> Vec<Option<ChartFigure>> {
    vec![
        figure(
            "first-answer",
            "From nothing to the first answer of an instance",
            startup::first_answer(summary),
            "Time runs to the right on a logarithmic scale. Each part reaches from its beginning to \
             its end. The scale has no zero, so the first part begins at the left edge, however short \
             it is. Read where a part ends, and compare lengths as factors. Breaks in a part are its laps. Parts \
             are medians of their own, so their sum is only near the median at the right.",
            "Reuse fresh, one request at a time, the function prepared; each instance was used once.",
        ),
        figure(
            "cold",
            "Kinds of cold",
            startup::kinds_of_cold(summary),
            "Each line has less to prepare than the one above it. Cold host: from the start of the \
             server's process. Cold function: from the first request for it in a server that listens. Cold instance: \
             from a request that finds the function prepared. Medians, as the client sees them.",
            "One request at a time. A first answer counts only if the instance says that this was its first use.",
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
            &format!("{}: without a queue", kind(reuse)),
            Some(chart),
            "Time from sending a request to its whole answer, from p10 to the maximum. The flatter a line, the \
             more alike the answers. Each point is the mean of the repetitions' percentiles.",
            &format!("Closed loop, reuse {reuse}, {connections} connection{plural}."),
        )
    });
    let open = reuses(summary, "open").into_iter().map(|reuse| {
        let reuse = reuse.as_str();
        let (chart, percent) = latency::open(summary, reuse, HALF)?;
        figure(
            &format!("open-percentiles-{reuse}"),
            &format!("{}: at {percent} % of the highest rate", kind(reuse)),
            Some(chart),
            "Solid: from the intended time of sending. Dashed: from the real one, which hides how long a request \
             waited before the load generator could send it. Where the two lines part, requests queued.",
            &format!("Open loop, reuse {reuse}, {percent} % of each executor's own highest rate in the closed loop."),
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
        "Marks are measured values, lines are least-squares fits (the median over the repetitions). On logarithmic scales a straight fit \
         bends where the instances begin to outweigh the server's own memory. Below each panel: the slope, and \
         where the line meets zero instances.",
        "Proportional set size of the server, control groups without inactive file pages, page tables, and helper processes, after \
         the count of invocations that all executors share. One fit for each repetition, over one and more live instances.",
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
                "Right answers per second against the number of connections that are always busy.",
                &settings,
            ),
            figure(
                &format!("closed-latency-{reuse}"),
                &format!("{name}: latency"),
                load::closed_latency(summary, reuse),
                "Latency against the number of connections. Once the server is busy, more connections only wait longer.",
                &settings,
            )
            .map(ChartFigure::secondary),
        ]
    });
    let open = reuses(summary, "open").into_iter().flat_map(|reuse| {
        let reuse = reuse.as_str();
        let name = kind(reuse);
        let settings = format!(
            "Open loop, reuse {reuse}, at fixed rates. Hollow marks: a repetition was saturated. {SATURATED}."
        );
        [
            figure(
                &format!("offered-latency-{reuse}"),
                &format!("{name}: latency at offered rates"),
                load::open_latency(summary, reuse),
                "Latency from the intended time of sending against the offered rate. Where a line turns up, the \
                 server is saturated.",
                &settings,
            ),
            figure(
                &format!("achieved-{reuse}"),
                &format!("{name}: answers at offered rates"),
                load::achieved(summary, reuse),
                "Answered against offered rate. An executor keeps up as long as its line is straight.",
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
            "A burst to an idle server",
            edges::burst(summary),
            "Time until the last of many requests that were sent at once is answered.",
            "To an idle server. The legend names the reuse policies.",
        ),
        figure(
            "density-memory",
            "Density: memory",
            edges::density_memory(summary),
            "Memory of server, control groups and helpers together while instances are added. Below each panel: \
             how many were live at the end, and the limit that ended the search.",
            bounds,
        ),
        figure(
            "density-latency",
            "Density: latency",
            edges::density_latency(summary),
            "The 99th percentile of the latency of all live instances in turn, where at least five answers lie beyond it.",
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
            "How the processor time of one request divides. At the right: its total, and the number of connections at \
             which it was measured, the one with the highest rate.",
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
            "The time of a calibration loop, which does the same work each time, between the cells. On a quiet machine the line \
             is flat.",
            "In the harness, on its own processor.",
        ),
        figure(
            "twins",
            "A/A: the same cell twice",
            noise::twins(summary),
            "Two identical cells in one run. Only noise moves them away from 1×. An interval that holds 1× means \
             that no difference was seen.",
            "Loads with warm instances and the most connections.",
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
