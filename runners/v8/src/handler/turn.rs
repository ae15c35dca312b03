//! The turns of a request: each is one entry into the isolate.
//!
//! Most requests are answered in their first turn. A request whose promise is still pending waits
//! for its next timer, for a task, or until the turn of another request has settled the promise. If
//! the answer's body is a stream, the request goes on until its last piece is passed on.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use isolab_core::streams::{Outlet, Pieces};
use isolab_core::{Cause, Error, Laps, Phase, Request, Response, Streams};
use tokio::time::Sleep;

use super::event_loop::{EventLoop, News, RequestId};
use super::natives::timers::settled;
use super::reply::Reply;
use super::tasks::{Body, BodyId, Sink};
use super::{HandlerInstance, arguments, delivery, reply};
use crate::isolate::{self, Failure, exception};

/// Stands for "never" where an instant is needed.
const A_CENTURY: Duration = Duration::from_hours(24 * 365 * 100);

/// The length of a turn from which on its memory is looked at when it ends. A handler needs longer to fill more
/// than a few MiB, and a look takes a microsecond.
const LONG_TURN: Duration = Duration::from_millis(5);

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
    /// The handler's promise is pending.
    Pending(v8::Global<v8::Promise>),
    /// The answer has begun. Its body is whole when the promise is fulfilled.
    Begun(v8::Global<v8::Promise>),
}

/// The result of a later turn.
enum Next {
    /// The handler's promise has settled.
    Turn(Turn),
    /// The answer that has begun is whole.
    Ended,
    /// The request waits on.
    Waits,
}

/// The answer of the web API, or the promise of it.
enum Answer<'s> {
    Settled(v8::Local<'s, v8::Value>),
    Pending(v8::Local<'s, v8::Promise>),
}

/// Has the handler begin with a request, and waits for nothing. Without streams, an answer whose
/// body is a stream is collected.
pub(super) fn first<'a>(
    instance: &'a HandlerInstance,
    request: &Request,
    streams: Option<Streams>,
    laps: &mut Laps,
) -> Result<First<'a>, Cause> {
    let HandlerInstance { rules, context, dispatch, handler, env, event_loop, home, .. } = instance;
    if let Some(cause) = event_loop.stopped() {
        return Err(cause);
    }
    let id = event_loop.begin();
    let (rest, outlet) = streams.map_or((None, None), |streams| (streams.rest, Some(streams.outlet)));
    let rest = rest.map(|pieces| incoming(event_loop, id, pieces));
    let turn = home.isolate().run(context, |scope| {
        event_loop.enter(scope, id);
        let arguments =
            arguments::of(scope, (handler, env.as_ref()), request, rest).ok_or(Failure::Thrown)?;
        let dispatch = v8::Local::new(scope, dispatch);
        let undefined = v8::undefined(scope).into();
        let answer = dispatch.call(scope, undefined, &arguments).ok_or(Failure::Thrown)?;
        scope.perform_microtask_checkpoint();
        event_loop.check(id)?;
        laps.mark("handler");
        if laps.elapsed() >= LONG_TURN {
            isolate::check(scope);
        }
        match answer_of(scope, answer)? {
            Answer::Settled(answer) => conclude(instance, scope, (id, outlet.as_deref()), answer),
            Answer::Pending(_) if event_loop.is_stuck() => Err(never_settles().into()),
            Answer::Pending(promise) => {
                listen(instance, scope, promise)?;
                Ok(Turn::Pending(v8::Global::new(scope, promise)))
            }
        }
    });
    let waiting = |promise, has_begun| {
        event_loop.wait(id);
        let until = laps.begun() + rules.limits.deadline.min(A_CENTURY);
        First::Waiting(Waiting { instance, id, promise, has_begun, outlet, until })
    };
    home.note(&turn);
    let turn = turn.map(|turn| match turn {
        Turn::Answered(response) => First::Answered(response),
        Turn::Pending(promise) => waiting(promise, false),
        Turn::Begun(promise) => waiting(promise, true),
    });
    if !matches!(turn, Ok(First::Waiting(_))) {
        event_loop.forget(id);
    }
    event_loop.end_turn();
    turn
}

/// Keeps the pieces of a request's body for its handler.
fn incoming(event_loop: &EventLoop, id: RequestId, pieces: Pieces) -> BodyId {
    let number = event_loop.new_body();
    event_loop.with_tasks(id, |tasks| tasks.put_body(number, Body { pieces, _fetch: None }));
    number
}

