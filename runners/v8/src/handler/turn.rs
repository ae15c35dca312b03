//! The turns of a request: each is one entry into the isolate.
//!
//! Most requests are answered in their first turn. A request whose promise is still pending waits
//! for its next timer, or until the turn of another request has settled the promise.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use isolab_core::{Cause, Error, Laps, Phase, Request, Response};
use tokio::time::Sleep;

use super::event_loop::{EventLoop, News, RequestId};
use super::natives::timers::settled;
use super::{HandlerInstance, arguments, reply};
use crate::isolate::{Failure, exception};

/// Stands for "never" where an instant is needed.
const A_CENTURY: Duration = Duration::from_hours(24 * 365 * 100);

/// The result of a request's first turn.
pub(super) enum First<'a> {
    /// The request is answered.
    Answered(Response),
    /// The request waits.
    Waiting(Waiting<'a>),
}

/// The result of a turn in the isolate.
enum Turn {
    Answered(Response),
    Pending(v8::Global<v8::Promise>),
}

/// The answer of the web API, or the promise of it.
enum Answer<'s> {
    Settled(v8::Local<'s, v8::Value>),
    Pending(v8::Local<'s, v8::Promise>),
}

/// Has the handler begin with a request, and waits for nothing.
pub(super) fn first<'a>(
    instance: &'a HandlerInstance,
    request: &Request,
    laps: &mut Laps,
) -> Result<First<'a>, Cause> {
    let HandlerInstance { rules, context, dispatch, handler, event_loop, isolate, .. } = instance;
    if let Some(cause) = event_loop.stopped() {
        return Err(cause);
    }
    let id = event_loop.begin();
    let turn = isolate.borrow_mut().run(context, |scope| {
        event_loop.enter(scope, id);
        let arguments = arguments::of(scope, handler, request).ok_or(Failure::Thrown)?;
        let dispatch = v8::Local::new(scope, dispatch);
        let undefined = v8::undefined(scope).into();
        let answer = dispatch.call(scope, undefined, &arguments).ok_or(Failure::Thrown)?;
        scope.perform_microtask_checkpoint();
        event_loop.check(id)?;
        laps.mark("handler");
        match answer_of(scope, answer)? {
            Answer::Settled(answer) => {
                reply::read(scope, answer, rules.limits.response_bytes).map(Turn::Answered)
            }
            Answer::Pending(_) if event_loop.is_stuck() => Err(never_settles().into()),
            Answer::Pending(promise) => {
                listen(instance, scope, promise)?;
                Ok(Turn::Pending(v8::Global::new(scope, promise)))
            }
        }
    });
    let turn = stopping(instance, turn).map(|turn| match turn {
        Turn::Answered(response) => First::Answered(response),
        Turn::Pending(promise) => {
            event_loop.wait(id);
            let until = laps.begun() + rules.limits.deadline.min(A_CENTURY);
            First::Waiting(Waiting { instance, id, promise, until })
        }
    });
    if !matches!(turn, Ok(First::Waiting(_))) {
        event_loop.forget(id);
    }
    event_loop.end_turn();
    turn
}

/// A turn that stopped the isolate stops all requests that are in flight on it.
fn stopping<T>(instance: &HandlerInstance, turn: Result<T, Cause>) -> Result<T, Cause> {
    if let Err(cause) = &turn
        && instance.isolate.borrow().is_stopped()
    {
        instance.event_loop.stop(cause);
    }
    turn
}

fn never_settles() -> Cause {
    Cause::Threw("the handler's promise never settles".into())
}

/// Has the event loop know when the promise of the request that runs has settled.
fn listen(
    instance: &HandlerInstance,
    scope: &mut v8::PinScope<'_, '_>,
    promise: v8::Local<'_, v8::Promise>,
) -> Result<(), Failure> {
    let listener = if let Some(listener) = instance.listener.get() {
        v8::Local::new(scope, listener)
    } else {
        let listener = v8::Function::new(scope, settled).ok_or(Failure::Thrown)?;
        let _ = instance.listener.set(v8::Global::new(scope, listener));
        listener
    };
    promise.then2(scope, listener, listener).map(|_| ()).ok_or(Failure::Thrown)
}

