//! An executor that fails, waits, blocks its thread and panics as a test tells it to,
//! and that counts.
//!
//! A request says in its query what its invocation does: `?fail=CAUSE`, `?wait`, `?panic`; and, where
//! the script streams: `?echo`, `?begin`, `?break`, `?flood`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use isolab_core::streams::{Pieces, Writer};
use isolab_core::{
    Artifact, Cause, Error, Executor, Function, Instance, Laps, Memory, Outside, Phase, Prepared, Request,
    Response, Setting, Spec, Streams, Variant, message, spec::Values,
};
use tokio::sync::Semaphore;

const SETTINGS: &[Setting] = &[
    Setting { name: "level", default: "0", values: Values::Number(0, 9), help: "nothing" },
    Setting { name: "mode", default: "calm", values: Values::OneOf(&["calm", "wild"]), help: "nothing" },
];

/// A call of the executor that can block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Start,
    Invoke,
    Stop,
    Close,
}

/// Instructions for the executor, and counts of its calls.
pub(crate) struct Script {
    /// A phase that fails with this cause.
    fail: Mutex<Option<(Phase, Cause)>>,
    /// A call that blocks its thread, of any function or of this one.
    block: Mutex<Option<(Call, Option<&'static str>)>>,
    released: Condvar,
    /// Calls that have blocked their thread.
    pub(crate) blocked: AtomicUsize,
    /// Every `prepare` and `start` takes a permit and keeps it; there are plenty by default.
    pub(crate) prepare_gate: Semaphore,
    pub(crate) start_gate: Semaphore,
    /// Every `?wait` takes a permit and keeps it; there are none by default.
    pub(crate) invoke_gate: Semaphore,
    pub(crate) prepared: AtomicUsize,
    pub(crate) starting: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
    pub(crate) started: AtomicUsize,
    pub(crate) stopped: AtomicUsize,
    /// Instances that were dropped without being stopped.
    pub(crate) leaked: AtomicUsize,
    pub(crate) closed: AtomicUsize,
    pub(crate) close_fails: AtomicBool,
    /// How many requests an instance answers at the same time; 1 by default.
    pub(crate) concurrency: AtomicUsize,
    /// Whether instances stream; they do not by default.
    pub(crate) streams: AtomicBool,
    /// Bytes of answers that have begun.
    pub(crate) written: AtomicUsize,
}

impl Default for Script {
    fn default() -> Self {
        let count = AtomicUsize::default;
        Self {
            fail: Mutex::default(),
            block: Mutex::default(),
            released: Condvar::new(),
            blocked: count(),
            prepare_gate: Semaphore::new(1_000),
            start_gate: Semaphore::new(1_000),
            invoke_gate: Semaphore::new(0),
            prepared: count(),
            starting: count(),
            waiting: count(),
            started: count(),
            stopped: count(),
            leaked: count(),
            closed: count(),
            close_fails: AtomicBool::new(false),
            concurrency: AtomicUsize::new(1),
            streams: AtomicBool::new(false),
            written: count(),
        }
    }
}

impl Script {
    fn check(&self, phase: Phase, function: &str) -> Result<(), Error> {
        match &*self.fail.lock().unwrap() {
            Some((failing, cause)) if *failing == phase => {
                Err(Error::new(phase, "scripted", function, cause.clone()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn fail(&self, phase: Phase, cause: Cause) {
        *self.fail.lock().unwrap() = Some((phase, cause));
    }

    pub(crate) fn recover(&self) {
        *self.fail.lock().unwrap() = None;
    }

    /// Has every such call block its thread until [`Script::release`].
    pub(crate) fn block(&self, call: Call) {
        *self.block.lock().unwrap() = Some((call, None));
    }

    /// Has every such call of this function block its thread until [`Script::release`].
    pub(crate) fn block_in(&self, call: Call, function: &'static str) {
        *self.block.lock().unwrap() = Some((call, Some(function)));
    }

    pub(crate) fn release(&self) {
        *self.block.lock().unwrap() = None;
        self.released.notify_all();
    }

    /// Blocks the thread if this call shall.
    fn pass(&self, call: Call, function: &str) {
        let shall = |block: &Option<(Call, Option<&str>)>| {
            block.is_some_and(|(blocked, of)| blocked == call && of.is_none_or(|of| of == function))
        };
        let mut block = self.block.lock().unwrap();
        if shall(&block) {
            self.blocked.fetch_add(1, Ordering::SeqCst);
            while shall(&block) {
                block = self.released.wait(block).unwrap();
            }
        }
    }

    pub(crate) fn fail_close(&self) {
        self.close_fails.store(true, Ordering::SeqCst);
    }

    pub(crate) fn close_start_gate(&self) {
        self.start_gate.forget_permits(1_000);
    }

    /// The number of live instances.
    pub(crate) fn live(&self) -> usize {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        count(&self.started) - count(&self.stopped) - count(&self.leaked)
    }
}

pub(crate) fn count(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

async fn pass(gate: &Semaphore) {
    gate.acquire().await.unwrap().forget();
}

/// Every cause by its name.
pub(crate) fn causes() -> Vec<Cause> {
    vec![
        Cause::Threw("on purpose".into()),
        Cause::Trapped("on purpose".into()),
        Cause::Crashed("on purpose".into()),
        Cause::DeadlineExceeded(Duration::from_secs(1)),
        Cause::OutOfMemory(1 << 20),
        Cause::ResponseTooLarge(1_000),
        Cause::InvalidResponse("on purpose".into()),
        Cause::Artifact("on purpose".into()),
        Cause::Unavailable("on purpose".into()),
        Cause::OverCapacity("on purpose".into()),
        Cause::Internal("on purpose".into()),
    ]
}

pub(crate) fn executor(script: &Arc<Script>) -> Arc<dyn Executor> {
    executor_with(script, "scripted")
}

pub(crate) fn executor_with(script: &Arc<Script>, spec: &str) -> Arc<dyn Executor> {
    let spec = Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap();
    Arc::new(Scripted { spec, script: Arc::clone(script) })
}

struct Scripted {
    spec: Spec,
    script: Arc<Script>,
}

#[async_trait]
impl Executor for Scripted {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, _: Variant) -> Result<(), String> {
        if function.name() == "hello" { Err("it does not support greetings".into()) } else { Ok(()) }
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![("script".into(), "1".into())]
    }

    async fn prepare(
        &self,
        function: &Function,
        _: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        self.script.prepared.fetch_add(1, Ordering::SeqCst);
        pass(&self.script.prepare_gate).await;
        laps.mark("gate");
        self.script.check(Phase::Prepare, function.name())?;
        let artifact = Artifact { kind: "script", source_digest: String::new(), bytes: 0, cached: false };
        Ok(Arc::new(Ready { script: Arc::clone(&self.script), function: function.name().into(), artifact }))
    }

    async fn close(&self) -> Result<(), Error> {
        self.script.pass(Call::Close, "");
        self.script.closed.fetch_add(1, Ordering::SeqCst);
        if self.script.close_fails.load(Ordering::SeqCst) {
            let cause = Cause::Internal("a sandbox remains".into());
            return Err(Error::new(Phase::Stop, &self.spec, "all", cause));
        }
        Ok(())
    }
}

struct Ready {
    script: Arc<Script>,
    function: String,
    artifact: Artifact,
}

#[async_trait(?Send)]
impl Prepared for Ready {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn holds_thread(&self) -> bool {
        self.function != "elsewhere"
    }

    fn max_concurrency(&self) -> usize {
        count(&self.script.concurrency)
    }

    fn streams(&self) -> bool {
        self.script.streams.load(Ordering::SeqCst)
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        self.script.starting.fetch_add(1, Ordering::SeqCst);
        pass(&self.script.start_gate).await;
        self.script.pass(Call::Start, &self.function);
        laps.mark("gate");
        self.script.check(Phase::Start, &self.function)?;
        self.script.started.fetch_add(1, Ordering::SeqCst);
        let (script, function) = (Arc::clone(&self.script), self.function.clone());
        Ok(Box::new(Sandbox { script, function, stopped: false }))
    }
}

struct Sandbox {
    script: Arc<Script>,
    function: String,
    stopped: bool,
}

#[async_trait(?Send)]
impl Instance for Sandbox {
    async fn invoke(&self, request: Request, _: &mut Laps) -> Result<Response, Error> {
        self.script.pass(Call::Invoke, &self.function);
        if request.query() == "wait" {
            self.script.waiting.fetch_add(1, Ordering::SeqCst);
            pass(&self.script.invoke_gate).await;
        }
        assert_ne!(request.query(), "panic", "the executor has a bug, on purpose");
        if let Some(name) = request.query().strip_prefix("fail=") {
            let cause = causes().into_iter().find(|cause| cause.name() == name).unwrap();
            return Err(Error::new(Phase::Invoke, "scripted", &self.function, cause));
        }
        Ok(message::response(200, [("x-function", &self.function)], Bytes::from_static(b"answered")).unwrap())
    }

    async fn stream(
        &self,
        request: Request,
        Streams { rest, outlet }: Streams,
        laps: &mut Laps,
    ) -> Result<Option<Response>, Error> {
        let query = request.query().to_owned();
        if !["echo", "begin", "break", "flood"].contains(&query.as_str()) {
            return self.invoke(request, laps).await.map(Some);
        }
        self.script.pass(Call::Invoke, &self.function);
        let mut writer = outlet.begin(http::Response::new(()), 64 << 20);
        match self.answer(&query, request.body, rest, &mut writer).await {
            Ok(()) => Ok(None),
            Err(cause) => Err(Error::new(Phase::Invoke, "scripted", &self.function, cause)),
        }
    }

    fn memory(&self) -> Memory {
        Memory { model_bytes: Some(4_096) }
    }

    fn outside(&self) -> Outside {
        Outside {
            cgroups: vec!["/sys/fs/cgroup/x".into()],
            around: vec!["/sys/fs/cgroup".into()],
            helpers: vec![7],
        }
    }

    async fn stop(mut self: Box<Self>, _: &mut Laps) -> Result<(), Error> {
        self.script.pass(Call::Stop, &self.function);
        self.stopped = true;
        self.script.stopped.fetch_add(1, Ordering::SeqCst);
        self.script.check(Phase::Stop, &self.function)
    }
}

impl Sandbox {
    async fn answer(
        &self,
        query: &str,
        first: Bytes,
        rest: Option<Pieces>,
        writer: &mut Writer,
    ) -> Result<(), Cause> {
        if query == "echo" {
            let first = stream::iter([Ok(first)]);
            let mut pieces = first.chain(rest.unwrap_or_else(|| Box::pin(stream::empty())));
            while let Some(piece) = pieces.next().await {
                self.write(writer, piece.map_err(|broken| Cause::Threw(broken.to_string()))?).await?;
            }
            return Ok(());
        }
        if query == "flood" {
            for _ in 0..1024 {
                self.write(writer, vec![b'x'; 32 << 10].into()).await?;
            }
            return Ok(());
        }
        self.write(writer, "one".into()).await?;
        self.script.waiting.fetch_add(1, Ordering::SeqCst);
        pass(&self.script.invoke_gate).await;
        if query == "break" {
            return Err(Cause::Trapped("on purpose".into()));
        }
        self.write(writer, "two".into()).await
    }

    async fn write(&self, writer: &mut Writer, piece: Bytes) -> Result<(), Cause> {
        let bytes = piece.len();
        writer.write(piece).await.map_err(|_| Cause::Threw("the client has left".into()))?;
        self.script.written.fetch_add(bytes, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.stopped {
            self.script.leaked.fetch_add(1, Ordering::SeqCst);
        }
    }
}