/// Makes a response of the web API's answer. If its body is a stream, the answer begins.
fn conclude(
    instance: &HandlerInstance,
    scope: &mut v8::PinScope<'_, '_>,
    (id, outlet): (RequestId, Option<&Outlet>),
    answer: v8::Local<'_, v8::Value>,
) -> Result<Turn, Failure> {
    let HandlerInstance { rules, event_loop, .. } = instance;
    let limit_bytes = rules.limits.response_bytes;
    let (head, pump) = match reply::read(scope, answer, limit_bytes)? {
        Reply::Whole(response) => return Ok(Turn::Answered(response)),
        Reply::Begun(head, pump) => (head, pump),
    };
    event_loop.begin_answer(id, Sink::new(head, outlet, limit_bytes));
    let undefined = v8::undefined(scope).into();
    let end = pump.call(scope, undefined, &[]).ok_or(Failure::Thrown)?;
    let end = v8::Local::<v8::Promise>::try_from(end)
        .map_err(|_| Cause::Internal("the web API passes a body on without a promise".into()))?;
    listen(instance, scope, end)?;
    scope.perform_microtask_checkpoint();
    event_loop.check(id)?;
    Ok(Turn::Begun(v8::Global::new(scope, end)))
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
    /// The promise of the answer, or of its end.
    promise: v8::Global<v8::Promise>,
    /// Whether the answer has begun.
    has_begun: bool,
    /// Where an answer can begin.
    outlet: Option<Rc<Outlet>>,
    /// The deadline.
    until: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.event_loop().forget(self.id);
    }
}

impl Waiting<'_> {
    fn event_loop(&self) -> &Rc<EventLoop> {
        &self.instance.event_loop
    }

    /// Waits for the answer, and holds the thread only during the request's turns. Returns `None` if
    /// the answer went to the outlet.
    pub(super) async fn answer(mut self, laps: &mut Laps) -> Result<Option<Response>, Error> {
        let mut alarm = pin!(tokio::time::sleep_until(self.until.into()));
        loop {
            poll_fn(|context| {
                let _ = self.event_loop().poll_tasks(self.id, context);
                Poll::Ready(())
            })
            .await;
            let now = Instant::now();
            let due = self.next_turn(now)?;
            if due <= now {
                match self.turn(now, laps).map_err(|cause| self.instance.error(cause))? {
                    Next::Turn(Turn::Answered(response)) => return Ok(Some(response)),
                    Next::Turn(Turn::Begun(end)) => (self.promise, self.has_begun) = (end, true),
                    Next::Ended => return self.end(),
                    Next::Turn(Turn::Pending(_)) | Next::Waits => {}
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
            News::Failed(cause) => Err(self.instance.error(cause)),
            News::Stuck => Err(self.instance.error(never_settles())),
            News::Now => Ok(now),
            News::Timers(due) => Ok(due),
            News::Others => Ok(self.until),
        }
    }

    /// Returns when the alarm rings, when a task has ended, or when another request's turn has news
    /// for this one.
    async fn called(&self, mut alarm: Pin<&mut Sleep>) {
        poll_fn(|context| {
            if self.event_loop().is_called(self.id, context.waker()) {
                return Poll::Ready(());
            }
            if self.event_loop().poll_tasks(self.id, context).is_ready() {
                return Poll::Ready(());
            }
            alarm.as_mut().poll(context)
        })
        .await;
    }

    /// Gives the request the outcomes of its tasks, and calls the timers that are due, until its
    /// promise has settled.
    fn turn(&mut self, now: Instant, laps: &mut Laps) -> Result<Next, Cause> {
        let HandlerInstance { context, event_loop, home, .. } = self.instance;
        let turn = home.isolate().run_within(context, self.until - now, |scope| {
            event_loop.enter(scope, self.id);
            let promise = v8::Local::new(scope, &self.promise);
            let is_pending = || promise.state() == v8::PromiseState::Pending;
            while is_pending() && delivery::deliver(scope, event_loop, self.id)? {}
            while is_pending() && self.call_due(scope, now)? {}
            if now.elapsed() >= LONG_TURN {
                isolate::check(scope);
            }
            match answer_of(scope, promise.into())? {
                Answer::Pending(_) => Ok(Next::Waits),
                Answer::Settled(_) if self.has_begun => Ok(Next::Ended),
                Answer::Settled(answer) => {
                    laps.mark("wait");
                    conclude(self.instance, scope, (self.id, self.outlet.as_deref()), answer).map(Next::Turn)
                }
            }
        });
        home.note(&turn);
        event_loop.end_turn();
        turn
    }

    /// The response, unless the outlet has it, of an answer that is whole.
    fn end(&self) -> Result<Option<Response>, Error> {
        let sink = self.event_loop().take_sink(self.id);
        let lost =
            || self.instance.error(Cause::Internal("the answer ended while a piece was written".into()));
        sink.map(Sink::end).ok_or_else(lost)
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
