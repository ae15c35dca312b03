//! The functions that reach the event loop.

#![allow(clippy::needless_pass_by_value, reason = "V8 defines their form")]

use std::time::Duration;

use isolab_core::Cause;
use isolab_core::console::{self, Level};

use crate::handler::boot::Uncaught;
use crate::handler::event_loop::{self, MOST_TIMERS, Refusal};
use crate::isolate::exception;

/// `setTimer(callback, delayMs, repeats)` answers the timer's number.
pub(super) fn set(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let Ok(callback) = v8::Local::<v8::Function>::try_from(args.get(0)) else {
        return super::throw(scope, "a timer needs a function");
    };
    let delay = Duration::from_millis(args.get(1).uint32_value(scope).unwrap_or_default().into());
    let (callback, repeats) = (v8::Global::new(scope, callback), args.get(2).is_true());
    let set = match event_loop::of(scope) {
        Some(event_loop) => event_loop.set_timer(event_loop::request_of(scope), callback, delay, repeats),
        None => Err(Refusal::NoRequest),
    };
    match set {
        Ok(timer) => result.set_uint32(timer),
        Err(Refusal::NoRequest) => {
            super::throw(scope, "a timer can be set only while its request is in flight");
        }
        Err(Refusal::TooMany) => {
            super::throw_range_error(scope, &format!("a request can have {MOST_TIMERS} timers at most"));
        }
        Err(Refusal::NoRoom) => {
            super::throw_range_error(scope, "the memory limit leaves no room for a timer");
        }
    }
}

/// `clearTimer(number)` removes a timer of the request that runs.
pub(super) fn clear(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    _: v8::ReturnValue<'_>,
) {
    let timer = args.get(0).uint32_value(scope).unwrap_or_default();
    if let (Some(event_loop), Some(request)) = (event_loop::of(scope), event_loop::request_of(scope)) {
        event_loop.clear_timer(request, timer);
    }
}

/// `fail(text)` fails the request that runs, or the evaluation of the handler: nothing has caught
/// this exception.
pub(super) fn fail(
    scope: &mut v8::PinScope<'_, '_>,
    args: v8::FunctionCallbackArguments<'_>,
    _: v8::ReturnValue<'_>,
) {
    let Some(text) = args.get(0).to_string(scope) else { return };
    let text = exception::shortened(scope, text);
    if let Some(request) = event_loop::request_of(scope) {
        let is_noted = event_loop::of(scope)
            .is_some_and(|event_loop| event_loop.fail(request, Cause::Threw(text.clone())));
        if !is_noted {
            console::write(Level::ERROR, format!("a request that has ended threw: {text}").as_bytes());
        }
    } else if let Some(Uncaught(first)) = scope.get_slot_mut() {
        first.get_or_insert(text);
    }
}

/// Hears that the promise of the request that runs has settled.
pub(in crate::handler) fn settled(
    scope: &mut v8::PinScope<'_, '_>,
    _: v8::FunctionCallbackArguments<'_>,
    _: v8::ReturnValue<'_>,
) {
    if let (Some(event_loop), Some(request)) = (event_loop::of(scope), event_loop::request_of(scope)) {
        event_loop.settle(request);
    }
}
