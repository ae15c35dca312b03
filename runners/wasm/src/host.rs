//! The state that the host keeps for one instance.

use bytes::Bytes;
use isolab_core::Request;
use isolab_core::wasi::{Granted, Wasi, command};
use wasmtime::{ResourceLimiter, Result};

use crate::engine::TABLE_ELEMENTS;
use crate::exchanges::Exchanges;
use crate::full::Full;
use crate::piped::Piped;

/// The data of a store.
pub(crate) struct Host {
    pub(crate) memory: MemoryLimit,
    pub(crate) wasi: Wasi,
    /// While an instance of the light host answers a request whose bodies flow.
    pub(crate) piped: Option<Box<Piped>>,
    /// Once the guest has sent an outbound request.
    pub(crate) exchanges: Option<Box<Exchanges>>,
    /// The full host of WASI, which has standard streams of its own.
    pub(crate) full: Option<Box<Full>>,
}

impl Host {
    /// The full host.
    ///
    /// # Panics
    /// If the instance was linked with the light one.
    pub(crate) fn full(&mut self) -> &mut Full {
        self.full.as_mut().expect("an instance of the full host has its state")
    }

    /// Gives a request to a command that has not run yet.
    pub(crate) fn give(&mut self, granted: &Granted, request: Request) {
        let body = request.body.clone();
        command::give(&mut self.wasi, granted, request);
        self.set_stdin(body);
    }

    /// Sets what the guest reads from standard input.
    pub(crate) fn set_stdin(&mut self, stdin: Bytes) {
        match &self.full {
            Some(full) => full.stdio.set_stdin(stdin),
            None => self.wasi.set_stdin(stdin),
        }
    }

    /// Takes the body that was written to standard output.
    pub(crate) fn take_body(&mut self) -> Bytes {
        match &self.full {
            Some(full) => full.stdio.take_body(),
            None => self.wasi.take_body(),
        }
    }

    /// The end of standard error.
    pub(crate) fn stderr(&self) -> String {
        self.full.as_ref().map_or_else(|| self.wasi.stderr(), |full| full.stdio.stderr())
    }

    /// Makes the streams of a request those of the guest.
    pub(crate) fn begin_streams(&mut self, piped: Piped) {
        match &self.full {
            Some(full) => full.stdio.begin_streams(piped),
            None => self.piped = Some(Box::new(piped)),
        }
    }

    /// Takes them back.
    pub(crate) fn end_streams(&mut self) -> Option<Piped> {
        match &self.full {
            Some(full) => full.stdio.end_streams(),
            None => self.piped.take().map(|piped| *piped),
        }
    }

    /// Ends the outbound requests that are in flight, and gives back the memory that they held.
    pub(crate) fn end_exchanges(&mut self) {
        if let Some(exchanges) = &mut self.exchanges {
            self.memory.release(exchanges.end());
        }
    }
}

impl AsMut<Wasi> for Host {
    fn as_mut(&mut self) -> &mut Wasi {
        &mut self.wasi
    }
}

/// Holds all memories and tables of a store together to one limit, and remembers whether it
/// refused anything: a trap that follows is then due to the limit.
pub(crate) struct MemoryLimit {
    limit_bytes: usize,
    /// The granted bytes, whether or not the growth then succeeded. Wasmtime reports a failed
    /// growth without its size, and a guest can make it report one that was never granted. So
    /// nothing is taken back.
    granted_bytes: usize,
    refused: bool,
}

/// Bytes of a table's element.
const ELEMENT_BYTES: usize = size_of::<usize>();

impl MemoryLimit {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        Self { limit_bytes, granted_bytes: 0, refused: false }
    }

    /// Whether the instance asked for more than it may have.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }

    /// Counts bytes that the host holds for the guest. Returns false if the limit leaves no room for
    /// them; the guest is told.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let refused = self.refused;
        let is_held = self.grant(bytes);
        self.refused = refused;
        is_held
    }

    /// Gives back what was held.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.granted_bytes -= bytes;
    }

    fn grant(&mut self, bytes: usize) -> bool {
        let granted = self.granted_bytes.checked_add(bytes).filter(|granted| *granted <= self.limit_bytes);
        match granted {
            Some(granted) => self.granted_bytes = granted,
            None => self.refused = true,
        }
        granted.is_some()
    }
}

/// Wasmtime would let a growth beyond the declared maximum fail only after it was granted.
fn exceeds(maximum: Option<usize>, desired: usize) -> bool {
    maximum.is_some_and(|maximum| desired > maximum)
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        Ok(!exceeds(maximum, desired) && self.grant(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if desired > TABLE_ELEMENTS || exceeds(maximum, desired) {
            return Ok(false);
        }
        Ok(self.grant(desired.saturating_sub(current).saturating_mul(ELEMENT_BYTES)))
    }
}