/// The value of a fulfilled promise; any value that is not a promise unchanged.
fn answer_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Result<Answer<'s>, Failure> {
    let Ok(promise) = v8::Local::<v8::Promise>::try_from(value) else {
        return Ok(Answer::Settled(value));
    };
    match promise.state() {
        v8::PromiseState::Fulfilled => Ok(Answer::Settled(promise.result(scope))),
        v8::PromiseState::Pending => Ok(Answer::Pending(promise)),
        v8::PromiseState::Rejected => {
            let reason = promise.result(scope);
            Err(Failure::Rejected(exception::describe(scope, reason)))
        }
    }
}

/// A request that waits. Its timers and its promise end with it.
pub(super) struct Waiting<'a> {
    instance: &'a HandlerInstance,
    id: RequestId,
    promise: v8::Global<v8::Promise>,
    /// The deadline.
    until: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.event_loop().forget(self.id);
    }
}

impl Waiting<'_> {
    fn event_loop(&self) -> &EventLoop {
        &self.instance.event_loop
    }

    /// Waits for the answer, and holds the thread only during the request's turns.
    pub(super) async fn answer(self, laps: &mut Laps) -> Result<Response, Error> {
        let mut alarm = pin!(tokio::time::sleep_until(self.until.into()));
        loop {
            let now = Instant::now();
            let due = self.next_turn(now)?;
            if due <= now {
                let turn = self.turn(now, laps).map_err(|cause| self.instance.error(cause))?;
                if let Some(response) = turn {
                    return Ok(response);
                }
                // The next timer may be due at once. The others on this thread come first.
                tokio::task::yield_now().await;
            } else {
                alarm.as_mut().reset(due.min(self.until).into());
                self.called(alarm.as_mut()).await;
            }
        }
    }

    /// When the request has something to do in the isolate.
    fn next_turn(&self, now: Instant) -> Result<Instant, Error> {
        let HandlerInstance { rules, event_loop, .. } = self.instance;
        if let Some(cause) = event_loop.stopped() {
            return Err(self.instance.error(cause));
        }
        if now >= self.until {
            let late = Cause::DeadlineExceeded(rules.limits.deadline);
            return Err(rules.error(Phase::Invoke, late).sparing(true));
        }
        match event_loop.news(self.id) {
            News::Failed(text) => Err(self.instance.error(Cause::Threw(text))),
            News::Stuck => Err(self.instance.error(never_settles())),
            News::Settled => Ok(now),
            News::Timers(due) => Ok(due),
            News::Others => Ok(self.until),
        }
    }

    /// Returns when the alarm rings, or when another request's turn has news for this one.
    async fn called(&self, mut alarm: Pin<&mut Sleep>) {
        poll_fn(|context| {
            if self.event_loop().is_called(self.id, context.waker()) {
                return Poll::Ready(());
            }
            alarm.as_mut().poll(context)
        })
        .await;
    }

    /// Calls the timers that are due, until the request is answered.
    fn turn(&self, now: Instant, laps: &mut Laps) -> Result<Option<Response>, Cause> {
        let HandlerInstance { rules, context, event_loop, isolate, .. } = self.instance;
        let turn = isolate.borrow_mut().run_within(context, self.until - now, |scope| {
            event_loop.enter(scope, self.id);
            let promise = v8::Local::new(scope, &self.promise);
            while promise.state() == v8::PromiseState::Pending && self.call_due(scope, now)? {}
            match answer_of(scope, promise.into())? {
                Answer::Pending(_) => Ok(None),
                Answer::Settled(answer) => {
                    laps.mark("wait");
                    reply::read(scope, answer, rules.limits.response_bytes).map(Some)
                }
            }
        });
        let turn = stopping(self.instance, turn);
        event_loop.end_turn();
        turn
    }

    /// Calls the next timer that is due by `now`. Returns whether one was due.
    fn call_due(&self, scope: &mut v8::PinScope<'_, '_>, now: Instant) -> Result<bool, Failure> {
        v8::scope!(let scope, scope);
        let read = |callback: &v8::Global<v8::Function>| v8::Local::new(scope, callback);
        let Some(callback) = self.event_loop().take_due(self.id, now, read) else {
            return Ok(false);
        };
        let global = scope.get_current_context().global(scope);
        callback.call(scope, global.into(), &[]).ok_or(Failure::Thrown)?;
        scope.perform_microtask_checkpoint();
        self.event_loop().check(self.id)?;
        Ok(true)
    }
}
