//! Foreign WASI commands. The query is the environment, the body of the request is standard
//! input, and standard output is the response. Each instance runs once. A query cannot replace a
//! variable that the command is granted.

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::wasi::Stdout;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory as MemoryUse, Phase, Prepared, Request, Response, message,
};
use percent_encoding::percent_decode_str;
use wasmtime::{Memory, Module};

use crate::exports::{Function, FunctionExport, MemoryExport};
use crate::fault::Failure;
use crate::granted::Granted;
use crate::host::Host;
use crate::rules::Rules;
use crate::sandbox::{Linked, Parked, Sandbox};
use crate::waiting::Way;

const CONTENT_TYPE: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

/// A command ready to be started.
pub(crate) struct PreparedCommand {
    linked: Linked,
    artifact: Artifact,
    exports: Exports,
}

struct Exports {
    memory: MemoryExport,
    start: FunctionExport<(), ()>,
}

impl Exports {
    fn of(module: &Module) -> Result<Self, Cause> {
        let start = FunctionExport::of(module, "_start").ok_or_else(|| {
            Cause::Artifact("the module exports no `_start` function, so it is not a WASI command".into())
        })?;
        Ok(Self { memory: MemoryExport::of(module)?, start })
    }

    fn find(&self, sandbox: &mut Sandbox) -> Result<(Memory, Function<(), ()>), Error> {
        let found = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            Ok((sandbox.memory(&self.memory)?, sandbox.function(&self.start)?))
        };
        found(sandbox).map_err(|failure| sandbox.error(Phase::Start, failure))
    }
}

impl PreparedCommand {
    pub(crate) fn new(linked: Linked, artifact: Artifact) -> Result<Self, Cause> {
        let exports = Exports::of(linked.module())?;
        Ok(Self { linked, artifact, exports })
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedCommand {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn max_uses(&self) -> Option<u64> {
        Some(1)
    }

    fn sleeps_on_thread(&self) -> bool {
        self.linked.way.sleeps_on_thread(self.linked.module())
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let limit_bytes = self.linked.rules.limits.response_bytes;
        let stdout = Stdout::Body { bytes: Vec::new(), limit_bytes };
        match self.linked.way {
            Way::Straight => {
                let mut sandbox = self.linked.start(stdout, Phase::Start, laps)?;
                laps.mark("instantiate");
                let (memory, start) = self.exports.find(&mut sandbox)?;
                Ok(Box::new(Straight { sandbox: RefCell::new(sandbox), memory, start }))
            }
            Way::Waiting | Way::Streaming => {
                // In a box of its own, so that the straight way has a small future.
                let started = Box::pin(self.linked.start_waiting(stdout, Phase::Start, laps));
                let mut sandbox = started.await?;
                laps.mark("instantiate");
                let (memory, start) = self.exports.find(&mut sandbox)?;
                let (rules, sandbox) = (Arc::clone(&sandbox.rules), Parked::new(sandbox));
                Ok(Box::new(Waiting { rules, sandbox, memory, start }))
            }
        }
    }
}

/// A command that has not run yet, and that cannot wait.
struct Straight {
    sandbox: RefCell<Sandbox>,
    memory: Memory,
    start: Function<(), ()>,
}

impl Straight {
    fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.sandbox.borrow().store) as u64
    }
}

#[async_trait(?Send)]
impl Instance for Straight {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let start = &self.start;
        let sandbox = &mut *self.sandbox.borrow_mut();
        let rules = Arc::clone(&sandbox.rules);
        sandbox.run(Phase::Invoke, laps, |store, laps| {
            give(store.data_mut(), &rules.granted, request);
            let ended = start.call(&mut *store, ());
            response(store.data_mut(), ended, laps)
        })
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: Some(self.memory_bytes()) }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Ok(self.memory_bytes())
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// A command that has not run yet, and that can wait.
struct Waiting {
    rules: Arc<Rules>,
    sandbox: Parked,
    memory: Memory,
    start: Function<(), ()>,
}

impl Waiting {
    fn memory_bytes(&self) -> Option<u64> {
        self.sandbox.read(|sandbox| self.memory.data_size(&sandbox.store) as u64)
    }
}

#[async_trait(?Send)]
impl Instance for Waiting {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let start = &self.start;
        let mut sandbox = self.sandbox.take().map_err(|cause| self.rules.error(Phase::Invoke, cause))?;
        let answered = sandbox.run_waiting(Phase::Invoke, laps, async |store, laps| {
            give(store.data_mut(), &self.rules.granted, request);
            let ended = start.call_waiting(&mut *store, ()).await;
            response(store.data_mut(), ended, laps)
        });
        let answered = answered.await;
        self.sandbox.put_back(sandbox);
        answered
    }

    /// Unknown while the command runs.
    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: self.memory_bytes() }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        self.memory_bytes().ok_or("the command runs")
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// Gives a request to a command that has not run yet.
fn give(host: &mut Host, granted: &Granted, request: Request) {
    host.wasi.set_environment(granted.environment_before(environment(request.query())));
    host.wasi.set_stdin(request.body);
}

/// The response of a command that has ended.
fn response(host: &mut Host, ended: wasmtime::Result<()>, laps: &mut Laps) -> Result<Response, Failure> {
    match ended.map_err(Failure::from) {
        Err(failure) if !failure.is_success() => return Err(failure),
        _ => laps.mark("call"),
    }
    Ok(message::response(200, [CONTENT_TYPE], host.wasi.take_body())?)
}

/// The pairs of a query as `name=value`, decoded, in their order. Pairs that an environment
/// cannot hold are left out: those without a name, with `=` in the name, or with a NUL.
fn environment(query: &str) -> Vec<Vec<u8>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = pairs.map(|(name, value)| (decode(name), decode(value)));
    let valid = decoded.filter(|(name, value)| {
        !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) && !value.contains(&0)
    });
    valid.map(|(name, value)| [name, value].join(&b'=')).collect()
}

fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_decoded_into_an_environment() {
        let of = |query| {
            let pairs = environment(query);
            pairs.iter().map(|pair| String::from_utf8_lossy(pair).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of("a=1&b=%C3%BC+%2B&flag&c=x=y"), ["a=1", "b=ü +", "flag=", "c=x=y"]);
        assert_eq!(of("=nameless&&a%3Db=1&n=%00&z%00=1&ok=1"), ["ok=1"]);
        assert!(of("").is_empty());
        assert_eq!(environment("raw=%ff"), [b"raw=\xff"]);
    }
}
