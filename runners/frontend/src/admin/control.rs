//! The pages that experiments use: every phase since they last asked, and an exact
//! number of live instances.

use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use isolab_core::{Cause, Error, Outside, Phase};
use serde::{Deserialize, Serialize};

use crate::admin::pages;
use crate::http::body;
use crate::http::problem::{self, Problem};
use crate::http::timing::EXECUTOR;
use crate::lifecycle::Live;
use crate::pool::Pool;
use crate::pool::lease::Lease;
use crate::route;
use crate::worker::Worker;

/// How many phases were lost before the first line, because nobody asked in time.
const LOST: HeaderName = HeaderName::from_static("x-isolab-lost");

/// Answers a request for a page that is only there with
/// [`Config::control`](crate::Config::control).
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    page: &str,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Problem> {
    match (page.split_once('/'), request.method()) {
        (None, &Method::GET) if page == "phases" => Ok(phases(worker)),
        (None, method) if page == "phases" => Err(pages::wrong_method(method, "GET")),
        (Some(("instances", name)), &Method::PUT) => instances(worker, name, request).await,
        (Some(("instances", _)), method) => Err(pages::wrong_method(method, "PUT")),
        _ => Err(pages::unknown(page)),
    }
}

fn phases(worker: &Worker) -> Response<Bytes> {
    let shared = &worker.shared;
    let recorder = shared.recorder.as_ref().expect("there is a recorder wherever there is control");
    let (entries, lost) = recorder.drain();
    let mut lines = Vec::with_capacity(entries.len() * 256);
    for entry in &entries {
        let route = shared.routes.iter().find(|route| route.index == entry.route);
        recorder.write(entry, route.expect("phases are recorded of routes"), &mut lines);
    }
    let mut response = pages::page("application/jsonl", lines);
    response.headers_mut().insert(LOST, HeaderValue::from(lost));
    response
}

/// What is wanted of `PUT /-/instances/{function}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// How many idle instances there shall be. Phases of those that have to be started
    /// for it are not recorded: the record would take memory that is being measured.
    live: usize,
    /// How often each new one is invoked with the function's load case, unrecorded.
    #[serde(default)]
    invocations: u64,
    /// How often all of them are then invoked with it, one after the other.
    #[serde(default)]
    rounds: u64,
}

#[derive(Default, Serialize)]
struct There {
    live: usize,
    /// By instance; `null` where the model does not tell.
    model_bytes: Vec<Option<u64>>,
    outside: Vec<OutsidePage>,
}

#[derive(Serialize)]
struct OutsidePage {
    cgroups: Vec<PathBuf>,
    helpers: Vec<u32>,
}

async fn instances(
    worker: &Rc<Worker>,
    name: &str,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Problem> {
    let (head, mut received) = request.into_parts();
    let path = format!("/{name}");
    let (name, _) = route::split(&path);
    let route = worker.shared.routes.find(&name, head.headers.get(EXECUTOR))?;
    let body = body::receive(&mut received, &worker.shared.config.bounds).await?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(&problem::BAD_REQUEST, format!("the body is not as it should be: {error}"))
    })?;

    let pool = worker.pool(route);
    pool.prepare().await?;
    check(pool, &wanted)?;
    while pool.idle_len() > wanted.live {
        let Some(slot) = pool.pop_idle() else { break };
        pool.stop(slot).await;
    }
    pool.record(false);
    let started = start_up_to(pool, &wanted).await;
    pool.record(true);
    started?;
    for _ in 0..wanted.rounds {
        each_once(pool).await?;
    }
    // Instances of earlier requests may still be stopping; they must not be counted.
    worker.tasks.all_ended().await;
    Ok(pages::json(&take_stock(pool)))
}

fn check(pool: &Pool, wanted: &Wanted) -> Result<(), Problem> {
    let function = &pool.route.function;
    let bad = |detail: String| Err(Problem::new(&problem::BAD_REQUEST, detail));
    let most_wanted = wanted.invocations.saturating_add(wanted.rounds);
    if most_wanted > 0 && function.load_case().is_none() {
        return bad(format!("`{}` has no case to invoke an instance with", function.name()));
    }
    match pool.max_uses() {
        Some(most) if most_wanted > most => {
            bad(format!("an instance of `{}` can be invoked {most} times at most", function.name()))
        }
        _ => Ok(()),
    }
}

async fn start_up_to(pool: &Rc<Pool>, wanted: &Wanted) -> Result<(), Problem> {
    while pool.idle_len() < wanted.live {
        start(pool, wanted.invocations).await?;
    }
    Ok(())
}

/// Starts one instance, invokes it, and leaves it idle.
async fn start(pool: &Rc<Pool>, invocations: u64) -> Result<(), Problem> {
    let place = pool.try_place().ok_or_else(|| {
        let cause = Cause::OverCapacity("no place for one more instance".into());
        Error::new(Phase::Start, &pool.route.served.spec, pool.route.function.name(), cause)
    })?;
    let mut lease = pool.start(place).await?;
    for _ in 0..invocations {
        invoke(pool, &mut lease).await?;
    }
    lease.keep();
    Ok(())
}

/// Invokes every idle instance once.
async fn each_once(pool: &Rc<Pool>) -> Result<(), Problem> {
    let mut leases = Vec::with_capacity(pool.idle_len());
    while let Some(lease) = pool.lease_idle() {
        leases.push(lease);
    }
    for lease in &mut leases {
        invoke(pool, lease).await?;
    }
    leases.into_iter().for_each(Lease::keep);
    Ok(())
}

/// Invokes an instance with the function's load case, and compares its answer.
async fn invoke(pool: &Pool, lease: &mut Lease) -> Result<(), Problem> {
    let function = &pool.route.function;
    let case = function.load_case().expect("it was checked that there is a case");
    let timed = lease.begin().invoke(case.request.clone()).await;
    lease.end(&timed.value, timed.duration, &timed.laps);
    case.check(&timed.value?).map_err(|difference| {
        let wrong = Cause::InvalidResponse(format!("case {}: {difference}", case.name));
        Error::new(Phase::Invoke, &pool.route.served.spec, function.name(), wrong)
    })?;
    Ok(())
}

fn take_stock(pool: &Pool) -> There {
    let mut there = There { live: pool.idle_len(), ..There::default() };
    pool.each_idle(|live: &mut Live| {
        let Outside { cgroups, helpers } = live.outside();
        there.model_bytes.push(live.memory().model_bytes);
        there.outside.push(OutsidePage { cgroups, helpers });
    });
    there
}
