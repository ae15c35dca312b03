//! Whether a thread's faults and turns on a processor have changed, without a system call.
//!
//! The kernel writes an event's counters into a page that it shares with this process
//! (`perf_event_open(2)`): for every page fault of the thread it moves `data_head`, and each
//! time the thread gets a processor again it changes `lock`. So two loads from memory tell that
//! neither has happened, where two system calls would take half a microsecond.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_PAGE_FAULTS, PERF_FLAG_FD_CLOEXEC, PERF_TYPE_SOFTWARE, perf_event_attr,
    perf_event_mmap_page,
};
use perf_event_open_sys::{ioctls, perf_event_open};

/// The shared page and the smallest ring of records, which nobody reads: the kernel overwrites
/// it.
const MAPPED_BYTES: usize = 2 * 4096;

/// Counts of the kernel. Only a difference between two marks means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Changes with every page fault of the thread.
    pub(crate) faults: u64,
    /// Changes whenever the thread was off its processor.
    pub(crate) turns: u32,
}

/// Watches the thread that opened it.
pub(crate) struct Watch {
    event: File,
    page: MmapRaw,
}

impl Watch {
    /// Begins to watch the calling thread.
    ///
    /// # Errors
    /// If the kernel refuses, as in a container with the usual filter of system calls.
    pub(crate) fn open() -> io::Result<Self> {
        // A process without privileges may not watch faults that the kernel itself makes in its
        // memory. They are then seen together with the thread's next fault.
        let event = event(false).or_else(|_| event(true))?;
        let page = MmapOptions::new().len(MAPPED_BYTES).map_raw_read_only(&event)?;
        Ok(Self { event, page })
    }

    /// The marks now.
    pub(crate) fn marks(&self) -> Marks {
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins where a page does")]
        let page = self.page.as_ptr().cast::<perf_event_mmap_page>().cast_mut();
        // SAFETY: the mapping begins with this struct, lives as long as `self`, and the kernel
        // writes these two aligned words while this thread does not run.
        let (faults, turns) = unsafe {
            (
                AtomicU64::from_ptr(ptr::addr_of_mut!((*page).data_head)),
                AtomicU32::from_ptr(ptr::addr_of_mut!((*page).lock)),
            )
        };
        Marks { faults: faults.load(Ordering::Relaxed), turns: turns.load(Ordering::Relaxed) }
    }

    /// Turns the watch on or off. The kernel writes a record of each fault while it is on, which
    /// takes about a fifth of the fault's own time.
    pub(crate) fn turn(&self, on: bool) {
        let event = self.event.as_raw_fd();
        // SAFETY: it is an event, and both calls take no memory of this process.
        let turned = unsafe { if on { ioctls::ENABLE(event, 0) } else { ioctls::DISABLE(event, 0) } };
        debug_assert_eq!(turned, 0, "an open event can always be turned on and off");
    }
}

/// An event that counts the page faults of the calling thread, with a record of each.
fn event(without_kernel: bool) -> io::Result<File> {
    let mut attributes = perf_event_attr::default();
    attributes.size = size_of::<perf_event_attr>() as u32;
    attributes.type_ = PERF_TYPE_SOFTWARE;
    attributes.config = u64::from(PERF_COUNT_SW_PAGE_FAULTS);
    attributes.__bindgen_anon_1.sample_period = 1;
    attributes.set_exclude_kernel(u64::from(without_kernel));
    attributes.set_exclude_hv(1);
    // Nobody waits for records: the kernel need not wake anybody before the ring is full.
    attributes.set_watermark(1);
    attributes.__bindgen_anon_2.wakeup_watermark = u32::MAX;
    // SAFETY: the attributes are valid, and the kernel only reads them.
    let event = unsafe { perf_event_open(&raw mut attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC.into()) };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it, and nothing else owns it.
    Ok(unsafe { File::from_raw_fd(event) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None`, said on stderr, where the kernel refuses.
    fn open() -> Option<Watch> {
        Watch::open().map_err(|error| eprintln!("skipped: perf_event_open: {error}")).ok()
    }

    #[test]
    fn every_fault_changes_the_mark_and_computing_does_not() {
        let Some(watch) = open() else { return };
        let mut marks = Vec::with_capacity(64);
        let map = || memmap2::MmapMut::map_anon(64 * 4096).unwrap();
        let mut pages = map();
        marks.push(watch.marks().faults);
        for page in pages.chunks_mut(4096).take(32) {
            page[0] = 1;
            marks.push(watch.marks().faults);
        }
        // The kernel may map several pages at one fault, but not all of them.
        marks.dedup();
        assert!(marks.len() > 1, "{marks:?}");
        let before = watch.marks().faults;
        assert_eq!(std::hint::black_box((0..1_000_u64).fold(0, u64::wrapping_add)), 499_500);
        assert_eq!(watch.marks().faults, before);
    }

    #[test]
    fn a_turn_of_another_thread_changes_the_mark() {
        let Some(watch) = open() else { return };
        let before = watch.marks().turns;
        std::thread::spawn(|| {}).join().unwrap();
        // Joining may not have had to wait; reading from a pipe that another thread fills does.
        let (mut reader, mut writer) = io::pipe().unwrap();
        let filler = std::thread::spawn(move || io::Write::write_all(&mut writer, b"x"));
        while watch.marks().turns == before {
            std::thread::yield_now();
        }
        io::Read::read_exact(&mut reader, &mut [0]).unwrap();
        filler.join().unwrap().unwrap();
    }

    #[test]
    fn a_watch_that_is_off_sees_nothing() {
        let Some(watch) = open() else { return };
        watch.turn(false);
        let before = watch.marks().faults;
        let mut pages = memmap2::MmapMut::map_anon(4 << 20).unwrap();
        pages.fill(1);
        assert_eq!(watch.marks().faults, before);
        watch.turn(true);
        let mut pages = memmap2::MmapMut::map_anon(4 << 20).unwrap();
        pages.fill(1);
        assert_ne!(watch.marks().faults, before);
    }
}
