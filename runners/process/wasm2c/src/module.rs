//! The exports of the module, through `module.c`.

unsafe extern "C" {
    fn isolab_start();
    fn isolab_module_request(len: u32) -> u32;
    fn isolab_module_handle() -> u32;
    fn isolab_memory(len: *mut usize) -> *mut u8;
}

/// Makes the instance, and runs its initialisation.
pub(crate) fn start() {
    // SAFETY: it is called once, before everything else.
    unsafe { isolab_start() }
}

/// Makes room for a request of `len` bytes, and answers its address.
pub(crate) fn request(len: u32) -> u32 {
    // SAFETY: the instance is there. A trap ends the process.
    unsafe { isolab_module_request(len) }
}

/// Answers the request, and returns the address of the response's length.
pub(crate) fn handle() -> u32 {
    // SAFETY: as above.
    unsafe { isolab_module_handle() }
}

/// The module's memory. It may be used until the module runs again.
pub(crate) fn memory() -> &'static mut [u8] {
    let mut len = 0;
    // SAFETY: the memory of a module never moves, and has as many bytes. There is one thread, which does not run the
    // module while the host uses its memory.
    unsafe {
        let data = isolab_memory(&raw mut len);
        std::slice::from_raw_parts_mut(data, len)
    }
}
