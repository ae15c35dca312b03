//! The linear memory of a Wasm instance.

/// The bytes of a memory. They move when the memory grows, so no code of the instance may run
/// while they are looked at: a `Linear` borrows the scope that such code would need.
pub(crate) struct Linear<'a> {
    bytes: &'a mut [u8],
}

impl<'a> Linear<'a> {
    /// Looks at a memory, whose instance cannot run until the view is dropped.
    pub(crate) fn new<'s>(
        _scope: &'a mut v8::PinScope<'s, '_>,
        memory: v8::Local<'s, v8::WasmMemoryObject>,
    ) -> Self {
        let buffer = memory.buffer();
        // Another thread could write to a shared memory: none of it is shown.
        let is_shared = v8::Local::<v8::Value>::from(buffer).is_shared_array_buffer();
        let bytes: &mut [u8] = match buffer.data().filter(|_| !is_shared) {
            // SAFETY: the memory has that many bytes. The handle `memory` keeps it from being
            // collected, and it neither moves nor is looked at by anybody else, because all
            // that could do so needs the scope, which is borrowed for as long as the bytes.
            Some(data) => unsafe {
                std::slice::from_raw_parts_mut(data.as_ptr().cast(), buffer.byte_length())
            },
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

    /// The same bytes, for the functions of WASI that all hosts share.
    pub(crate) fn as_wasi(&mut self) -> isolab_core::wasi::Memory<'_> {
        isolab_core::wasi::Memory(self.bytes)
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
