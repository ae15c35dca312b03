//! The pages for experiments: every phase since the last call, and an exact number of
//! live instances.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use isolab_core::laps::nanoseconds;
use isolab_core::{Cause, Phase};

use super::api::{self, Instances, PhaseLine, SetInstances};
use super::pages;
use crate::http::body;
use crate::http::problem::{self, Problem};
use crate::http::timing::EXECUTOR;
use crate::lifecycle::{Clock, Live};
use crate::pool::Pool;
use crate::pool::lease::Lease;
use crate::route::{self, Route};
use crate::state::WorkerState;
use crate::telemetry::record::{Entry, Recorder};

/// Answers a request for a page that exists only with
/// [`Config::control`](crate::Config::control).
pub(crate) async fn answer(
    worker: &Rc<WorkerState>,
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

fn phases(worker: &WorkerState) -> Response<Bytes> {
    let server = &worker.server;
    let recorder = server.pools.recorder.as_ref().expect("a server with control has a recorder");
    let (entries, lost) = recorder.drain();
    let routes = server.routes();
    let routes: HashMap<_, _> = routes.iter().map(|route| (route.index, route)).collect();
    let mut lines = Vec::with_capacity(entries.len() * 256);
    for entry in &entries {
        // A function that has changed has no phases of interest.
        let Some(route) = routes.get(&entry.route) else { continue };
        let line = line(recorder, entry, route);
        serde_json::to_writer(&mut lines, &line).expect("a struct of text and numbers serialises");
        lines.push(b'\n');
    }
    let mut response = pages::page("application/jsonl", lines);
    response.headers_mut().insert(HeaderName::from_static(api::LOST), HeaderValue::from(lost));
    response
}

fn line(recorder: &Recorder, entry: &Entry, route: &Route) -> PhaseLine {
    let artifact = entry.artifact.as_deref();
    PhaseLine {
        executor: route.served.spec.clone(),
        function: route.function.name().to_owned(),
        variant: route.variant,
        instance: entry.instance.map(|(id, _)| id),
        uses: entry.instance.map(|(_, uses)| uses),
        phase: entry.phase,
        duration_ns: nanoseconds(entry.duration),
        waiting_ns: nanoseconds(entry.waited),
        begun_ns: recorder.begun_ns(entry),
        laps: entry.laps.iter().map(|(lap, duration)| ((*lap).to_owned(), nanoseconds(*duration))).collect(),
        cached: artifact.map(|artifact| artifact.cached),
        artifact_bytes: artifact.map(|artifact| artifact.bytes),
        source_digest: artifact.map(|artifact| artifact.source_digest.clone()),
        failed: entry.failed.map(str::to_owned),
    }
}

async fn instances(
    worker: &Rc<WorkerState>,
    name: &str,
    request: Request<Incoming>,
) -> Result<Response<Bytes>, Problem> {
    let (head, mut received) = request.into_parts();
    let path = format!("/{name}");
    let (name, len) = route::split(&path);
    if len < path.len() {
        return Err(pages::unknown(&format!("instances{path}")));
    }
    let pool = &worker.find(&name, head.headers.get(EXECUTOR))?;
    let server = &worker.server;
    let body = body::receive(&mut received, &server.config.bounds, &server.bodies).await?.bytes;
    let wanted: SetInstances = serde_json::from_slice(&body).map_err(|error| {
        let detail =
            format!("the body is not a JSON object with `live`, `invocations` and `rounds`: {error}");
        Problem::new(&problem::BAD_REQUEST, detail)
    })?;

    pool.prepare().await?;
    check(pool, wanted)?;
    while pool.idle_len() as u64 > wanted.live {
        let Some(slot) = pool.pop_idle() else { break };
        pool.stop(slot).await;
    }
    let mut exercise = Exercise { pool, invocations: 0 };
    let unrecorded = Unrecorded::begin(pool);
    exercise.start_up_to(wanted).await?;
    drop(unrecorded);
    for _ in 0..wanted.rounds {
        exercise.invoke_each().await?;
    }
    // Instances of earlier requests may still be stopping; they must not be counted.
    worker.tasks.all_ended().await;
    Ok(pages::json(&take_stock(pool)))
}

fn check(pool: &Pool, wanted: SetInstances) -> Result<(), Problem> {
    let function = &pool.route.function;
    let bad = |detail: String| Err(Problem::new(&problem::BAD_REQUEST, detail));
    let uses = wanted.invocations.saturating_add(wanted.rounds);
    let places = pool.places() as u64;
    if wanted.live > places {
        let cause = Cause::OverCapacity(format!("the server has places for {places} instances"));
        return Err(pool.route.error(Phase::Start, cause).into());
    }
    match pool.max_uses() {
        Some(most) if uses > most => bad(format!(
            "an instance of `{}` can be invoked {most} times at most, not {uses} times",
            function.name()
        )),
        _ => Ok(()),
    }
}

/// No phase of the pool is recorded until this is dropped, also if the client leaves.
struct Unrecorded<'a>(&'a Pool);

