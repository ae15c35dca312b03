//! The linear memory of a Wasm instance.

use deno_core::v8;

/// The memory as it is now: growth gives it a new place, so a view must not be kept
/// while the module runs.
pub(crate) struct Linear<'s> {
    bytes: &'s mut [u8],
}

impl<'s> Linear<'s> {
    /// Looks at a memory. It is not shared with another thread: a module with a shared
    /// memory is not accepted.
    pub(crate) fn new(memory: &'s v8::WasmMemoryObject) -> Self {
        let buffer = memory.buffer();
        let len = buffer.byte_length();
        let bytes = match buffer.data() {
            // SAFETY: the memory has that many bytes, stays where it is until the module
            // runs again, and nothing else looks at it until then: callers make one view
            // at a time and drop it before they call the module.
            Some(data) => unsafe { std::slice::from_raw_parts_mut(data.as_ptr().cast(), len) },
            None => &mut [],
        };
        Self { bytes }
    }

    /// Its size in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// `len` bytes from an address on; `None` if they are not all in the memory.
    pub(crate) fn get(&self, at: u32, len: u32) -> Option<&[u8]> {
        self.bytes.get(at as usize..(at as usize).checked_add(len as usize)?)
    }

    /// The same, to be written to.
    pub(crate) fn get_mut(&mut self, at: u32, len: u32) -> Option<&mut [u8]> {
        self.bytes.get_mut(at as usize..(at as usize).checked_add(len as usize)?)
    }

    /// The number at an address.
    pub(crate) fn u32(&self, at: u32) -> Option<u32> {
        Some(u32::from_le_bytes(self.get(at, 4)?.try_into().ok()?))
    }

    /// Sets the bytes at an address.
    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) -> Option<()> {
        self.get_mut(at, u32::try_from(bytes.len()).ok()?)?.copy_from_slice(bytes);
        Some(())
    }
}
