//! The linear memory of a Wasm instance.

/// The bytes of a memory. They move when the memory grows, so no code of the instance may run
/// while they are looked at: they borrow the scope that such code would need.
pub(super) fn bytes<'a, 's>(
    _scope: &'a mut v8::PinScope<'s, '_>,
    memory: v8::Local<'s, v8::WasmMemoryObject>,
) -> &'a mut [u8] {
    let buffer = memory.buffer();
    // Another thread could write to a shared memory: none of it is shown.
    let is_shared = v8::Local::<v8::Value>::from(buffer).is_shared_array_buffer();
    match buffer.data().filter(|_| !is_shared) {
        // SAFETY: the memory has that many bytes. The handle `memory` keeps it from being
        // collected, and it neither moves nor is looked at by anybody else, because all
        // that could do so needs the scope, which is borrowed for as long as the bytes.
        Some(data) => unsafe { std::slice::from_raw_parts_mut(data.as_ptr().cast(), buffer.byte_length()) },
        None => &mut [],
    }
}
