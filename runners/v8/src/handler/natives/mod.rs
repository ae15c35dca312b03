//! The functions of the web API that are written in Rust.
//!
//! Snapshots refer to them by their index in [`references`].

#![allow(clippy::needless_pass_by_value, reason = "V8 defines their form")]

mod flows;
pub(super) mod timers;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use arrayvec::ArrayVec;
use isolab_core::console::{self, Level};
use v8::MapFnTo as _;

use crate::isolate::{Buffers, exception, has_room};

/// How many of the functions a handler without streams has: the first ones.
const WITHOUT_STREAMS: usize = 8;

/// Name and callback of each function, in the order in which snapshots refer to them.
static NATIVES: LazyLock<[(&str, v8::FunctionCallback); 14]> = LazyLock::new(|| {
    [
        ("parseUrl", parse_url.map_fn_to()),
        ("setUrl", set_url.map_fn_to()),
        ("encodeUtf8", encode_utf8.map_fn_to()),
        ("decodeUtf8", decode_utf8.map_fn_to()),
        ("log", log.map_fn_to()),
        ("setTimer", timers::set.map_fn_to()),
        ("clearTimer", timers::clear.map_fn_to()),
        ("fail", timers::fail.map_fn_to()),
        // Of streams.
        ("fetch", flows::fetch.map_fn_to()),
        ("readBody", flows::read_body.map_fn_to()),
        ("dropBody", flows::drop_body.map_fn_to()),
        ("writeAnswer", flows::write_answer.map_fn_to()),
        ("sendPiece", flows::send_piece.map_fn_to()),
        ("endUpload", flows::end_upload.map_fn_to()),
    ]
});

/// The functions of this binary that a snapshot may refer to.
pub(crate) fn references() -> Cow<'static, [v8::ExternalReference]> {
    let functions = NATIVES.iter().map(|(_, function)| v8::ExternalReference { function: *function });
    let end = v8::ExternalReference { pointer: std::ptr::null_mut() };
    functions.chain([end]).collect()
}

/// Puts the functions on the global object, as `__host`. `None` if JavaScript threw.
pub(crate) fn install(scope: &mut v8::PinScope<'_, '_>, streams: bool) -> Option<()> {
    let host = v8::Object::new(scope);
    let count = if streams { NATIVES.len() } else { WITHOUT_STREAMS };
    for (name, callback) in &NATIVES[..count] {
        let function =
            v8::Function::builder_raw(*callback).constructor_behavior(v8::ConstructorBehavior::Throw);
        let (name, function) = (v8::String::new(scope, name)?, function.build(scope)?);
        host.set(scope, name.into(), function.into())?;
    }
    let name = v8::String::new(scope, "__host")?;
    scope.get_current_context().global(scope).set(scope, name.into(), host.into())?;
    Some(())
}

fn parse_url(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    result: v8::ReturnValue<'_>,
) {
    let (href, base) = (args.get(0), args.get(1));
    let parts = if base.is_undefined() {
        short(scope, [href]).and_then(|[href]| isolab_webapi::parse_url(&href, None))
    } else {
        short(scope, [href, base]).and_then(|[href, base]| isolab_webapi::parse_url(&href, Some(&base)))
    };
    answer_parts(scope, parts, result);
}

fn set_url(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    result: v8::ReturnValue<'_>,
) {
    let texts = short(scope, [0, 1, 2].map(|index| args.get(index)));
    let parts = texts.and_then(|[href, part, value]| isolab_webapi::set_url(&href, &part, &value));
    answer_parts(scope, parts, result);
}

