//! The engine and its settings.

use isolab_core::spec::Values;
use isolab_core::{Setting, Spec};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy};

/// The executor's name in specs.
pub const NAME: &str = "wasm";

/// The executor's settings.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "compiler",
        default: "cranelift",
        values: Values::OneOf(&["cranelift", "winch"]),
        help: "cranelift optimises; winch compiles in one pass",
    },
    Setting {
        name: "allocator",
        default: "pooling",
        values: Values::OneOf(&["pooling", "ondemand"]),
        help: "pooling reserves the memory of all instances at once and uses slots again; \
               ondemand maps and unmaps each instance's memory",
    },
    Setting {
        name: "reset",
        default: "scan",
        values: Values::OneOf(&["scan", "clear"]),
        help: "how the pool makes a slot clean: scan asks Linux (6.7 or later) which pages are there; \
               clear overwrites the lowest and unmaps the rest, which is faster for tiny memories only",
    },
];

/// The most elements that a table may have, with either allocator. Large programs
/// have some ten thousand functions.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// What a slot of the pool keeps in memory between two instances, in bytes. A small
/// function writes far less; what a larger one writes beyond is given back to the
/// operating system, and faulted in again.
const RESIDENT_BYTES: usize = 1 << 20;

/// The same where all of it is overwritten each time, whether or not it was written.
const RESIDENT_BYTES_CLEARED: usize = 256 << 10;

/// Wasmtime's configuration for a resolved spec. Public so that a bench can use
/// Wasmtime directly with the same settings.
pub fn config(spec: &Spec, max_instances: usize) -> Config {
    let mut config = Config::new();
    config
        .strategy(match spec.get("compiler") {
            "winch" => Strategy::Winch,
            _ => Strategy::Cranelift,
        })
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_init_cow(true)
        // Functions come from languages that manage linear memory themselves, and a
        // store without a garbage-collected heap is made faster.
        .gc_support(false);
    if spec.get("allocator") == "pooling" {
        let pool = pool(max_instances, spec.get("reset") == "scan");
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(max_instances: usize, scan: bool) -> PoolingAllocationConfig {
    // One more than are live: a snapshot is made in an instance of its own.
    let slots = u32::try_from(max_instances).unwrap_or(u32::MAX).saturating_add(1);
    let (scan, resident_bytes) =
        if scan { (Enabled::Auto, RESIDENT_BYTES) } else { (Enabled::No, RESIDENT_BYTES_CLEARED) };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .total_gc_heaps(0)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(resident_bytes)
        .table_keep_resident(resident_bytes)
        .pagemap_scan(scan);
    pool
}
