//! Foreign WASI commands. The query is the environment, the body of the request is standard
//! input, and standard output is the response. Each instance runs once.

use std::cell::RefCell;

use async_trait::async_trait;
use isolab_core::wasi::Stdout;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory as MemoryUse, Phase, Prepared, Request, Response, message,
};
use percent_encoding::percent_decode_str;
use wasmtime::{Memory, Module};

use crate::exports::{Function, FunctionExport, MemoryExport};
use crate::fault::Failure;
use crate::sandbox::{Linked, Sandbox};

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

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let limit_bytes = self.linked.rules.limits.response_bytes;
        let stdout = Stdout::Body { bytes: Vec::new(), limit_bytes };
        let mut sandbox = self.linked.start(stdout, Phase::Start, laps)?;
        laps.mark("instantiate");
        let found = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            Ok((sandbox.memory(&self.exports.memory)?, sandbox.function(&self.exports.start)?))
        };
        let (memory, start) = found(&mut sandbox).map_err(|failure| sandbox.error(Phase::Start, failure))?;
        Ok(Box::new(CommandInstance { sandbox: RefCell::new(sandbox), memory, start }))
    }
}

/// A command that has not run yet.
struct CommandInstance {
    sandbox: RefCell<Sandbox>,
    memory: Memory,
    start: Function<(), ()>,
}

#[async_trait(?Send)]
impl Instance for CommandInstance {
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        let start = &self.start;
        self.sandbox.borrow_mut().run(Phase::Invoke, laps, |store, laps| {
            let wasi = &mut store.data_mut().wasi;
            wasi.set_environment(environment(request.query()));
            wasi.set_stdin(request.body);
            match start.call(&mut *store, ()).map_err(Failure::from) {
                Err(failure) if !failure.is_success() => return Err(failure),
                _ => laps.mark("call"),
            }
            Ok(message::response(200, [CONTENT_TYPE], store.data_mut().wasi.take_body())?)
        })
    }

    fn memory(&self) -> MemoryUse {
        MemoryUse { model_bytes: Some(self.memory.data_size(&self.sandbox.borrow().store) as u64) }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Ok(self.memory.data_size(&self.sandbox.borrow().store) as u64)
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
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