/// Copies of texts that are short enough to be in a URL. `None` if one is not: nothing is copied of it.
fn short<const N: usize>(
    scope: &mut v8::PinScope<'_, '_>,
    texts: [v8::Local<'_, v8::Value>; N],
) -> Option<[String; N]> {
    let mut copies = ArrayVec::new();
    for text in texts {
        let text = text.to_string(scope).filter(|text| text.length() <= isolab_webapi::URL_BYTES)?;
        copies.push(text.to_rust_string_lossy(scope));
    }
    copies.into_inner().ok()
}

fn answer_parts(
    scope: &mut v8::PinScope<'_, '_>,
    parts: Option<[String; 11]>,
    mut result: v8::ReturnValue<'_>,
) {
    // The parts of a URL that was a string are short enough to be strings.
    let strings = parts.and_then(|parts| {
        let strings: Option<Vec<v8::Local<'_, v8::Value>>> =
            parts.iter().map(|part| v8::String::new(scope, part).map(Into::into)).collect();
        strings
    });
    match strings {
        Some(strings) => result.set(v8::Array::new_with_elements(scope, &strings).into()),
        None => result.set_null(),
    }
}

fn encode_utf8(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let Some(text) = args.get(0).to_string(scope) else { return };
    match encoded(scope, text) {
        Some(array) => result.set(array.into()),
        None => throw_range_error(scope, "the memory limit leaves no room for the encoded text"),
    }
}

/// The text in a buffer that counts like those which JavaScript makes. `None` if the limit leaves no room.
fn encoded<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    text: v8::Local<'_, v8::String>,
) -> Option<v8::Local<'s, v8::Uint8Array>> {
    let buffers = Arc::clone(scope.get_slot::<Arc<Buffers>>()?);
    // Each character takes a byte at least. To find the exact size, V8 copies a text that is made of parts.
    if !make_room(scope, &buffers, text.length()) {
        return None;
    }
    let len = text.utf8_length(scope);
    if !make_room(scope, &buffers, len) {
        return None;
    }
    let store = buffers.filled(len, |bytes| {
        text.write_utf8_v2(scope, bytes, v8::WriteFlags::kReplaceInvalidUtf8, None);
    })?;
    let buffer = v8::ArrayBuffer::with_backing_store(scope, &store.make_shared());
    v8::Uint8Array::new(scope, buffer, 0, len)
}

/// Whether a buffer of this size has room, after a collection if need be, as for V8's own buffers.
fn make_room(isolate: &mut v8::Isolate, buffers: &Buffers, len: usize) -> bool {
    buffers.has_room(len) || {
        isolate.low_memory_notification();
        buffers.has_room(len)
    }
}

/// A copy of `bytes` in a buffer that counts like those which JavaScript makes. `None` if the limit leaves
/// no room.
pub(crate) fn byte_array<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: &[u8],
) -> Option<v8::Local<'s, v8::Uint8Array>> {
    let buffers = Arc::clone(scope.get_slot::<Arc<Buffers>>()?);
    if !make_room(scope, &buffers, bytes.len()) {
        return None;
    }
    let store = buffers.filled(bytes.len(), |copy| copy.copy_from_slice(bytes))?;
    let buffer = v8::ArrayBuffer::with_backing_store(scope, &store.make_shared());
    v8::Uint8Array::new(scope, buffer, 0, bytes.len())
}

fn decode_utf8(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let Ok(view) = v8::Local::<v8::Uint8Array>::try_from(args.get(0)) else {
        return throw(scope, "the argument must be a Uint8Array");
    };
    let [fatal, ignore_bom] = [1, 2].map(|index| args.get(index).boolean_value(scope));
    let bytes = match isolab_webapi::utf8_of(view.get_contents(&mut []), fatal, ignore_bom) {
        Ok(bytes) => bytes,
        Err(error) => return throw(scope, &error.to_string()),
    };
    if !has_room(scope, string_bytes(bytes)) {
        return throw_range_error(scope, "the memory limit leaves no room for the decoded text");
    }
    // V8 puts a U+FFFD in the place of each maximal subpart, as the Encoding standard's decoder does.
    match v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal) {
        Some(text) => result.set(text.into()),
        None => throw(scope, "the text is too long for a string"),
    }
}

/// The size of a string with this text, at most.
fn string_bytes(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    // A byte that begins no character becomes one character at most.
    2 * std::str::from_utf8(text).map_or(text.len(), |text| text.encode_utf16().count())
}

fn log(scope: &mut v8::PinScope<'_, '_>, args: v8::FunctionCallbackArguments<'_>, _: v8::ReturnValue<'_>) {
    let level = match args.get(0).to_rust_string_lossy(scope).as_str() {
        "error" => Level::ERROR,
        "warn" => Level::WARN,
        "debug" => Level::DEBUG,
        _ => Level::INFO,
    };
    let Some(text) = args.get(1).to_string(scope) else { return };
    console::write(level, &exception::beginning(scope, text, console::TEXT_BYTES));
}

/// Throws a `TypeError`.
fn throw(scope: &mut v8::PinScope<'_, '_>, message: &str) {
    let message = v8::String::new(scope, message).unwrap_or_else(|| v8::String::empty(scope));
    let exception = v8::Exception::type_error(scope, message);
    scope.throw_exception(exception);
}

fn throw_range_error(scope: &mut v8::PinScope<'_, '_>, message: &str) {
    let message = v8::String::new(scope, message).unwrap_or_else(|| v8::String::empty(scope));
    let exception = v8::Exception::range_error(scope, message);
    scope.throw_exception(exception);
}