impl<'a> Unrecorded<'a> {
    fn begin(pool: &'a Pool) -> Self {
        pool.record(false);
        Self(pool)
    }
}

impl Drop for Unrecorded<'_> {
    fn drop(&mut self) {
        self.0.record(true);
    }
}

/// Starts and invokes instances of one pool.
struct Exercise<'a> {
    pool: &'a Rc<Pool>,
    invocations: u64,
}

impl Exercise<'_> {
    /// After this many invocations other connections are served, and the client may have
    /// left: an instance need not ever wait.
    const TURN: u64 = 64;

    async fn start_up_to(&mut self, wanted: SetInstances) -> Result<(), Problem> {
        while (self.pool.idle_len() as u64) < wanted.live {
            self.start(wanted.invocations).await?;
        }
        Ok(())
    }

    /// Starts one instance, invokes it, and leaves it idle.
    async fn start(&mut self, invocations: u64) -> Result<(), Problem> {
        let place = self.pool.try_place().ok_or_else(|| {
            let cause = Cause::OverCapacity("all places for instances are in use".into());
            self.pool.route.error(Phase::Start, cause)
        })?;
        let mut lease = self.pool.start(place, false).await?;
        for _ in 0..invocations {
            self.invoke(&mut lease).await?;
        }
        lease.keep();
        Ok(())
    }

    /// Invokes every idle instance once.
    async fn invoke_each(&mut self) -> Result<(), Problem> {
        let mut leases = Vec::with_capacity(self.pool.idle_len());
        while let Some(lease) = self.pool.lease_idle() {
            leases.push(lease);
        }
        for lease in &mut leases {
            self.invoke(lease).await?;
        }
        leases.into_iter().for_each(Lease::keep);
        Ok(())
    }

    /// Invokes an instance with the function's load case, and checks its response.
    async fn invoke(&mut self, lease: &mut Lease) -> Result<(), Problem> {
        self.invocations += 1;
        if self.invocations.is_multiple_of(Self::TURN) {
            tokio::task::yield_now().await;
        }
        let route = &self.pool.route;
        let case = route.function.load_case();
        let mut clock = Clock::begin(false);
        let answered = lease.invoke(&mut clock, case.request.clone()).await;
        lease.end(&answered, &clock, clock.end());
        case.check(&answered?).map_err(|difference| {
            let wrong = Cause::InvalidResponse(format!("case {}: {difference}", case.name));
            route.error(Phase::Invoke, wrong)
        })?;
        Ok(())
    }
}

fn take_stock(pool: &Pool) -> Instances {
    let mut instances = Instances { live: pool.idle_len() as u64, ..Instances::default() };
    pool.each_idle(|live: &Live| {
        instances.model_bytes.push(live.memory().model_bytes);
        instances.outside.push(live.outside().into());
    });
    instances
}
