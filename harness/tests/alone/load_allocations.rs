//! An open loop allocates nothing while it runs: a slow allocation would look like a slow server.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::num::NonZeroU64;
use std::time::Duration;

use isolab::load::open::{self, Arrivals, OpenLoad};

use crate::alone;
use crate::support::server::{Behaviour, Server, Stalls, expected, request};

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: All is left to the system's allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: The caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: The caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn an_open_loop_allocates_nothing_while_it_runs() {
    let _alone = alone();
    // The second window has a stall, and after it all connections are busy at once.
    let stalls = Some(Stalls { period: Duration::from_millis(300), length: Duration::from_millis(50) });
    for is_spinning in [false, true] {
        let server = Server::start(Behaviour { stalls, ..Behaviour::default() });
        let load = OpenLoad {
            address: server.address,
            request: request(),
            expected: expected(),
            rate_per_s: NonZeroU64::new(2000).unwrap(),
            arrivals: Arrivals::Poisson { seed: 1 },
            connections: 40,
            queue_max: 100_000,
            windows: vec![Duration::from_millis(100), Duration::from_millis(300)],
            patience: Duration::from_secs(20),
            is_spinning,
        };
        let mut counts = Vec::with_capacity(3);
        let outcome = open::run(&load, || counts.push(ALLOCATIONS.get())).unwrap().faultless().unwrap();
        assert!(outcome.windows[1].responses > 300);
        assert!(counts[0] > 40, "the connections alone take more than one each: {counts:?}");
        assert_eq!(counts[1], counts[2], "spinning: {is_spinning}");
    }
}
