//! The engine and its settings.

use isolab_core::spec::Values;
use isolab_core::{Setting, Spec};
use wasmparser::{Parser, Payload};
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
        default: "auto",
        values: Values::OneOf(&["auto", "scan", "clear"]),
        help: "how the pool makes a slot clean: scan asks Linux (6.7 or later) which pages are there; \
               clear overwrites the lowest 256 KiB, all of which stay in memory, and unmaps the rest; \
               auto clears memories that begin with one Wasm page and scans larger ones",
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

/// The largest memory that `reset=auto` clears, in bytes: a page of Wasm, beyond which
/// overwriting what nobody wrote to takes as long as asking.
const CLEARED_BYTES: u64 = 64 << 10;

/// How a pool makes a slot clean for the next instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Overwrites what Linux says was written.
    Scan,
    /// Overwrites the beginning of the memory, and unmaps the rest.
    Clear,
}

/// The ways that a resolved spec asks for: one engine has one.
pub(crate) fn resets(spec: &Spec) -> &'static [Reset] {
    match (spec.get("allocator"), spec.get("reset")) {
        ("pooling", "auto") => &[Reset::Scan, Reset::Clear],
        ("pooling", "clear") => &[Reset::Clear],
        // Without a pool nothing is reset, and nothing distinguishes two engines.
        _ => &[Reset::Scan],
    }
}

/// The one of them that is for the instances of a module.
pub fn reset(spec: &Spec, wasm: &[u8]) -> Reset {
    match resets(spec) {
        &[reset] => reset,
        _ if memory_bytes(wasm) <= CLEARED_BYTES => Reset::Clear,
        _ => Reset::Scan,
    }
}

/// How large the memory is that an instance begins with. What is no module has none;
/// the compiler will say so.
fn memory_bytes(wasm: &[u8]) -> u64 {
    /// The binary logarithm of a page's size, unless the module has pages of its own.
    const PAGE_LOG2: u32 = 16;
    let memories = Parser::new(0).parse_all(wasm).find_map(|section| match section {
        Ok(Payload::MemorySection(memories)) => Some(memories),
        _ => None,
    });
    let bytes = |memory: wasmparser::MemoryType| {
        let page_bytes = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(PAGE_LOG2));
        memory.initial.saturating_mul(page_bytes.unwrap_or(u64::MAX))
    };
    memories.into_iter().flatten().filter_map(Result::ok).map(bytes).fold(0, u64::saturating_add)
}

/// Wasmtime's configuration for a resolved spec. Public so that a bench can use
/// Wasmtime directly with the same settings.
pub fn config(spec: &Spec, reset: Reset, max_instances: usize) -> Config {
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
        let pool = pool(max_instances, reset);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(max_instances: usize, reset: Reset) -> PoolingAllocationConfig {
    // One more than are live: a snapshot is made in an instance of its own.
    let slots = u32::try_from(max_instances).unwrap_or(u32::MAX).saturating_add(1);
    let (scan, resident_bytes) = match reset {
        Reset::Scan => (Enabled::Auto, RESIDENT_BYTES),
        Reset::Clear => (Enabled::No, RESIDENT_BYTES_CLEARED),
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reset_of(spec: &str, memory: &str) -> Reset {
        let spec = Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap();
        reset(&spec, &wat::parse_str(format!("(module {memory})")).unwrap())
    }

    #[test]
    fn small_memories_are_cleared_and_large_ones_scanned() {
        assert_eq!(reset_of("wasm", "(memory 1)"), Reset::Clear);
        assert_eq!(reset_of("wasm", "(memory 1 100) (func) (data (i32.const 0) \"a\")"), Reset::Clear);
        assert_eq!(reset_of("wasm", ""), Reset::Clear);
        assert_eq!(reset_of("wasm", "(memory 2)"), Reset::Scan);
        assert_eq!(reset_of("wasm", "(memory 65536)"), Reset::Scan);
        assert_eq!(reset_of("wasm", "(memory 65536 (pagesize 1))"), Reset::Clear);
        assert_eq!(reset_of("wasm", "(memory i64 0xffff_ffff_ffff) (memory 1)"), Reset::Scan);
    }

    #[test]
    fn a_way_that_is_asked_for_is_taken() {
        assert_eq!(reset_of("wasm:reset=scan", "(memory 1)"), Reset::Scan);
        assert_eq!(reset_of("wasm:reset=clear", "(memory 2)"), Reset::Clear);
        assert_eq!(reset_of("wasm:allocator=ondemand", "(memory 1)"), Reset::Scan);
    }

    #[test]
    fn what_is_no_module_has_no_memory() {
        assert_eq!(memory_bytes(b"(module)"), 0);
    }
}
