//! The output of `isolab load`.

use std::fmt::Write as _;

use isolab_core::laps::nanoseconds;
use serde::Serialize;

use super::LoadArgs;
use crate::load::closed::{ClosedOutcome, ClosedWindow};
use crate::load::open::{OpenOutcome, OpenWindow, Spread};
use crate::load::outcome::{self, Faults};

/// Points of a distribution, in nanoseconds. In an open loop, a point among requests without
/// a right answer has no value.
#[derive(Debug, Serialize)]
struct Latency {
    min: Option<u64>,
    /// Over right answers.
    mean: u64,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    p999: Option<u64>,
    max: Option<u64>,
}

impl Latency {
    fn points(&self) -> [(&'static str, Option<u64>); 5] {
        let Self { p50, p90, p99, p999, max, .. } = *self;
        [("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)]
    }
}

/// Problems in all windows.
#[derive(Debug, Serialize)]
struct Problems<'a> {
    /// Right answers with a body that differs from the first one.
    differing_count: u64,
    errors_count: u64,
    errors: Faults,
    first_error: Option<&'a str>,
}

impl<'a> Problems<'a> {
    fn of(problems: &'a outcome::Problems) -> Self {
        Self {
            differing_count: problems.differing,
            errors_count: problems.faults.total(),
            errors: problems.faults,
            first_error: problems.first_fault.as_deref(),
        }
    }

    fn write(&self, text: &mut String) {
        if self.differing_count > 0 {
            let _ = writeln!(text, "{} bodies differ from the first", self.differing_count);
        }
        if let Some(first) = self.first_error {
            let _ = writeln!(text, "{} errors, the first: {first}", self.errors_count);
        }
    }
}

/// The result of a closed loop.
#[derive(Debug, Serialize)]
pub(super) struct Closed<'a> {
    url: &'a str,
    connections: u32,
    duration_ns: u64,
    requests_count: u64,
    requests_per_s: f64,
    latency_ns: Latency,
    #[serde(flatten)]
    problems: Problems<'a>,
}

impl<'a> Closed<'a> {
    pub(super) fn new(arguments: &'a LoadArgs, window: &ClosedWindow, outcome: &'a ClosedOutcome) -> Self {
        let point = |quantile| Some(window.quantile_ns(quantile));
        Self {
            url: &arguments.url,
            connections: arguments.connections,
            duration_ns: nanoseconds(window.duration),
            requests_count: window.responses,
            requests_per_s: window.per_second(),
            latency_ns: Latency {
                min: Some(window.latency_ns.min()),
                mean: window.latency_ns.mean() as u64,
                p50: point(0.5),
                p90: point(0.9),
                p99: point(0.99),
                p999: point(0.999),
                max: Some(window.latency_ns.max()),
            },
            problems: Problems::of(&outcome.problems),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{:.0} requests/s ({} in {:.2} s over {} connections)\n",
            self.requests_per_s,
            self.requests_count,
            self.duration_ns as f64 / 1e9,
            self.connections
        );
        for (name, ns) in self.latency_ns.points() {
            let _ = writeln!(text, "{name:>8} {}", milliseconds(ns));
        }
        self.problems.write(&mut text);
        text
    }
}

/// The result of an open loop.
#[derive(Debug, Serialize)]
pub(super) struct Open<'a> {
    url: &'a str,
    connections: u32,
    rate_per_s: u64,
    arrivals: &'static str,
    seed: Option<u64>,
    queue_max_count: u32,
    duration_ns: u64,
    /// Requests that were due. The counts below say how they ended.
    offered_count: u64,
    offered_per_s: f64,
    /// Right answers, whenever they came.
    requests_count: u64,
    dropped_count: u64,
    /// Requests without a right answer that were not dropped.
    unanswered_count: u64,
    /// Right answers that came during the window, per second.
    requests_per_s: f64,
    /// Sent more than a millisecond after they were due.
    late_count: u64,
    /// Late requests that were handed out in time and waited for a connection: the server was slow.
    late_waiting_count: u64,
    /// Requests for which the load generator itself was more than a millisecond late.
    generator_late_count: u64,
    /// The 99th percentile of the load generator's own lateness.
    generator_lateness_p99_ns: u64,
    /// Whether the load generator was in time: see [`isolab_reports::figures::Validity`].
    is_valid: bool,
    /// From when a request was due, over all offered requests.
    latency_ns: Latency,
    /// From when it was really sent, over all requests that were not dropped.
    service_ns: Latency,
    #[serde(flatten)]
    problems: Problems<'a>,
}

impl<'a> Open<'a> {
    pub(super) fn new(
        arguments: &'a LoadArgs,
        rate_per_s: u64,
        seed: u64,
        window: &OpenWindow,
        outcome: &'a OpenOutcome,
    ) -> Self {
        let seed = (arguments.arrivals == Spread::Poisson).then_some(seed);
        let watched = window.watched();
        let latency = |at: &dyn Fn(f64) -> Option<u64>, mean: f64| Latency {
            min: at(0.0),
            mean: mean as u64,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        };
        Self {
            url: &arguments.url,
            connections: arguments.connections,
            rate_per_s,
            arrivals: arguments.arrivals.name(),
            seed,
            queue_max_count: arguments.queue,
            duration_ns: nanoseconds(window.duration),
            offered_count: window.offered,
            offered_per_s: window.offered_per_s(),
            requests_count: window.responses,
            dropped_count: window.dropped,
            unanswered_count: window.faulty,
            requests_per_s: window.achieved_per_s(),
            late_count: window.late,
            late_waiting_count: window.late_waiting,
            generator_late_count: window.generator_late,
            generator_lateness_p99_ns: watched.lateness_p99_ns,
            is_valid: watched.is_valid(),
            latency_ns: latency(&|quantile| window.latency_at(quantile), window.latency_ns.mean()),
            service_ns: latency(&|quantile| window.service_at(quantile), window.service_ns.mean()),
            problems: Problems::of(&outcome.problems),
        }
    }

    /// A warning if the load generator was late.
    pub(super) fn warning(&self) -> Option<String> {
        (!self.is_valid).then(|| {
            format!(
                "the load generator was late by its own fault ({} of {} requests by more than 1 ms, 99th percentile \
                 {:.3} ms): the latencies are not those of the server alone; free a processor for `--spin`, or \
                 lower the rate",
                self.generator_late_count,
                self.offered_count,
                self.generator_lateness_p99_ns as f64 / 1e6
            )
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{:.0} requests/s achieved of {:.0} offered ({} of {} in {:.2} s, {} connections, {} arrivals)\n",
            self.requests_per_s,
            self.offered_per_s,
            self.requests_count,
            self.offered_count,
            self.duration_ns as f64 / 1e9,
            self.connections,
            self.arrivals,
        );
        let _ = writeln!(
            text,
            "{} dropped, {} unanswered, {} sent late ({} of them because no connection was free), \
             {} late by the generator's own fault",
            self.dropped_count,
            self.unanswered_count,
            self.late_count,
            self.late_waiting_count,
            self.generator_late_count
        );
        let _ = writeln!(text, "{:>8} {:>13} {:>13}", "", "from due", "from sending");
        for ((name, latency), (_, service)) in
            self.latency_ns.points().into_iter().zip(self.service_ns.points())
        {
            let _ = writeln!(text, "{name:>8} {} {}", milliseconds(latency), milliseconds(service));
        }
        self.problems.write(&mut text);
        text
    }
}

pub(super) fn milliseconds(ns: Option<u64>) -> String {
    ns.map_or_else(|| format!("{:>13}", "no answer"), |ns| format!("{:>10.3} ms", ns as f64 / 1e6))
}
