//! The server in a container around an instance of another executor.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use isolab_core::{Cause, Error, Instance, Laps, Limits, Prepared, Request};
use isolab_sdk::server::{self, Answer, Body};
use tokio::sync::Semaphore;

use crate::failure;

/// The environment variable that tells the server a function's limits.
pub(crate) const LIMITS: &str = "ISOLAB_LIMITS";

/// The value of [`LIMITS`]: memory in bytes, deadline in nanoseconds, response and
/// streamed request in bytes.
pub(crate) fn limits_text(limits: &Limits) -> String {
    let Limits { memory_bytes, deadline, response_bytes, request_bytes } = limits;
    format!("{memory_bytes} {} {response_bytes} {request_bytes}", deadline.as_nanos())
}

/// The limits that the host has set for this container.
///
/// # Errors
/// If the environment has none: this process is not in a container of the executor.
pub fn limits() -> Result<Limits, String> {
    let text = std::env::var(LIMITS).unwrap_or_default();
    let numbers: Vec<u64> = text.split(' ').filter_map(|number| number.parse().ok()).collect();
    let [memory_bytes, deadline_ns, response_bytes, request_bytes] = numbers[..] else {
        return Err(format!("{LIMITS} has no limits; only the executor `docker` starts this server"));
    };
    let deadline = Duration::from_nanos(deadline_ns);
    Ok(Limits { memory_bytes, deadline, response_bytes, request_bytes })
}

/// Starts an instance and has it answer the host until the process is killed.
///
/// # Errors
/// If the instance cannot be started.
pub async fn start(prepared: &dyn Prepared) -> Result<impl FnOnce() -> ExitCode, Error> {
    let instance = prepared.start(&mut Laps::begin()).await?;
    let guest = Rc::new(Guest { instance, places: Semaphore::new(prepared.max_concurrency()) });
    Ok(move || server::run(move |request| answer(request, Rc::clone(&guest))))
}

/// The instance, with a place for each request that it may answer at the same time.
struct Guest {
    instance: Box<dyn Instance>,
    places: Semaphore,
}

async fn answer(request: hyper::Request<Incoming>, guest: Rc<Guest>) -> Answer {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return refusal(&Cause::Internal("the request's body was cut off".into()));
    };
    let request = Request::new(parts.method, parts.uri, parts.headers, body.to_bytes());
    let _place = guest.places.acquire().await.expect("the semaphore is never closed");
    match guest.instance.invoke(request, &mut Laps::begin()).await {
        Ok(response) => response.map(Body::from),
        Err(error) => refusal(&error.cause),
    }
}

/// Tells the host why there is no response.
fn refusal(cause: &Cause) -> Answer {
    let mut answer = hyper::Response::new(Body::from(Bytes::new()));
    *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    answer.headers_mut().insert(failure::HEADER, failure::value(cause));
    answer
}
