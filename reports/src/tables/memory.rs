//! The memory of live instances.

use std::collections::BTreeSet;

use super::cells::{against, figure, value};
use super::code;
use super::{NONE, Table, head};
use crate::figures::{DENSITY, Figure, Figures, Group, HANDLES, MEMORY_SLOPE, Settings};
use crate::rows::row::Limit;
use crate::words::units;

/// The memory of one more instance, for every count of invocations.
pub(super) fn slopes(group: &Group) -> Table {
    let mut lines = Vec::new();
    for executor in &group.executors {
        for slope in executor.named(MEMORY_SLOPE) {
            let best = group.best(|executor| executor.figure(MEMORY_SLOPE, &slope.settings));
            let beside = |name: &str| executor.figure(name, &slope.settings);
            lines.push(vec![
                code(executor),
                invoked(&slope.settings),
                figure(Some(slope)),
                against(group, Some(slope), best),
                fit(executor, &slope.settings),
                figure(beside("memory_top_slope")),
                figure(beside("memory_intercept")),
                figure(executor.figure("memory_idle", &Settings::default())),
                value(beside("memory_most_live")),
            ]);
        }
    }
    Table {
        name: "memory",
        title: "Memory per live instance".into(),
        head: head(&[
            "executor",
            "invoked before",
            "per live instance",
            "against the best",
            "the line",
            "between the two highest numbers",
            "intercept",
            "without instances",
            "most live instances",
        ]),
        names: 2,
        lines,
        note:
            "Memory per live instance is the slope of the host's memory over one and more live instances: a \
               least-squares line for each repetition, and the mean of their slopes. The intercept is where \
               that line meets zero instances. Intervals are Student's. With one repetition they cover the \
               noise of the regression, with several also the differences between repetitions. The greatest \
               residual is the mean of the repetitions' distances from their lines, in percent of the growth over \
               all numbers of live instances. Beyond 5 % the line does not fit, unless the scatter between \
               repetitions explains the residuals (an F test of lack of fit at 5 %). Then one more instance costs \
               most nearly the slope between the two highest numbers. The host's memory is the server's \
               proportional set size and page tables, control groups without inactive file pages, and helper \
               processes."
                .into(),
        is_detail: false,
    }
}

/// Whether the points of a slope lie on a line.
fn fit(executor: &Figures, settings: &Settings) -> String {
    let Some(misfit) = executor.misfit(settings.invocations) else { return NONE.to_owned() };
    let words = if misfit.fits() { "fits" } else { "does not fit" };
    format!("{words}: {} off at {:.0} live", units::percent(misfit.part), misfit.at)
}

/// The slopes of all readings, side by side.
pub(super) fn readings(group: &Group) -> Table {
    let mut lines = Vec::new();
    for executor in &group.executors {
        for slope in executor.named(MEMORY_SLOPE) {
            let beside =
                |reading: &str| figure(executor.figure(&format!("{reading}_slope"), &slope.settings));
            lines.push(vec![
                code(executor),
                invoked(&slope.settings),
                figure(Some(slope)),
                beside("memory_private"),
                beside("memory_cgroup"),
                beside("memory_helpers"),
                beside("memory_page_tables"),
                beside("memory_model"),
            ]);
        }
    }
    Table {
        name: "memory_readings",
        title: "Memory per live instance by reading".into(),
        head: head(&[
            "executor",
            "invoked before",
            "host, total",
            "server, private",
            "control group",
            "helpers",
            "page tables",
            "as the engine reports",
        ]),
        names: 2,
        lines,
        note: "Slopes, as in the table of memory per live instance. Private memory is what the host would get back \
               if the server's process ended. Page tables are those of server and helpers; the total holds them, and a \
               control group counts its own. The engine reports its own account, shown to compare."
            .into(),
        is_detail: true,
    }
}

/// The number of instances that fit.
pub(super) fn density(group: &Group) -> Table {
    let settings = Settings::default();
    let best = group.best(|executor| executor.figure(DENSITY, &settings));
    let line = |executor: &Figures| {
        let instances = executor.figure(DENSITY, &settings)?;
        let limits: Vec<&str> = executor.limits.iter().map(|limit| name(*limit)).collect();
        let limits = if limits.is_empty() { NONE.to_owned() } else { limits.join(", ") };
        let mut cells =
            vec![code(executor), figure(Some(instances)), against(group, Some(instances), best), limits];
        cells.extend(HANDLES.map(|name| value(last(executor, name))));
        Some(cells)
    };
    Table {
        name: "density",
        title: "Density: how many instances fit".into(),
        head: head(&[
            "executor",
            "live instances",
            "against the best",
            "ended by",
            "addresses",
            "descriptors",
            "threads",
        ]),
        names: 1,
        lines: group.executors.iter().filter_map(line).collect(),
        note:
            "Instances were started until their memory, or the 99th percentile of the latency of all of them \
               in turn, passed the limit that the settings below name. Where the maximum of instances or the \
               time limit ended the search, more would fit: the number is a lower bound, and nothing is compared \
               with it. Addresses, descriptors and threads are those of server, instances and helpers at the \
               greatest number that was tried."
                .into(),
        is_detail: true,
    }
}

/// The figure of that name at the greatest number of live instances.
fn last<'a>(executor: &'a Figures, name: &'static str) -> Option<&'a Figure> {
    executor.named(name).max_by_key(|figure| figure.settings.live_instances)
}

fn name(limit: Limit) -> &'static str {
    match limit {
        Limit::Memory => "memory",
        Limit::Latency => "latency",
        Limit::Instances => "maximum of instances",
        Limit::Time => "time limit",
        Limit::Refused => "a start that failed",
    }
}

/// The head of a column of memory, with the count of invocations at which each of the groups is
/// compared.
pub(crate) fn after(name: &str, groups: &[&Group]) -> String {
    let counts = groups.iter().flat_map(|group| &group.executors).filter_map(|one| one.invocations);
    let counts: BTreeSet<u64> = counts.collect();
    let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
    let plural = if counts == ["1"] { "" } else { "s" };
    if counts.is_empty() {
        name.to_owned()
    } else {
        format!("{name} after {} invocation{plural}", counts.join(" or "))
    }
}

fn invoked(settings: &Settings) -> String {
    settings.invocations.map_or_else(|| NONE.to_owned(), |count| format!("{count}×"))
}
