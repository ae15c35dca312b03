//! What engines that give a guest WASI preview 1 have in common.

/// Error numbers (`wasi_snapshot_preview1.witx`, `errno`), as far as a function meets
/// them that has no files and no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Errno {
    /// No error.
    Success = 0,
    /// There is no such descriptor.
    Badf = 8,
    /// An address outside of the guest's memory.
    Fault = 21,
    /// An argument that is not allowed.
    Inval = 28,
    /// A call that the sandbox does not have.
    Nosys = 52,
    /// A stream has no position.
    Spipe = 70,
}
