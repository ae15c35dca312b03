//! The state that the host keeps for one instance.

use isolab_core::wasi::Wasi;
use wasmtime::{ResourceLimiter, Result};

use crate::engine::TABLE_ELEMENTS;
use crate::exchanges::Exchanges;
use crate::piped::Piped;

/// The data of a store.
pub(crate) struct Host {
    pub(crate) memory: MemoryLimit,
    pub(crate) wasi: Wasi,
    /// While an instance answers a request whose bodies flow.
    pub(crate) piped: Option<Box<Piped>>,
    /// Once the guest has sent an outbound request.
    pub(crate) exchanges: Option<Box<Exchanges>>,
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
