//! `/-/metrics`: the counts of all threads, added up, as `OpenMetrics` text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::bill::Usage;
use crate::pool::inbox::Role;
use crate::route::{Route, Routes};
use crate::state::ServerState;
use crate::telemetry::metrics::{BillCounts, CellMetrics, Count, Durations, Histogram, PHASES};

/// The media type of [`text`].
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, now.
pub(crate) fn text(server: &Arc<ServerState>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("isolab");
    registry.register_collector(Box::new(Scrape { server: Arc::clone(server), routes: server.routes() }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

struct Scrape {
    server: Arc<ServerState>,
    routes: Arc<Routes>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.responses(encoder.encode_descriptor(
            "responses",
            "Responses to requests for functions; the labels are empty if no function was found or its thread was lost",
            None,
            MetricType::Counter,
        )?)?;
        self.phases(encoder.encode_descriptor(
            "phase",
            "Durations of the phases, failed ones included",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?)?;
        self.bills(&mut encoder)?;
        let live = encoder.encode_descriptor("instances_live", "Live instances", None, MetricType::Gauge)?;
        self.instances(live, |cell| &cell.live)?;
        let idle = "Live instances that answer no request at present";
        let idle = encoder.encode_descriptor("instances_idle", idle, None, MetricType::Gauge)?;
        self.instances(idle, |cell| &cell.idle)?;
        self.queue(encoder.encode_descriptor(
            "queue_length",
            "Requests that wait for an instance, for a compute thread, or for their function to be prepared",
            None,
            MetricType::Gauge,
        )?)?;
        let open: usize =
            self.server.threads().iter().map(|thread| thread.metrics.open.load(Ordering::Relaxed)).sum();
        let metric = encoder.encode_descriptor("connections", "Open connections", None, MetricType::Gauge)?;
        gauge(metric, open as u64)?;
        self.threads(&mut encoder)
    }
}

impl Scrape {
    /// A cell's counts, one for each thread that has served it.
    fn cells(&self, route: &Route) -> impl Iterator<Item = Arc<CellMetrics>> {
        self.server.threads().iter().filter_map(move |thread| thread.metrics.existing(route.index))
    }

    fn responses(&self, mut metric: MetricEncoder<'_>) -> fmt::Result {
        for route in self.routes.iter() {
            let mut statuses = BTreeMap::new();
            for cell in self.cells(route) {
                for (status, count) in cell.responses.iter() {
                    *statuses.entry(status).or_insert(0) += count;
                }
            }
            responses(&mut metric, &route.served.spec, route.function.name(), &statuses)?;
        }
        let mut statuses = BTreeMap::new();
        for (status, count) in self.server.threads().iter().flat_map(|thread| thread.metrics.unrouted.iter())
        {
            *statuses.entry(status).or_insert(0) += count;
        }
        responses(&mut metric, "", "", &statuses)
    }

    fn phases(&self, mut metric: MetricEncoder<'_>) -> fmt::Result {
        for route in self.routes.iter() {
            for phase in PHASES {
                let preparation = self.server.pools.preparations.get(route.index);
                let mut durations = preparation.map_or_else(Durations::default, |it| it.durations(phase));
                for cell in self.cells(route) {
                    durations += cell.phase(phase).read();
                }
                if durations.count() > 0 {
                    let phase = phase.to_string();
                    let labels = [labels(route)[0], labels(route)[1], ("phase", phase.as_str())];
                    histogram(metric.encode_family(&labels)?, &durations)?;
                }
            }
        }
        Ok(())
    }

    /// The sums of all bills.
    fn bills(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Answers that were billed";
        let mut metric = encoder.encode_descriptor("billed_answers", help, None, MetricType::Counter)?;
        for route in self.routes.iter() {
            let answers: u64 = self.cells(route).map(|cell| cell.bill.answers.get()).sum();
            if answers > 0 {
                ConstCounter::new(answers).encode(metric.encode_family(&labels(route))?)?;
            }
        }
        let help = "CPU time on bills: of this process's threads in each phase, and outside";
        let mut metric =
            encoder.encode_descriptor("billed_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
        self.usages(|labels, usage| {
            ConstCounter::new(usage.cpu_ns as f64 / 1e9).encode(metric.encode_family(labels)?)
        })?;
        let help = "Page faults on bills: of this process's threads in each phase, and outside";
        let mut metric = encoder.encode_descriptor("billed_page_faults", help, None, MetricType::Counter)?;
        self.usages(|labels, usage| {
            for (kind, count) in [("minor", usage.minor_faults), ("major", usage.major_faults)] {
                let labels = [labels[0], labels[1], labels[2], ("kind", kind)];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
            Ok(())
        })
    }

    /// The usage of each billed cell: by phase, and outside of this process.
    fn usages(&self, mut encode: impl FnMut(&[(&str, &str); 3], Usage) -> fmt::Result) -> fmt::Result {
        for route in self.routes.iter() {
            let sum = |of: &dyn Fn(&BillCounts) -> Usage| {
                self.cells(route).map(|cell| of(&cell.bill)).fold(Usage::default(), |mut sum, usage| {
                    sum += usage;
                    sum
                })
            };
            let phases = PHASES.map(|phase| (phase.to_string(), sum(&|bill| bill.phase(phase).get())));
            let outside = ("outside".to_owned(), sum(&|bill| bill.outside.get()));
            for (place, usage) in phases.into_iter().chain([outside]) {
                if usage != Usage::default() {
                    let labels = [labels(route)[0], labels(route)[1], ("place", place.as_str())];
                    encode(&labels, usage)?;
                }
            }
        }
        Ok(())
    }

    /// Which threads run, and which functions hold some for ever.
    fn threads(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor("threads", "Threads", None, MetricType::Gauge)?;
        for (name, role) in [("worker", Role::Worker), ("compute", Role::Compute), ("lost", Role::Lost)] {
            let count = self.server.pools.in_role(role).count();
            gauge(metric.encode_family(&[("role", name)])?, count as u64)?;
        }
        let help = "Threads that the function held although its deadline had passed; an instance on such \
                    a thread stays live and keeps its place";
        let mut metric = encoder.encode_descriptor("lost_threads", help, None, MetricType::Counter)?;
        for route in self.routes.iter() {
            for (thread, lost) in [("worker", &route.lost.workers), ("compute", &route.lost.compute_threads)]
            {
                let lost = lost.load(Ordering::Relaxed);
                if lost > 0 {
                    let labels = [labels(route)[0], labels(route)[1], ("thread", thread)];
                    ConstCounter::new(lost as u64).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Functions whose requests run on compute threads";
        let mut metric = encoder.encode_descriptor("slow_functions", help, None, MetricType::Gauge)?;
        for (executor_index, served) in self.routes.executors.iter().enumerate() {
            let slow = self
                .routes
                .of_executor(executor_index)
                .filter(|route| route.pace.is_slow() && self.cells(route).next().is_some());
            gauge(metric.encode_family(&[("executor", served.spec.as_str())])?, slow.count() as u64)?;
        }
        Ok(())
    }

    fn instances(&self, mut metric: MetricEncoder<'_>, count: fn(&CellMetrics) -> &Count) -> fmt::Result {
        for route in self.routes.iter() {
            if self.cells(route).next().is_some() {
                let sum: u64 = self.cells(route).map(|cell| count(&cell).get()).sum();
                gauge(metric.encode_family(&labels(route))?, sum)?;
            }
        }
        Ok(())
    }

    fn queue(&self, mut metric: MetricEncoder<'_>) -> fmt::Result {
        for (executor_index, served) in self.routes.executors.iter().enumerate() {
            let preparing: usize = self
                .routes
                .of_executor(executor_index)
                .map(|route| {
                    let pools = &self.server.pools;
                    let preparation = pools.preparations.get(route.index);
                    let waiting = preparation.map_or(0, |preparation| preparation.waiting());
                    waiting + pools.computing.waiting(route.index)
                })
                .sum();
            let waiting = preparing + self.server.pools.capacities[executor_index].waiting();
            let labels = [("executor", served.spec.as_str())];
            gauge(metric.encode_family(&labels)?, waiting as u64)?;
        }
        Ok(())
    }
}

fn labels(route: &Route) -> [(&str, &str); 2] {
    [("executor", &route.served.spec), ("function", route.function.name())]
}

fn responses(
    metric: &mut MetricEncoder<'_>,
    executor: &str,
    function: &str,
    statuses: &BTreeMap<u16, u64>,
) -> fmt::Result {
    for (status, count) in statuses {
        let status = status.to_string();
        let labels = [("executor", executor), ("function", function), ("status", status.as_str())];
        ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge(metric: MetricEncoder<'_>, value: u64) -> fmt::Result {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)
}

/// In seconds, the unit of durations in Prometheus.
fn histogram(mut metric: MetricEncoder<'_>, durations: &Durations) -> fmt::Result {
    let buckets: Vec<(f64, u64)> = durations
        .buckets
        .iter()
        .enumerate()
        .map(|(bucket, count)| {
            (Histogram::bound_ns(bucket).map_or(f64::INFINITY, |bound| bound as f64 / 1e9), *count)
        })
        .collect();
    let sum = durations.sum_ns as f64 / 1e9;
    metric.encode_histogram::<[(&str, &str); 0]>(sum, durations.count(), &buckets, None)
}
