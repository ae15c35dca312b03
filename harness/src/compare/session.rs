//! One comparison from its beginning to its end.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use isolab_outbound::origin::Origin;
use isolab_reports::paired::{Paired, PairedMetric, words};
use isolab_reports::{Run, RunStatus};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::pair::{self, PairPlan};
use super::record::ComparisonRecord;
use super::request::ComparisonRequest;
use super::side::{SidePlace, SideSetup};
use super::survey::{SideFacts, survey};
use super::window::WindowPlan;
use crate::exit::{BadInput, Interrupted};
use crate::host::affinity::{self, Pinning};
use crate::host::machine::Build;
use crate::host::probes::counters;
use crate::server::origin;
use crate::session::caches::Caches;
use crate::{executors, guests, interrupt};

/// A comparison that has ended.
pub struct Compared {
    /// The result, of the pairs that were measured.
    pub paired: Paired,
    /// The record.
    pub run: Run,
    /// Its folder.
    pub dir: PathBuf,
}

impl Compared {
    /// For people: the finding first.
    pub fn lines(&self) -> Vec<String> {
        words::lines(&self.paired, &self.run)
    }

    /// Whether the user stopped it.
    pub fn is_interrupted(&self) -> bool {
        self.run.status == RunStatus::Interrupted
    }
}

/// Measures pairs until the result is settled, or the time is over. An interrupt keeps what was
/// measured.
///
/// # Errors
/// If a side cannot run, or a measurement fails. Rows that were written stay.
pub fn run(request: &ComparisonRequest, dir: &Path, id: &str) -> Result<Compared> {
    let uncounted = counters::available().err().map(|refused| refused.to_string());
    if let (PairedMetric::Instructions, Some(reason)) = (request.metric, &uncounted) {
        return Err(BadInput::because(format!("instructions cannot be counted: {reason}")));
    }
    let is_counting = uncounted.is_none();
    let mut record = ComparisonRecord::begin(dir, id, request, uncounted)?;
    let dir = record.folder().dir().to_owned();
    interrupt::listen()?;
    let mut begun = None;
    let measured = measure(request, id, is_counting, &mut record, &mut begun);
    // After an interrupt, any error is a consequence of it.
    let measured = if interrupt::is_requested() { Err(Interrupted.into()) } else { measured };
    executors::sweep(request.sides.iter().map(|side| &side.spec), id)
        .map_or_else(|error| tracing::debug!("nothing was swept: {error:#}"), drop);
    let elapsed = begun.map_or(Duration::ZERO, |begun: Instant| begun.elapsed());
    let paired = record.paired(request);
    let (status, reason) = match &measured {
        Ok(()) => (RunStatus::Complete, None),
        Err(error) if error.is::<Interrupted>() => (RunStatus::Interrupted, None),
        Err(error) => (RunStatus::Failed, Some(format!("{error:#}"))),
    };
    let run = record.finish(status, elapsed, reason.as_deref())?;
    if status == RunStatus::Failed {
        println!("{}", dir.display());
        measured?;
    }
    Ok(Compared { paired, run, dir })
}

fn measure(
    request: &ComparisonRequest,
    id: &str,
    is_counting: bool,
    record: &mut ComparisonRecord,
    begun: &mut Option<Instant>,
) -> Result<()> {
    let caches = Caches::make(None)?;
    let pinning = Pinning::choose(request.placement());
    let functions = request.sides.iter().map(|side| &side.function);
    let origin = origin::start_for(functions, pinning.map(|pinning| pinning.load_cpu))?;
    let address = origin.as_ref().map(Origin::address);
    let logs = ["first", "second"].map(|side| record.folder().log(side));
    let places = [0, 1].map(|index| {
        let side = &request.sides[index];
        let place = place(side, &caches, pinning, id, logs[index].clone(), index)?;
        Ok(SidePlace { origin: address, ..place })
    });
    let [first, second]: [Result<_>; 2] = places;
    let places = [first?, second?];
    let [first, second] = [0, 1].map(|index| survey(&request.sides[index], &places[index], request.reuse));
    let facts = [first?, second?];
    record.set_executors(request, &facts)?;
    let is_outside = facts.iter().any(|side| side.is_outside);
    let build = Build::look().summary();
    let plan = PairPlan {
        request,
        places: &places,
        windows: WindowPlan {
            metric: request.metric,
            is_spinning: origin.is_none() && is_spinning(pinning, &facts),
            answer: facts[0].answer.max(facts[1].answer),
        },
        has_control: is_outside || request.metric == PairedMetric::Start,
        is_outside,
        is_counting,
        build: &build,
    };
    if let Some(pinning) = pinning {
        affinity::pin(pinning.load_cpu)?;
    }
    let bar = progress(request.budget);
    let start = *begun.insert(Instant::now());
    let mut random = StdRng::seed_from_u64(request.seed);
    for pair in 0.. {
        pair::measure(&plan, pair, &mut random, |rows| record.write(rows))?;
        let paired = record.paired(request);
        let elapsed = start.elapsed();
        bar.set_position(elapsed.as_secs());
        bar.set_message(words::sentence(
            &paired.result,
            request.metric,
            &request.sides[1].label,
            "this time",
        ));
        let each = elapsed / u32::try_from(pair + 1).unwrap_or(u32::MAX);
        if paired.result.is_settled() || elapsed + each > request.budget {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Whether the load generator has a processor to itself.
fn is_spinning(pinning: Option<Pinning>, facts: &[SideFacts; 2]) -> bool {
    let is_outside = facts.iter().any(|side| side.is_outside);
    pinning.is_some_and(|pinning| pinning.guest_cpu.is_some() || !is_outside)
}

fn progress(budget: Duration) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("comparing {pos}/{len} s [{bar:30}] {wide_msg}");
    ProgressBar::new(budget.as_secs()).with_style(style.expect("the template is valid").progress_chars("=> "))
}

/// Builds the guests of a side, and makes a folder for its artifacts.
///
/// # Errors
/// If a guest cannot be built.
pub fn place(
    side: &SideSetup,
    caches: &Caches,
    pinning: Option<Pinning>,
    id: &str,
    log: PathBuf,
    index: usize,
) -> Result<SidePlace> {
    interrupt::check()?;
    let folder = caches.path().join(format!("guests-{index}"));
    std::fs::create_dir_all(&folder).context("cannot make a folder for guests")?;
    build_guests(side, &folder).with_context(|| format!("guests of {}", side.label))?;
    Ok(SidePlace {
        cache: caches.fresh()?,
        guests: folder.join("index"),
        log,
        pinning,
        run_id: id.to_owned(),
        origin: None,
    })
}

/// This build makes the guests of one variant by itself; another build is asked to make its own.
fn build_guests(side: &SideSetup, folder: &Path) -> Result<()> {
    if side.binary == std::env::current_exe().context("cannot find this binary")? {
        let steps = guests::steps([&side.spec], std::slice::from_ref(&side.function), &[side.variant]);
        let lines: Result<String> = steps.iter().map(|step| Ok(step.build()?.guest.index_line())).collect();
        return std::fs::write(folder.join("index"), lines?).context("cannot write the index of guests");
    }
    let function = side.function_path.clone().unwrap_or_else(|| side.function.name().into());
    let mut command = Command::new(&side.binary);
    command.arg("build").arg("--executor").arg(side.spec.name()).arg("--function").arg(function);
    let output = command.arg("--out").arg(folder).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{} build: {}", side.binary.display(), said.trim_end());
    Ok(())
}
