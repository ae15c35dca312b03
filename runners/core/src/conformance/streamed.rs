//! Asks an instance whose bodies flow, as the front end does.

use std::future::poll_fn;
use std::mem;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use crate::streams::{Begun, Broken, Pieces, Streams};
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

/// A body that breaks off after its first pieces costs its request at most: the next one is answered,
/// by the same instance unless the error says that it has ended.
///
/// # Errors
/// A function that answers as if the body were whole, or that does not answer afterwards.
pub(super) async fn goes_on(function: &Function, prepared: &dyn Prepared) -> Result<(), String> {
    let Some(case) = function.cases().iter().find(|case| case.request.body.len() > FIRST_BYTES) else {
        return Ok(());
    };
    let Some(after) = function.cases().first() else { return Ok(()) };
    let mut instance = super::start(prepared).await?;
    let mut request = case.request.clone();
    let mut rest = mem::take(&mut request.body);
    request.body = rest.split_to(FIRST_BYTES);
    let pieces: Pieces = stream::iter([Ok(rest), Err(Broken("the client has left".into()))]).boxed();
    match ask_with(&*instance, request, Some(pieces)).await {
        Ok(response) if case.check(&response).is_ok() => {
            super::stop(instance).await?;
            return Err(format!("case {}: a body that broke off was taken for a whole one", case.name));
        }
        Err(error) if !error.spares_instance => {
            super::stop(instance).await?;
            instance = super::start(prepared).await?;
        }
        Ok(_) | Err(_) => {}
    }
    let answered = ask(&*instance, after.request.clone()).await.map_err(|error| error.to_string());
    super::stop(instance).await?;
    after.check(&answered?).map_err(|difference| format!("after it, case {}: {difference}", after.name))
}
