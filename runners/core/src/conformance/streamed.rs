//! Asks an instance whose bodies flow, as the front end does.

use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use crate::streams::{Begun, Pieces, Streams};
use crate::{Error, Function, Instance, Laps, Prepared, Request, Response};

/// How many bytes of a body are there when the request comes, and how many come at a time after
/// that. Neither fits the cases.
const FIRST_BYTES: usize = 10;
const NEXT_BYTES: usize = 1000;

/// Asks with a body that comes in pieces, and collects the answer.
///
/// # Errors
/// Those of [`Instance::stream`].
pub async fn ask(instance: &dyn Instance, mut request: Request) -> Result<Response, Error> {
    let mut rest = mem::take(&mut request.body);
    request.body = rest.split_to(rest.len().min(FIRST_BYTES));
    let pieces: Vec<_> = rest.chunks(NEXT_BYTES).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let rest: Option<Pieces> = (!pieces.is_empty()).then(|| stream::iter(pieces).boxed());
    ask_with(instance, request, rest).await
}

/// Asks with a body whose first bytes are those of the request, and collects the answer.
///
/// # Errors
/// Those of [`Instance::stream`].
pub async fn ask_with(
    instance: &dyn Instance,
    request: Request,
    rest: Option<Pieces>,
) -> Result<Response, Error> {
    let streams = Streams { rest, ..Streams::default() };
    let outlet = Rc::clone(&streams.outlet);
    let mut laps = Laps::begin();
    let mut invocation = instance.stream(request, streams, &mut laps);
    let (mut begun, mut body) = (None::<Begun>, BytesMut::new());
    let ended = poll_fn(|context| {
        let polled = invocation.as_mut().poll(context);
        begun = begun.take().or_else(|| outlet.take());
        while let Some(begun) = &mut begun
            && let Poll::Ready(Some(piece)) = begun.pieces.poll_recv(context)
        {
            body.extend_from_slice(&piece);
        }
        polled
    });
    let whole = ended.await?;
    let begun = begun.map(|begun| begun.head.map(|()| body.freeze()));
    Ok(whole.or(begun).expect("an invocation without a response has begun its answer"))
}

/// Asks one instance all cases in pieces.
///
/// # Errors
/// The first difference, or the error of a phase.
pub async fn answers(function: &Function, prepared: &dyn Prepared) -> Result<(), String> {
    super::with_instance(prepared, async |instance| {
        for case in function.cases() {
            let response = ask(instance, case.request.clone()).await.map_err(|error| error.to_string())?;
            case.check(&response).map_err(|difference| format!("case {}: {difference}", case.name))?;
        }
        Ok(())
    })
    .await
}
