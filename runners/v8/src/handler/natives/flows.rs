//! The functions for outbound requests and for bodies that are streams.

#![allow(clippy::needless_pass_by_value, reason = "V8 defines their form")]

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue};
use isolab_core::message::HEADERS_BYTES;
use isolab_core::streams::{Broken, PIECE_BYTES};
use isolab_outbound::Body as Sent;
use tokio::sync::mpsc;

use super::throw;
use crate::handler::event_loop::{self, EventLoop, NoRoom, RequestId};
use crate::handler::reply;
use crate::handler::tasks::{Done, MOST_FETCHES, Outcome, Reading};
use crate::isolate::{Held, exception};

/// Memory of an outbound request outside of the heap, at most: the buffer of its connection.
const FETCH_BYTES: usize = isolab_outbound::BUFFER_BYTES;
const ENDED: &str = "the request that this belongs to has ended";
const NO_ROOM: &str = "the memory limit leaves no room for it";

type Args<'a> = v8::FunctionCallbackArguments<'a>;

/// Runs `act` for the request that runs. Its error becomes a `TypeError`.
fn for_request<T>(
    scope: &mut v8::PinScope<'_, '_>,
    act: impl FnOnce(&EventLoop, RequestId) -> Result<T, Cow<'static, str>>,
) -> Option<T> {
    let acted = match (event_loop::of(scope), event_loop::request_of(scope)) {
        (Some(event_loop), Some(id)) => act(&event_loop, id),
        _ => Err(ENDED.into()),
    };
    acted.map_err(|message| throw(scope, &message)).ok()
}

fn callback(
    scope: &mut v8::PinScope<'_, '_>,
    value: v8::Local<'_, v8::Value>,
) -> Option<v8::Global<v8::Function>> {
    let function = v8::Local::<v8::Function>::try_from(value);
    let function = function.map_err(|_| throw(scope, "the callback is not a function")).ok()?;
    Some(v8::Global::new(scope, function))
}

fn number(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> u32 {
    value.uint32_value(scope).unwrap_or_default()
}

/// A copy of the bytes of a `Uint8Array`, and the memory that it counts as; none of any other value.
fn bytes_of(
    event_loop: &EventLoop,
    value: v8::Local<'_, v8::Value>,
    more_bytes: usize,
) -> Result<(Vec<u8>, Held), &'static str> {
    let view = v8::Local::<v8::Uint8Array>::try_from(value).ok();
    let len = view.map_or(0, |view| view.byte_length());
    let memory = event_loop.hold(more_bytes + len).map_err(|NoRoom| NO_ROOM)?;
    Ok((view.map_or(Vec::new(), |view| view.get_contents(&mut []).to_vec()), memory))
}

/// `fetch(method, url, headers, bytes, streams, done)` sends an outbound request.
pub(super) fn fetch(scope: &mut v8::PinScope<'_, '_>, args: Args<'_>, mut result: v8::ReturnValue<'_>) {
    let Some(callback) = callback(scope, args.get(5)) else { return };
    let request = match request_of(scope, &args) {
        Ok(request) => request,
        Err(message) => return throw(scope, &message),
    };
    let (body, streams) = (args.get(3), args.get(4).is_true());
    let started = for_request(scope, |event_loop, id| {
        let (body, memory) = bytes_of(event_loop, body, FETCH_BYTES)?;
        let fetch = event_loop.with_tasks(id, |tasks| tasks.open_fetch(memory)).ok_or(ENDED)?;
        let fetch = fetch.ok_or_else(too_many)?;
        let number = event_loop.new_body();
        let request = if streams {
            let (upload, receiver) = mpsc::channel(1);
            event_loop.with_tasks(id, |tasks| tasks.put_upload(number, upload));
            request.map(|()| pieces_of(receiver))
        } else {
            request.map(|()| Sent::Whole(body.into()))
        };
        let sending = event_loop.client().send(request);
        event_loop
            .start(id, async move { Done { callback, outcome: Outcome::Answered(sending.await, fetch) } });
        Ok(number)
    });
    if let (Some(id), true) = (started, streams) {
        result.set_uint32(id);
    }
}

fn too_many() -> Cow<'static, str> {
    let rule = "one ends when the body of its answer is read or cancelled";
    format!("a request can have {MOST_FETCHES} outbound requests at a time at most: {rule}").into()
}

fn pieces_of(receiver: mpsc::Receiver<Result<Bytes, Broken>>) -> Sent {
    let next = |mut receiver: mpsc::Receiver<_>| async { Some((receiver.recv().await?, receiver)) };
    Sent::Pieces(stream::unfold(receiver, next).boxed())
}

