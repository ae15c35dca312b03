//! Two servers that are alive at the same time, one of each side, and their quads.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_core::Reuse;
use isolab_reports::Row;
use isolab_reports::paired::effects::PHASE;
use isolab_reports::row::Side;
use procfs::process::Task;
use rand::Rng;
use rand::rngs::StdRng;

use super::request::ComparisonRequest;
use super::side::{SidePlace, SideSetup};
use super::window::{WindowPlan, WindowRows};
use crate::host::probes::counters::ProcessCounters;
use crate::host::probes::places::{Passing, Places};
use crate::host::probes::process;
use crate::http1::Wire;
use crate::interrupt;
use crate::load::Expected;
use crate::measure::identity;
use crate::server::child::Child;
use crate::server::control;

/// How long a pair of servers is measured: several times the time that it takes to start them.
const PAIR: Duration = Duration::from_secs(2);
/// Quads of a pair, however long they take.
const FEWEST: u64 = 2;
/// Sides in the order of a quad's windows, or the other way round.
const QUAD: [Side; 4] = [Side::First, Side::Second, Side::Second, Side::First];

/// A running server of one side.
pub struct Server<'a> {
    /// Its side.
    pub side: &'a SideSetup,
    /// Its process.
    pub child: Child,
    /// The request that it gets.
    pub request: Wire,
    /// The answer that it must give.
    pub expected: Expected,
    /// Where it spends CPU time.
    pub places: Places,
    /// The thread that serves, if the kernel shows which one it is.
    pub worker: Option<Task>,
    /// The processor's counters of its process, where the machine has them.
    pub counters: Option<ProcessCounters>,
}

/// Everything that all pairs of a comparison have in common.
#[derive(Clone, Debug)]
pub struct PairPlan<'a> {
    /// The request.
    pub request: &'a ComparisonRequest,
    /// The places of each side's servers.
    pub places: &'a [SidePlace; 2],
    /// How windows are measured.
    pub windows: WindowPlan,
    /// Whether servers need their control pages: they cost a little with every request.
    pub has_control: bool,
    /// Whether instances are outside of the servers' processes.
    pub is_outside: bool,
    /// Whether the machine counts instructions.
    pub is_counting: bool,
    /// How the measuring binary was built.
    pub build: &'a str,
}

/// The rows of one window, with everything that tells them apart.
fn rows(plan: &PairPlan<'_>, side: Side, at: [u64; 3], window: WindowRows) -> Vec<Row> {
    let setup = &plan.request.sides[index(side)];
    let [pair, quad, order] = at;
    let row = |(metric, value): (String, u64)| Row {
        executor: format!("{:#}", setup.spec),
        function: setup.function.name().to_owned(),
        variant: setup.variant.to_string(),
        reuse: Some(plan.request.reuse.to_string()),
        sample: quad,
        phase: PHASE.into(),
        metric,
        value,
        connections: Some(plan.windows.connections() as u64),
        pair: Some(pair),
        side: Some(side),
        order: Some(order),
        build: plan.build.to_owned(),
        ..Row::default()
    };
    window.into_iter().map(row).collect()
}

fn index(side: Side) -> usize {
    match side {
        Side::First => 0,
        Side::Second => 1,
    }
}

/// Starts two servers, measures their quads, and stops them. Each window's rows go to `write` as
/// soon as they are measured.
///
/// # Errors
/// If a server does not start, an answer is faulty, or a row cannot be written.
pub fn measure(
    plan: &PairPlan<'_>,
    pair: u64,
    random: &mut StdRng,
    mut write: impl FnMut(Vec<Row>) -> Result<()>,
) -> Result<()> {
    // The order of their start alternates by chance, too: the second finds warmer files.
    let is_turned: bool = random.random();
    let mut servers: Vec<Server<'_>> = if is_turned {
        let second = start(plan, 1)?;
        vec![start(plan, 0)?, second]
    } else {
        vec![start(plan, 0)?, start(plan, 1)?]
    };
    let [first, second] = &mut servers[..] else { anyhow::bail!("a pair has two servers") };
    let begun = Instant::now();
    let mut quad = 0;
    while quad < FEWEST || begun.elapsed() < PAIR {
        let is_turned: bool = random.random();
        for (order, side) in (0..).zip(QUAD) {
            interrupt::check()?;
            let is_first = (side == Side::First) != is_turned;
            let (side, measured) = if is_first {
                (Side::First, plan.windows.measure(first, second))
            } else {
                (Side::Second, plan.windows.measure(second, first))
            };
            write(rows(plan, side, [pair, quad, order], measured?))?;
        }
        quad += 1;
    }
    servers.into_iter().try_for_each(|server| server.child.stop())
}

fn start<'a>(plan: &PairPlan<'a>, index: usize) -> Result<Server<'a>> {
    let (side, place) = (&plan.request.sides[index], &plan.places[index]);
    let child = side.spawn(place, plan.request.reuse, plan.has_control)?;
    let request = Wire::of_case(side.case(), side.function.name(), &child.address().to_string())?;
    let first = child.connect()?.send(&request)?;
    identity::compare(side.case(), &first.response)?;
    let body = side.case().expected_body();
    let expected = Expected {
        status: first.response.status().as_u16(),
        is_strict: body.is_some(),
        body: body.cloned().unwrap_or_default(),
    };
    let places = places(plan, side, &child)?;
    let mut server = Server { side, child, request, expected, places, worker: None, counters: None };
    plan.windows.warm_up(&server)?;
    server.worker = process::busiest_thread(server.child.pid());
    if plan.is_counting {
        let opened = ProcessCounters::open(server.child.pid());
        server.counters = Some(opened.with_context(|| format!("counters of {}", side.label))?);
    }
    Ok(server)
}

/// Where a server spends CPU time: in its process, and in the containers of its instances. Warm
/// ones are started first, one for each connection; the group around them counts those that come
/// and go, without their helpers.
fn places(plan: &PairPlan<'_>, side: &SideSetup, child: &Child) -> Result<Places> {
    if !plan.is_outside || !plan.has_control {
        return Ok(Places::child(child.pid()));
    }
    let mut client = child.connect()?;
    let is_fresh = plan.request.reuse == Reuse::Fresh;
    let live = if is_fresh { 1 } else { plan.windows.connections() as u64 };
    let instances = control::instances(&mut client, side.function.name(), live, u64::from(!is_fresh))?;
    if !is_fresh {
        return Ok(control::places(child.pid(), &instances));
    }
    control::instances(&mut client, side.function.name(), 0, 0)?;
    let around = instances.outside.into_iter().next().unwrap_or_default().around;
    Ok(Places { cgroups: around, passing: Some(Passing::Uncounted), ..Places::child(child.pid()) })
}
