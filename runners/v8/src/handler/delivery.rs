//! Gives the outcomes of tasks to the code of their request.

use http::Response;
use isolab_core::Cause;
use isolab_core::streams::{Pieces, Refusal};

use super::arguments;
use super::event_loop::{EventLoop, RequestId};
use super::tasks::{Answered, Body, BodyId, Done, Fetch, Outcome};
use crate::isolate::Failure;

/// The arguments of a callback: an error or undefined, and values.
type Arguments<'s> = Vec<v8::Local<'s, v8::Value>>;

/// Gives the next outcome to the request. Returns whether there was one.
pub(super) fn deliver(
    scope: &mut v8::PinScope<'_, '_>,
    event_loop: &EventLoop,
    id: RequestId,
) -> Result<bool, Failure> {
    let Some(Done { callback, outcome }) = event_loop.take_done(id) else { return Ok(false) };
    v8::scope!(let scope, scope);
    let arguments = match outcome {
        Outcome::Answered(answered, fetch) => answer(scope, event_loop, id, (answered, fetch)),
        Outcome::Piece(reading, Some(Ok(bytes))) => {
            event_loop.with_tasks(id, |tasks| tasks.put_body(reading.number, reading.body));
            let bytes = copied(scope, &reading.allocate, &bytes)?;
            Some(success(scope, [bytes.into()]))
        }
        Outcome::Piece(_, None) | Outcome::Sent(true) => Some(success(scope, [])),
        Outcome::Piece(_, Some(Err(broken))) => failure(scope, &broken.to_string()),
        Outcome::Written(sink, written) => {
            event_loop.with_tasks(id, |tasks| tasks.put_sink(sink));
            match written {
                Ok(()) => Some(success(scope, [])),
                Err(Refusal::Gone) => failure(scope, "the client has left"),
                // The handler cannot catch this one.
                Err(Refusal::Cause(cause)) => return Err(cause.into()),
            }
        }
        Outcome::Sent(false) => failure(scope, "the host takes no more of the request's body"),
    };
    let arguments = arguments.ok_or(Failure::Thrown)?;
    let callback = v8::Local::new(scope, callback);
    let undefined = v8::undefined(scope).into();
    callback.call(scope, undefined, &arguments).ok_or(Failure::Thrown)?;
    scope.perform_microtask_checkpoint();
    event_loop.check(id)?;
    Ok(true)
}

/// The bytes in memory that V8 allocates. V8 counts it, and collects garbage when there is much.
fn copied<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    allocate: &v8::Global<v8::Function>,
    bytes: &[u8],
) -> Result<v8::Local<'s, v8::Uint8Array>, Failure> {
    let length = u32::try_from(bytes.len()).map_err(|_| Cause::Internal("a piece is too long".into()))?;
    let (allocate, length) =
        (v8::Local::new(scope, allocate), v8::Integer::new_from_unsigned(scope, length).into());
    let undefined = v8::undefined(scope).into();
    let array = allocate.call(scope, undefined, &[length]).ok_or(Failure::Thrown)?;
    let array = v8::Local::<v8::Uint8Array>::try_from(array)
        .map_err(|_| Cause::Internal("the web API allocates no bytes".into()))?;
    let store =
        array.get_backing_store().ok_or_else(|| Cause::Internal("a new array has no buffer".into()))?;
    for (place, byte) in store.iter().zip(bytes) {
        place.set(*byte);
    }
    Ok(array)
}

fn success<'s, const N: usize>(
    scope: &v8::PinScope<'s, '_>,
    values: [v8::Local<'s, v8::Value>; N],
) -> Arguments<'s> {
    let no_error = v8::undefined(scope).into();
    [no_error].into_iter().chain(values).collect()
}

fn failure<'s>(scope: &v8::PinScope<'s, '_>, error: &str) -> Option<Arguments<'s>> {
    Some(vec![v8::String::new(scope, error)?.into()])
}

/// The head of the answer to an outbound request, and the number of its body.
fn answer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event_loop: &EventLoop,
    id: RequestId,
    (answered, fetch): (Answered, Fetch),
) -> Option<Arguments<'s>> {
    let response: Response<Option<Pieces>> = match answered {
        Ok(response) => response,
        Err(error) => return failure(scope, &error.to_string()),
    };
    let (head, pieces) = response.into_parts();
    let number: Option<BodyId> = pieces.and_then(|pieces| {
        let number = event_loop.new_body();
        event_loop.with_tasks(id, |tasks| tasks.put_body(number, Body { pieces, _fetch: Some(fetch) }))?;
        Some(number)
    });
    let status = v8::Integer::new_from_unsigned(scope, head.status.as_u16().into()).into();
    let reason = v8::String::new(scope, head.status.canonical_reason().unwrap_or_default())?.into();
    let headers = arguments::headers(scope, &head.headers)?.into();
    let number = match number {
        Some(number) => v8::Integer::new_from_unsigned(scope, number).into(),
        None => v8::undefined(scope).into(),
    };
    Some(success(scope, [status, reason, headers, number]))
}
