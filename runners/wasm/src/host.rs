//! What the host keeps for one instance.

use wasmtime::{ResourceLimiter, Result};

use crate::engine::TABLE_ELEMENTS;
use crate::wasi::Wasi;

/// The data of a store.
pub(crate) struct Host {
    pub(crate) memory: MemoryLimit,
    pub(crate) wasi: Wasi,
}

/// Refuses to grow beyond the limit, and remembers that it did: a trap that follows
/// is then the limit's doing.
pub(crate) struct MemoryLimit {
    bytes: usize,
    refused: bool,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes: usize::try_from(bytes).unwrap_or(usize::MAX), refused: false }
    }

    /// Whether the instance wanted more than it may have.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        self.refused |= desired > self.bytes;
        Ok(desired <= self.bytes)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}
