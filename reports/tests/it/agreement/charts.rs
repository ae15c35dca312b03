//! The figures that each chart must show.

use std::collections::BTreeSet;

use isolab_reports::figures::{Settings, Unit};
use isolab_reports::row::{Cold, HOST};
use isolab_reports::words::units;

use super::{Number, Shown, value};
use crate::page::document::ChartTable;

impl Shown<'_> {
    /// Each highest rate of the tables is a point of a chart.
    pub(super) fn check_best_rates(&self) {
        for section in &self.sections {
            for line in
                section.tables.iter().filter(|table| table.name == "throughput").flat_map(|of| &of.lines)
            {
                let (executor, rate) = (line[0].trim_matches('`'), line[3].split(" [").next().unwrap());
                let chart =
                    self.charts.iter().find(|chart| chart.figure == format!("throughput-{}", line[1]));
                let found = chart.unwrap().lines.iter().any(|point| {
                    let group = point[0].split_once(" · ").unwrap();
                    section.title == format!("`{}`, variant `{}`", group.0, group.1)
                        && point[1..4] == [executor, &line[2], rate]
                });
                assert!(found, "{}: {line:?} is not in the chart", section.title);
            }
        }
    }

    /// A point of a line at `x`, the line being named `name`.
    pub(super) fn check_point(&self, id: &str, number: &Number<'_>, name: &str, x: &str) {
        let count = || Some(x.parse::<u64>().unwrap());
        let quantile = || if x == "max" { x.to_owned() } else { x.replace('.', "") };
        let (kind, reuse) = id.rsplit_once('-').unwrap_or((id, ""));
        let load = || Settings { connections: count(), ..Settings::reuse(reuse) };
        match kind {
            "throughput" => {
                self.is(number, "load_rate", &load());
                self.stands_in_the_table(number, reuse, x, "requests/s");
            }
            "closed-latency" => {
                self.is(number, &format!("load_latency_{name}"), &load());
                let column = if name == "p50" { "latency p50" } else { name };
                self.stands_in_the_table(number, reuse, x, column);
            }
            "closed-percentiles" => {
                let connections = self.settings_of("load_", reuse, |settings| settings.connections);
                let connections = connections.into_iter().min();
                let settings = Settings { connections, ..Settings::reuse(reuse) };
                self.is(number, &format!("load_latency_{}", quantile()), &settings);
            }
            "open-percentiles" => {
                let loads = self.settings_of("open_", reuse, |settings| settings.load_percent);
                let load_percent = loads.into_iter().min_by_key(|load| load.abs_diff(50));
                let from = if name == "real" { "service" } else { "latency" };
                let settings = Settings { load_percent, ..Settings::reuse(reuse) };
                self.is(number, &format!("open_{from}_{}", quantile()), &settings);
            }
            "offered-latency" => self.is_offered(number, &format!("open_latency_{name}"), reuse, x),
            "achieved" => self.is_offered(number, "open_rate", reuse, x),
            "burst" => {
                let settings = Settings { connections: count(), ..Settings::reuse(name) };
                self.is(number, "burst_duration", &settings);
            }
            "density" => {
                let name = if reuse == "memory" { "density_held" } else { "density_latency_p99" };
                self.is(number, name, &Settings { live_instances: count(), ..Settings::default() });
            }
            other => panic!("nothing says what the numbers of the chart {other} are"),
        }
    }

    /// The number is that figure under one of the loads that offered the rate `x`.
    fn is_offered(&self, number: &Number<'_>, name: &str, reuse: &str, x: &str) {
        let offered = self.named(number.group, number.executor, "open_offered");
        let offered =
            offered.filter(|rate| rate.settings.reuse.as_deref() == Some(reuse) && value(rate) == x);
        let found = offered.map(|rate| value(self.figure(number, name, &rate.settings))).collect::<Vec<_>>();
        assert!(
            found.iter().any(|text| text == number.text),
            "{name} at {x}/s: {} of {found:?}",
            number.text
        );
    }

    /// The number is in the table of every number of connections.
    fn stands_in_the_table(&self, number: &Number<'_>, reuse: &str, connections: &str, column: &str) {
        let (function, variant) = number.group.split_once(" · ").unwrap();
        let title = format!("`{function}`, variant `{variant}`");
        let section = self.sections.iter().find(|section| section.title == title).unwrap();
        let table = section.tables.iter().find(|table| table.name == "loads").unwrap();
        let place = table.head.iter().position(|name| name == column).unwrap();
        let names = [&format!("`{}`", number.executor), reuse, connections];
        let line = table.lines.iter().find(|line| line[..3] == names).unwrap();
        let cell = line[place].split(" [").next().unwrap();
        assert_eq!(number.text, cell, "{column} of {names:?}");
    }

    pub(super) fn check_first_answer(&self, number: &Number<'_>, part: &str) {
        let (plain, cold) = (Settings::default(), Settings::cold(Cold::Instance, None));
        let of = |name: &str, settings: &Settings| self.figure(number, name, settings).estimate.estimate;
        match part {
            "invoke" => self.is(number, "invoke_p50", &cold),
            "connection and front end" => {
                let has_invoke = self.named(number.group, number.executor, "invoke_p50");
                let has_invoke = has_invoke.filter(|invoke| invoke.settings == cold).count() > 0;
                let invoke = if has_invoke { of("invoke_p50", &cold) } else { 0.0 };
                let rest = of("response_p50", &cold) - of("start_p50", &plain) - invoke;
                assert_eq!(number.text, Unit::Nanoseconds.show(rest.max(0.0)));
            }
            "start, the rest" => {
                let laps =
                    self.figures.values().flatten().filter(|figure| figure.figure.starts_with("start."));
                let names: BTreeSet<_> = laps.map(|lap| &lap.figure).collect();
                let laps = names.into_iter().flat_map(|name| self.named(number.group, number.executor, name));
                let laps: f64 = laps.map(|lap| lap.estimate.estimate).sum();
                assert_eq!(number.text, Unit::Nanoseconds.show(of("start_p50", &plain) - laps));
            }
            phase => self.is(number, &format!("{phase}_p50"), &plain),
        }
    }

    pub(super) fn check_cpu(&self, number: &Number<'_>, part: &str, reuse: &str) {
        let name = match part {
            "server, user" => "load_server_user_cpu",
            "server, system" => "load_server_system_cpu",
            "server" => "load_server_cpu",
            "containers" => "load_cgroup_cpu",
            "shims" => "load_helpers_cpu",
            "daemons" => "load_daemon_cpu",
            other => panic!("nothing says what {other} is"),
        };
        self.is(number, name, &self.best(number, reuse));
    }

    pub(super) fn check_glance(&self, chart: &ChartTable, of: &Number<'_>, line: &str) {
        let of = &Number { group: line, ..*of };
        match chart.title.as_str() {
            "start, median" => self.is_with_interval(of, "start_p50", &Settings::default()),
            "memory per live instance" => {
                let settings = Settings { invocations: self.invocations(of.group), ..Settings::default() };
                self.is_with_interval(of, "memory_slope", &settings);
            }
            "requests/s, warm instances" => self.is_with_interval(of, "load_rate", &self.best(of, "warm")),
            "requests/s, a fresh instance each" => {
                self.is_with_interval(of, "load_rate", &self.best(of, "fresh"));
            }
            other => panic!("nothing says what {other} is"),
        }
    }

    pub(super) fn check_cold(&self, of: &Number<'_>, line: &str) {
        let cached = |is_cached| Settings { cached: Some(is_cached), ..Settings::default() };
        let (name, settings) = match line {
            "prepare, nothing cached" => ("prepare_p50", cached(false)),
            "prepare, artifact cached" => ("prepare_p50", cached(true)),
            "answer, cold host" => ("response_p50", Settings::cold(Cold::Host, None)),
            "answer, cold function, nothing cached" => {
                ("response_p50", Settings::cold(Cold::Function, Some(false)))
            }
            "answer, cold function, artifact cached" => {
                ("response_p50", Settings::cold(Cold::Function, Some(true)))
            }
            "answer, cold instance" => ("response_p50", Settings::cold(Cold::Instance, None)),
            "answer, warm instance" => ("response_p50", Settings::reuse("warm")),
            other => panic!("nothing says what {other} is"),
        };
        self.is_with_interval(of, name, &settings);
    }

    /// Start, memory and highest rate are the figures, and stand in the table of boundaries.
    pub(super) fn check_boundary(&self, line: &[String]) {
        let number = |text| Number { group: &line[0], executor: &line[1], text };
        let invocations = self.invocations(&line[0]);
        let memory = Settings { invocations, ..Settings::default() };
        self.is(&number(&line[2]), "start_p50", &Settings::default());
        self.is(&number(&line[3]), "memory_slope", &memory);
        self.is(&number(&line[4]), "load_rate", &self.best(&number(&line[4]), "warm"));
        let tables = self.sections.iter().flat_map(|section| &section.tables);
        let (function, variant) = line[0].split_once(" · ").unwrap();
        let title = format!("The cost of each boundary: `{function}`, variant `{variant}`");
        let table = tables.into_iter().find(|table| table.title == title).expect("a chart has its table");
        let is_same = |cells: &&Vec<String>| {
            let start = cells[1].split(" [").next();
            cells[0] == format!("`{}`", line[1]) && start == Some(&line[2]) && cells[2..4] == line[3..5]
        };
        assert!(table.lines.iter().any(|cells| is_same(&cells)), "{line:?} is not in {table:?}");
    }

    /// The ratio stands in the table of A/A pairs.
    pub(super) fn check_twins(&self, chart: &ChartTable, of: &Number<'_>) {
        let pairs =
            self.sections.iter().flat_map(|section| &section.tables).find(|table| table.name == "pairs");
        let executor = format!("`{}`", of.executor);
        let ratios: Vec<_> = pairs.unwrap().lines.iter().filter(|line| line[1] == executor).collect();
        assert!(ratios.iter().any(|line| line[5] == of.text), "{}: {} of {ratios:?}", chart.title, of.text);
    }

    /// The highest count of invocations after which every executor of a group with a slope of memory
    /// has one.
    fn invocations(&self, group: &str) -> Option<u64> {
        let of_group = self.figures.iter().filter(|((name, _), _)| name == group);
        let counts = of_group.map(|(_, figures)| {
            let slopes = figures.iter().filter(|figure| figure.figure == "memory_slope");
            slopes.filter_map(|slope| slope.settings.invocations).collect::<BTreeSet<u64>>()
        });
        let counts = counts.filter(|counts| !counts.is_empty());
        counts.reduce(|shared, counts| &shared & &counts)?.into_iter().max()
    }

    /// Every reading after the count of invocations at which executors are compared is a mark, and the notes are the figures of the line.
    pub(super) fn check_growth(&self, chart: &ChartTable) -> usize {
        let mut marks: Vec<_> = chart.lines.iter().map(|line| line[..4].to_vec()).collect();
        let mut readings: Vec<Vec<String>> = Vec::new();
        let of_memory = || self.folder.rows.iter().filter(|row| row.phase == "memory" && row.twin.is_none());
        for row in of_memory().filter(|row| row.metric == "pss_bytes" && row.live_instances > Some(0)) {
            let of_block = || {
                let block = (&row.executor, &row.function, &row.variant);
                of_memory().filter(move |other| (&other.executor, &other.function, &other.variant) == block)
            };
            let group = format!("{} · {}", row.function, row.variant);
            if row.invocations != self.invocations(&group) {
                continue;
            }
            let at = (row.repetition, row.sample, row.live_instances, row.invocations);
            let parts = of_block().filter(|other| {
                let is_part = [
                    "pss_bytes",
                    "cgroup_bytes",
                    "helpers_pss_bytes",
                    "page_tables_bytes",
                    "helpers_page_tables_bytes",
                ]
                .contains(&other.metric.as_str());
                is_part && (other.repetition, other.sample, other.live_instances, other.invocations) == at
            });
            let bytes: u64 = parts.map(|part| part.value).sum();
            readings.push(vec![
                group,
                self.summary.short_name(&row.executor).to_owned(),
                row.live_instances.unwrap().to_string(),
                Unit::Bytes.show(bytes as f64),
            ]);
        }
        marks.sort();
        readings.sort();
        assert_eq!(marks, readings);
        for (group, note) in &chart.notes {
            let (executor, note) = note.trim().split_once(": ").unwrap();
            let invocations = self.invocations(group);
            let mut slopes = self.named(group, executor, "memory_slope");
            let slope = slopes.find(|slope| slope.settings.invocations == invocations).unwrap();
            let of = Number { group, executor, text: note };
            let intercept = self.figure(&of, "memory_intercept", &slope.settings);
            assert_eq!(note, format!("{} each, from {}", value(slope), value(intercept)));
        }
        marks.len() + 2 * chart.notes.len()
    }

    /// Every block's calibration, to the median that the table of the host shows.
    pub(super) fn check_calibration(&self, chart: &ChartTable) -> usize {
        let median_ns = self.summary.calibration.as_ref().unwrap().median_ns;
        let mut rows: Vec<_> = self.folder.rows.iter().filter(|row| row.executor == HOST).collect();
        rows.sort_by_key(|row| (row.repetition, row.sample));
        let shown: Vec<_> = chart.lines.iter().map(|line| line[3].clone()).collect();
        let expected: Vec<_> = rows.iter().map(|row| units::ratio(row.value as f64 / median_ns)).collect();
        assert_eq!(shown, expected);
        shown.len()
    }
}