fn request_of(scope: &mut v8::PinScope<'_, '_>, args: &Args<'_>) -> Result<http::Request<()>, String> {
    let texts = [0, 1].map(|index| args.get(index).to_string(scope));
    let [Some(method), Some(url)] = texts else { return Err("method or URL is not a text".into()) };
    let too_long = || format!("method and URL of a request have at most {HEADERS_BYTES} bytes");
    // Each character takes a byte at least, so texts that must be too long are not copied.
    if method.length() + url.length() > HEADERS_BYTES {
        return Err(too_long());
    }
    let [method, url] = [method, url].map(|text| text.to_rust_string_lossy(scope));
    if method.len() + url.len() > HEADERS_BYTES {
        return Err(too_long());
    }
    let headers = v8::Local::<v8::Array>::try_from(args.get(2)).map_err(|_| "headers are not an array")?;
    let mut request = http::Request::builder()
        .method(method.as_str())
        .uri(url.as_str())
        .body(())
        .map_err(|error| format!("{method} {url} is not a request: {error}"))?;
    let headers = reply::headers_of(scope, headers)
        .map_err(|_| format!("the request's headers are not text of at most {HEADERS_BYTES} bytes"))?;
    for (name, value) in headers {
        let shown = String::from_utf8_lossy(&name).into_owned();
        let name = HeaderName::from_bytes(&name).map_err(|_| format!("`{shown}` is not a header name"))?;
        let value = HeaderValue::from_bytes(&value)
            .map_err(|_| format!("the value of header `{shown}` has characters that HTTP forbids"))?;
        request.headers_mut().try_append(name, value).map_err(|_| "there are too many headers")?;
    }
    Ok(request)
}

/// `readBody(number, allocate, done)` asks for the next piece of a body.
pub(super) fn read_body(scope: &mut v8::PinScope<'_, '_>, args: Args<'_>, _: v8::ReturnValue<'_>) {
    let number = number(scope, args.get(0));
    let Some(allocate) = callback(scope, args.get(1)) else { return };
    let Some(callback) = callback(scope, args.get(2)) else { return };
    for_request(scope, |event_loop, id| {
        let body = event_loop.with_tasks(id, |tasks| tasks.take_body(number)).ok_or(ENDED)?;
        let body = body.ok_or("the body belongs to another request, or is read already")?;
        let mut reading = Reading { number, body, allocate };
        event_loop.start(id, async move {
            let piece = reading.body.pieces.next().await;
            Done { callback, outcome: Outcome::Piece(reading, piece) }
        });
        Ok(())
    });
}

/// `dropBody(number)` drops a body that will not be read.
pub(super) fn drop_body(scope: &mut v8::PinScope<'_, '_>, args: Args<'_>, _: v8::ReturnValue<'_>) {
    let number = number(scope, args.get(0));
    for_request(scope, |event_loop, id| {
        let dropped = event_loop.with_tasks(id, |tasks| tasks.take_body(number));
        drop(dropped);
        Ok(())
    });
}

/// `writeAnswer(bytes, done)` passes a piece of the answer on.
pub(super) fn write_answer(scope: &mut v8::PinScope<'_, '_>, args: Args<'_>, _: v8::ReturnValue<'_>) {
    let Some(callback) = callback(scope, args.get(1)) else { return };
    let bytes = args.get(0);
    for_request(scope, |event_loop, id| {
        let (bytes, memory) = bytes_of(event_loop, bytes, 0)?;
        let sink = event_loop.take_sink(id);
        let mut sink = sink.ok_or("the answer is over, or another piece is being written")?;
        event_loop.start(id, async move {
            let written = sink.write(bytes).await;
            drop(memory);
            Done { callback, outcome: Outcome::Written(sink, written) }
        });
        Ok(())
    });
}

/// `sendPiece(number, bytes, done)` passes a piece of an upload on.
pub(super) fn send_piece(scope: &mut v8::PinScope<'_, '_>, args: Args<'_>, _: v8::ReturnValue<'_>) {
    let (number, bytes) = (number(scope, args.get(0)), args.get(1));
    let Some(callback) = callback(scope, args.get(2)) else { return };
    for_request(scope, |event_loop, id| {
        let (bytes, memory) = bytes_of(event_loop, bytes, 0)?;
        let upload = event_loop.with_tasks(id, |tasks| tasks.upload(number)).ok_or(ENDED)?;
        let upload = upload.ok_or("the upload is over")?;
        event_loop.start(id, async move {
            let mut is_sent = true;
            for piece in bytes.chunks(PIECE_BYTES) {
                is_sent = is_sent && upload.send(Ok(Bytes::copy_from_slice(piece))).await.is_ok();
            }
            drop(memory);
            Done { callback, outcome: Outcome::Sent(is_sent) }
        });
        Ok(())
    });
}

/// `endUpload(number, error)` ends an upload, or breaks it off.
pub(super) fn end_upload(scope: &mut v8::PinScope<'_, '_>, args: Args<'_>, _: v8::ReturnValue<'_>) {
    let number = number(scope, args.get(0));
    let error = args.get(1);
    let error = if error.is_undefined() { None } else { error.to_string(scope) };
    let error = error.map(|error| exception::shortened(scope, error));
    for_request(scope, |event_loop, id| {
        let upload = event_loop.with_tasks(id, |tasks| tasks.take_upload(number)).ok_or(ENDED)?;
        if let (Some(upload), Some(error)) = (upload, error) {
            // A full channel has a piece that the host does not want, so it has given up already.
            let _ = upload.try_send(Err(Broken(error)));
        }
        Ok(())
    });
}
