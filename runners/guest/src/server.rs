//! The server in a container around an instance of another executor.
//!
//! If the executor has streams, a body that comes in chunks flows into the instance, and an answer that
//! begins before it is whole flows out of it. Neither side gets ahead of the other by more than a few
//! pieces. An invocation whose client leaves is dropped.

use std::future::{poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use isolab_core::streams::{Begun, Pieces};
use isolab_core::{Cause, Error, Instance, Laps, Prepared, Request, Response, Streams};
use isolab_sdk::server::{self, Answer, Body};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_local;

use crate::{failure, outbound};

/// Starts an instance and has it answer the host until the process is killed.
///
/// # Errors
/// If the instance cannot be started.
pub async fn start(prepared: &dyn Prepared) -> Result<impl FnOnce() -> ExitCode, Error> {
    let instance = prepared.start(&mut Laps::begin()).await?;
    let places = Semaphore::new(prepared.max_concurrency());
    let guest = Rc::new(Guest { instance, places, streams: prepared.streams() });
    Ok(move || server::run(move |request| answer(request, Rc::clone(&guest))))
}

/// The instance, with a place for each request that it may answer at the same time.
struct Guest {
    instance: Box<dyn Instance>,
    places: Semaphore,
    streams: bool,
}

/// The end of an invocation: a whole response, or none if its answer has begun.
type Ended = Result<Option<Response>, Error>;

/// An invocation that goes on without the request's connection.
type Invocation = Pin<Box<dyn Future<Output = Ended>>>;

async fn answer(request: hyper::Request<Incoming>, guest: Rc<Guest>) -> Answer {
    let (parts, body) = request.into_parts();
    let flows = guest.streams && body.size_hint().exact().is_none();
    let (first, rest) = if flows {
        (Bytes::new(), Some(outbound::pieces_of(body)))
    } else {
        match body.collect().await {
            Ok(body) => (body.to_bytes(), None),
            Err(_) => return refusal(&Cause::Internal("the request's body was cut off".into())),
        }
    };
    let request = Request::new(parts.method, parts.uri, parts.headers, first);
    if guest.streams {
        return stream(request, rest, guest).await;
    }
    let _place = guest.places.acquire().await.expect("the semaphore is never closed");
    match guest.instance.invoke(request, &mut Laps::begin()).await {
        Ok(response) => response.map(Body::from),
        Err(error) => refusal(&error.cause),
    }
}

/// Answers as soon as the answer begins or is whole. An answer that has begun goes on in a task.
async fn stream(request: Request, rest: Option<Pieces>, guest: Rc<Guest>) -> Answer {
    let streams = Streams { rest, ..Streams::default() };
    let outlet = Rc::clone(&streams.outlet);
    let mut invocation: Invocation = Box::pin(invoke(request, streams, guest));
    let (ended, begun) = poll_fn(|context| {
        let ended = invocation.as_mut().poll(context);
        match (ended, outlet.take()) {
            (Poll::Ready(ended), begun) => Poll::Ready((Some(ended), begun)),
            (Poll::Pending, Some(begun)) => Poll::Ready((None, Some(begun))),
            (Poll::Pending, None) => Poll::Pending,
        }
    })
    .await;
    let invocation = match ended {
        Some(Err(error)) => return refusal(&error.cause),
        Some(Ok(Some(response))) => return response.map(Body::from),
        // All pieces have been written.
        Some(Ok(None)) => Box::pin(ready(Ok(None))),
        None => invocation,
    };
    let Some(Begun { head, pieces }) = begun else {
        return refusal(&Cause::Internal("the answer never began".into()));
    };
    let (sender, receiver) = mpsc::channel(1);
    spawn_local(pass_on(invocation, pieces, sender));
    head.map(|()| Body::Pieces(receiver))
}

async fn invoke(request: Request, streams: Streams, guest: Rc<Guest>) -> Ended {
    let _place = guest.places.acquire().await.expect("the semaphore is never closed");
    guest.instance.stream(request, streams, &mut Laps::begin()).await
}

/// Drives an invocation to its end, and passes its pieces on. Drops it if the client leaves.
async fn pass_on(
    invocation: Invocation,
    mut pieces: mpsc::Receiver<Bytes>,
    client: mpsc::Sender<io::Result<Bytes>>,
) {
    let passing = async {
        while let Some(piece) = pieces.recv().await {
            if client.send(Ok(piece)).await.is_err() {
                return;
            }
        }
    };
    let ended = tokio::select! {
        biased;
        () = client.closed() => return,
        (ended, ()) = async { tokio::join!(invocation, passing) } => ended,
    };
    let Err(error) = ended else { return };
    // Where the head is out, only the end of the process can tell that the instance has ended. The request
    // that ended it tells, and not the others.
    if !error.spares_instance && !matches!(error.cause, Cause::Crashed(_)) {
        eprintln!("{}", error.cause);
        std::process::exit(1);
    }
    // A client that has left needs no reason.
    let _ = client.send(Err(io::Error::other(error.to_string()))).await;
}

/// Tells the host the reason for a missing response.
fn refusal(cause: &Cause) -> Answer {
    let mut answer = hyper::Response::new(Body::from(Bytes::new()));
    *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
    answer.headers_mut().insert(failure::HEADER, failure::value(cause));
    answer
}
