//! The five functions of WASI preview 1 that the module imports
//! (<https://github.com/WebAssembly/WASI/blob/v0.2.1/legacy/preview1/docs.md>).
//!
//! They are declared here. A C library for WASI would import more.

use std::time::Duration;

/// A stream of the process, by its file descriptor.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Output = 1,
    Error = 2,
}

/// Memory to write from or to read into.
#[repr(C)]
struct Chunk {
    start: *const u8,
    len: usize,
}

/// A time to wait for, as one of the events of `poll_oneoff`.
#[repr(C)]
struct Subscription {
    userdata: u64,
    /// 0 is a clock.
    kind: u64,
    clock: u64,
    timeout_ns: u64,
    precision_ns: u64,
    /// 0 says that the time begins now.
    flags: u64,
}

const INPUT: u32 = 0;
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn fd_read(descriptor: u32, chunks: *const Chunk, count: usize, read: *mut usize) -> u16;
    fn fd_write(descriptor: u32, chunks: *const Chunk, count: usize, written: *mut usize) -> u16;
    fn clock_time_get(clock: u32, precision_ns: u64, time_ns: *mut u64) -> u16;
    fn poll_oneoff(
        awaited: *const Subscription,
        events: *mut [u64; 4],
        count: usize,
        happened: *mut usize,
    ) -> u16;
    fn random_get(start: *mut u8, len: usize) -> u16;
}

/// All that comes from standard input.
pub(crate) fn input() -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        let chunk = Chunk { start: buffer.as_mut_ptr(), len: buffer.len() };
        let mut read = 0;
        // SAFETY: the pointers are to live values, and the chunk's may be written through.
        let error = unsafe { fd_read(INPUT, &raw const chunk, 1, &raw mut read) };
        assert_eq!(error, 0, "standard input cannot be read");
        if read == 0 {
            return all;
        }
        all.extend_from_slice(&buffer[..read]);
    }
}

/// Writes a text and a line break. Text that the stream does not take is lost, because there
/// is nowhere to report it.
pub(crate) fn print(stream: Stream, text: &str) {
    let mut line = Vec::with_capacity(text.len() + 1);
    line.extend_from_slice(text.as_bytes());
    line.push(b'\n');
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let chunk = Chunk { start: rest.as_ptr(), len: rest.len() };
        let mut written = 0;
        // SAFETY: the pointers are to live values, and the chunk's are to `rest`.
        let error = unsafe { fd_write(stream as u32, &raw const chunk, 1, &raw mut written) };
        match rest.get(written..) {
            Some(left) if error == 0 && written > 0 => rest = left,
            _ => return,
        }
    }
}

/// Eight random bytes.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    // SAFETY: the pointer is to as many bytes as are asked for.
    let error = unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) };
    assert_eq!(error, 0, "the host has no random numbers");
    u64::from_le_bytes(bytes)
}

/// The time since an origin, which never goes back.
pub(crate) fn now() -> Duration {
    Duration::from_nanos(clock(MONOTONIC, 1))
}

/// Returns when at least this time is over.
pub(crate) fn sleep(time: Duration) {
    let timeout_ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let (userdata, kind, clock, precision_ns, flags) = (0, 0, MONOTONIC.into(), 0, 0);
    let awaited = Subscription { userdata, kind, clock, timeout_ns, precision_ns, flags };
    let (mut event, mut happened) = ([0; 4], 0);
    // SAFETY: the pointers are to live values: one event to wait for, and room for one.
    let error = unsafe { poll_oneoff(&raw const awaited, &raw mut event, 1, &raw mut happened) };
    assert_eq!(error, 0, "the host cannot wait");
}

/// Microseconds since 1970: the clock that `rquickjs-sys` leaves to the host.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    (clock(REALTIME, 1000) / 1000) as f64
}

/// The time of a clock in nanoseconds.
fn clock(clock: u32, precision_ns: u64) -> u64 {
    let mut time_ns = 0;
    // SAFETY: the pointer is to a live value.
    let error = unsafe { clock_time_get(clock, precision_ns, &raw mut time_ns) };
    assert_eq!(error, 0, "the host has no clock");
    time_ns
}
