//! WASI's error numbers.

/// The error numbers (`wasi_snapshot_preview1.witx`, `errno`) that a function without files
/// and network can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Errno {
    /// No error.
    Success = 0,
    /// The descriptor does not exist.
    Badf = 8,
    /// An address is outside of the guest's memory.
    Fault = 21,
    /// An argument is not allowed.
    Inval = 28,
    /// A stream broke off.
    Io = 29,
    /// The sandbox does not have this call.
    Nosys = 52,
    /// Nobody reads a stream any more.
    Pipe = 64,
    /// A stream has no position.
    Spipe = 70,
}
