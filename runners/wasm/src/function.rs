//! Functions with the wire form of `isolab_sdk`: the variants `rust` and `js`.

use async_trait::async_trait;
use bytes::Bytes;
use isolab_core::{
    Artifact, Cause, Error, Instance, Laps, Memory as MemoryUse, Phase, Prepared, Request, Response, message,
};
use isolab_sdk::wire;
use wasmtime::{Memory, Module};

use crate::exports::{Function, FunctionExport, MemoryExport};
use crate::fault::Failure;
use crate::initialize::{self, Initialization};
use crate::sandbox::{Linked, Sandbox};
use crate::wasi::Stdout;

/// How many bytes of a response may be status and headers, beside its body.
const HEAD_BYTES: u64 = 64 << 10;

/// A function ready to be started.
pub(crate) struct PreparedFunction {
    linked: Linked,
    artifact: Artifact,
    exports: Exports,
    initialization: Initialization,
}

/// The exports of a function's module.
struct Exports {
    memory: MemoryExport,
    request: FunctionExport<u32, u32>,
    handle: FunctionExport<(), u32>,
}

impl Exports {
    fn of(module: &Module) -> Result<Self, Cause> {
        let missing = |name, form| {
            Cause::Artifact(format!(
                "the module exports no `{name}` of the form {form}; use `isolab_sdk::export!`"
            ))
        };
        let (request, handle) = ("isolab_request", "isolab_handle");
        Ok(Self {
            memory: MemoryExport::of(module)?,
            request: FunctionExport::of(module, request).ok_or_else(|| missing(request, "(i32) -> i32"))?,
            handle: FunctionExport::of(module, handle).ok_or_else(|| missing(handle, "() -> i32"))?,
        })
    }
}

impl PreparedFunction {
    /// `input` is standard input of the function's initialisation.
    pub(crate) fn new(linked: Linked, artifact: Artifact, input: Bytes) -> Result<Self, Cause> {
        let exports = Exports::of(linked.module())?;
        let initialization = Initialization::of(linked.module(), input)?;
        Ok(Self { linked, artifact, exports, initialization })
    }

    /// Whether each instance does work of its own before it can answer.
    pub(crate) fn initializes(&self) -> bool {
        self.initialization.has_own()
    }

    /// Starts an instance once, to find errors of its initialisation during `prepare`.
    pub(crate) fn try_start(&self) -> Result<(), Error> {
        let started = self.begin(Phase::Prepare, &mut Laps::begin());
        started.map(|_| ()).map_err(initialize::refused)
    }

    fn begin(&self, phase: Phase, laps: &mut Laps) -> Result<FunctionInstance, Error> {
        let mut sandbox = self.linked.start(Stdout::Console, phase, laps)?;
        laps.mark("instantiate");
        let find = |sandbox: &mut Sandbox| -> Result<_, Failure> {
            let memory = sandbox.memory(&self.exports.memory)?;
            let request = sandbox.function(&self.exports.request)?;
            Ok((memory, request, sandbox.function(&self.exports.handle)?))
        };
        let (memory, request, handle) =
            find(&mut sandbox).map_err(|failure| sandbox.error(phase, failure))?;
        self.initialization.run(&mut sandbox, phase, laps)?;
        Ok(FunctionInstance { sandbox, memory, request, handle })
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedFunction {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(self.begin(Phase::Start, laps)?))
    }
}

/// A live sandbox with a function in it.
struct FunctionInstance {
    sandbox: Sandbox,
    memory: Memory,
    request: Function<u32, u32>,
    handle: Function<(), u32>,
}

impl FunctionInstance {
    fn answer(&mut self, request: &Request, laps: &mut Laps) -> Result<Response, Error> {
        let Self { sandbox, memory, request: room_for, handle } = self;
        let limit_bytes = sandbox.rules.limits.response_bytes;
        let guest = request.as_guest();
        sandbox.run(Phase::Invoke, laps, |store, laps| {
            let len = u32::try_from(wire::request_len(&guest))
                .map_err(|_| Cause::Internal("the request is larger than a 32-bit memory".into()))?;
            let at = room_for.call(&mut *store, len)?;
            let room = memory.data_mut(&mut *store).get_mut(at as usize..);
            let room = room
                .and_then(|room| room.get_mut(..len as usize))
                .ok_or_else(|| Cause::Trapped("its room for the request is outside of its memory".into()))?;
            wire::write_request(&guest, room);
            laps.mark("write");
            let at = handle.call(&mut *store, ())?;
            laps.mark("call");
            Ok(read_response(memory.data(&*store), at, limit_bytes)?)
        })
    }
}

#[async_trait(?Send)]
impl Instance for FunctionInstance {
    async fn invoke(&mut self, request: Request, laps: &mut Laps) -> Result<Response, Error> {
        self.answer(&request, laps)
    }

    fn memory(&mut self) -> MemoryUse {
        MemoryUse { model_bytes: Some(self.memory.data_size(&self.sandbox.store) as u64) }
    }

    /// The size of the linear memory, which never shrinks.
    fn peak_memory(&mut self) -> Result<u64, &'static str> {
        Ok(self.memory.data_size(&self.sandbox.store) as u64)
    }

    async fn stop(self: Box<Self>, _laps: &mut Laps) -> Result<(), Error> {
        Ok(())
    }
}

/// The response at an address, where its length precedes it. The limit is checked before
/// anything is copied.
fn read_response(memory: &[u8], at: u32, limit_bytes: u64) -> Result<Response, Cause> {
    let outside = || Cause::InvalidResponse("it is outside of the memory".into());
    let (len, rest) =
        memory.get(at as usize..).and_then(|rest| rest.split_first_chunk()).ok_or_else(outside)?;
    let len = u32::from_le_bytes(*len);
    if u64::from(len) > limit_bytes.saturating_add(HEAD_BYTES) {
        return Err(Cause::ResponseTooLarge(limit_bytes));
    }
    let bytes = rest.get(..len as usize).ok_or_else(outside)?;
    let parts =
        wire::decode_response_parts(bytes).map_err(|error| Cause::InvalidResponse(error.to_string()))?;
    if parts.body.len() as u64 > limit_bytes {
        return Err(Cause::ResponseTooLarge(limit_bytes));
    }
    message::response(parts.status, parts.headers, Bytes::copy_from_slice(parts.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(body: &str) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        wire::encode_response(&isolab_sdk::Response::text(200, body), &mut bytes);
        let len = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes
    }

    #[test]
    fn a_response_is_read_from_the_memory() {
        let response = read_response(&memory("four"), 4, 4).unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, b"four".as_slice()));
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    }

    #[test]
    fn bad_addresses_and_lengths_are_errors() {
        let mut bytes = memory("four");
        assert_eq!(read_response(&bytes, 4, 3).unwrap_err(), Cause::ResponseTooLarge(3));
        for at in [bytes.len() as u32 - 3, bytes.len() as u32, u32::MAX] {
            assert!(matches!(read_response(&bytes, at, 4), Err(Cause::InvalidResponse(_))), "{at}");
        }
        bytes[4] += 1;
        assert!(matches!(read_response(&bytes, 4, 4), Err(Cause::InvalidResponse(_))));
        bytes[4..8].fill(0xff);
        assert_eq!(read_response(&bytes, 4, 4).unwrap_err(), Cause::ResponseTooLarge(4));
    }
}
