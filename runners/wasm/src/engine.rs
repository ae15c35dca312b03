//! The engine and its settings.

use isolab_core::guest;
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
        values: Values::OneOf(&["cranelift", "winch", "pulley"]),
        help: "cranelift optimises; winch compiles in one pass; pulley is an interpreter, for whose bytecode \
               cranelift optimises",
    },
    Setting {
        name: "allocator",
        default: "pooling",
        values: Values::OneOf(&["pooling", "ondemand"]),
        help: "pooling reserves the memory of all instances at once and reuses its slots; \
               ondemand maps and unmaps each instance's memory",
    },
    Setting {
        name: "images",
        default: "on",
        values: Values::OneOf(&["on", "off"]),
        help: "on maps the data of a module into each instance, which copies a page when it writes to it; \
               off copies all data at each start",
    },
    Setting {
        name: "reset",
        default: "auto",
        values: Values::OneOf(&["auto", "scan", "clear"]),
        help: "how the pool resets a slot: scan asks Linux (6.7 or later) which pages were written; \
               clear overwrites the lowest 256 KiB, which stay in memory, and unmaps the rest; \
               auto clears memories that begin with one Wasm page and scans larger ones",
    },
    Setting {
        name: "snapshot",
        default: "on",
        values: Values::OneOf(&["on", "off"]),
        help: "on evaluates a handler, and does other work that a function can do in advance, in prepare; \
               off does it at each start",
    },
    guest::STACK,
    guest::SIMD,
    Setting {
        name: "target",
        default: "native",
        values: Values::OneOf(&["native", "baseline"]),
        help: "the instructions of compiled modules: native is all of this processor's; baseline is those of \
               every x86-64 processor, as native code is shipped",
    },
];

/// The target of `target=baseline`. Wasmtime asks the processor for its instructions only where
/// no target is named.
const BASELINE: &str = "x86_64-unknown-linux-gnu";

/// The target of `compiler=pulley`: bytecode for the interpreter on a host of 64 bits.
const BYTECODE: &str = "pulley64";

/// The most elements of a table, with either allocator. Large programs have about ten
/// thousand functions.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// How many bytes a slot of the pool keeps in memory between two instances. A small function
/// writes far less. Pages that a larger one writes beyond it return to the operating system,
/// and fault again in the next instance.
const RESIDENT_BYTES: usize = 1 << 20;

/// The same for slots that are cleared, all of which is overwritten each time.
const RESIDENT_BYTES_CLEARED: usize = 256 << 10;

/// The largest memory that `reset=auto` clears, in bytes: one page of Wasm. For larger ones,
/// overwriting pages that were never written takes as long as asking for those that were.
const CLEARED_BYTES: u64 = 64 << 10;

/// The stack of an instance that can wait, in bytes: the guest's own part, which is Wasmtime's
/// default for the stack of a thread too, and beyond it room for the functions of the host. A stack
/// takes memory only where it was used. A pool keeps that memory for the next instance, as it keeps
/// [`RESIDENT_BYTES`] of a slot.
const STACK_BYTES: usize = GUEST_STACK_BYTES + (512 << 10);

/// How deep a guest's calls may nest, in bytes.
const GUEST_STACK_BYTES: usize = 512 << 10;

/// The most instances of one pool that can wait. Each stack takes two of the 65,530 mappings that
/// Linux allows a process by default, whether or not it is used.
const STACKS: u32 = 4096;

/// The most addresses of a pool. A process of x86-64 has 2^47, and there is a pool for each [`Reset`].
const POOL_ADDRESSES_BYTES: u64 = 1 << 45;
/// All addresses of a Wasm memory.
const ALL_ADDRESSES_BYTES: u64 = 4 << 30;
/// The guard behind each memory: Wasmtime's default.
const GUARD_BYTES: u64 = 32 << 20;
const WASM_PAGE_BYTES: u64 = 64 << 10;

/// How a pool resets a slot for the next instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Overwrites the pages that, by what Linux says, were written.
    Scan,
    /// Overwrites the beginning of the memory, and unmaps the rest.
    Clear,
}

/// The ways of resetting in a resolved spec. Each takes an engine of its own.
pub(crate) fn resets(spec: &Spec) -> &'static [Reset] {
    match (spec.get("allocator"), spec.get("reset")) {
        ("pooling", "auto") => &[Reset::Scan, Reset::Clear],
        ("pooling", "clear") => &[Reset::Clear],
        // Without a pool nothing is reset, so one engine is enough.
        _ => &[Reset::Scan],
    }
}

/// The way of resetting the instances of a module.
pub fn reset(spec: &Spec, wasm: &[u8]) -> Reset {
    match resets(spec) {
        &[reset] => reset,
        _ if memory_bytes(wasm) <= CLEARED_BYTES => Reset::Clear,
        _ => Reset::Scan,
    }
}

/// The bytes of memory that an instance begins with; 0 if `wasm` is not a module, which the
/// compiler reports.
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

/// The reason why the settings of a resolved spec exclude each other, if they do.
pub(crate) fn conflict(spec: &Spec) -> Option<&'static str> {
    let has_instructions = spec.get("compiler") != "pulley";
    (!has_instructions && spec.get("target") == "baseline").then_some(
        "`compiler=pulley` makes bytecode, which has no processor's instructions: leave out `target`",
    )
}

/// The target that a resolved spec names; none for the instructions of this processor.
fn target(spec: &Spec) -> Option<&'static str> {
    match (spec.get("compiler"), spec.get("target")) {
        ("pulley", _) => Some(BYTECODE),
        (_, "baseline") => Some(BASELINE),
        _ => None,
    }
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
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .memory_init_cow(spec.get("images") == "on")
        // A shared memory would escape the memory limit, and a function has one thread.
        .wasm_threads(false)
        // Functions manage their linear memory themselves, and a store without a heap for
        // garbage collection is made faster.
        .gc_support(false);
    if let Some(target) = target(spec) {
        config.target(target).expect("it is the name of a target");
    }
    if spec.get("allocator") == "pooling" {
        let mut pool = pool(max_instances, reset);
        if let Some(bytes) = memory_addresses(spec, max_instances) {
            config.memory_reservation(bytes);
            pool.max_memory_size(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// The addresses of each memory, in bytes, if a pool for this number of instances has no room for 4 GiB each.
/// A memory cannot grow beyond its addresses, and its accesses are checked one by one.
pub(crate) fn memory_addresses(spec: &Spec, max_instances: usize) -> Option<u64> {
    if spec.get("allocator") != "pooling" {
        return None;
    }
    let each = POOL_ADDRESSES_BYTES / u64::from(slots(max_instances));
    let bytes = each.saturating_sub(GUARD_BYTES) / WASM_PAGE_BYTES * WASM_PAGE_BYTES;
    (bytes < ALL_ADDRESSES_BYTES).then_some(bytes)
}

/// One more than may be live, for the instance in which a snapshot is made.
fn slots(max_instances: usize) -> u32 {
    u32::try_from(max_instances).unwrap_or(u32::MAX).saturating_add(1)
}

fn pool(max_instances: usize, reset: Reset) -> PoolingAllocationConfig {
    let slots = slots(max_instances);
    let (scan, resident_bytes) = match reset {
        Reset::Scan => (Enabled::Auto, RESIDENT_BYTES),
        Reset::Clear => (Enabled::No, RESIDENT_BYTES_CLEARED),
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .total_gc_heaps(0)
        .total_stacks(slots.min(STACKS))
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
    fn a_reset_in_the_spec_is_used() {
        assert_eq!(reset_of("wasm:reset=scan", "(memory 1)"), Reset::Scan);
        assert_eq!(reset_of("wasm:reset=clear", "(memory 2)"), Reset::Clear);
        assert_eq!(reset_of("wasm:allocator=ondemand", "(memory 1)"), Reset::Scan);
    }

    #[test]
    fn many_instances_have_smaller_memories() {
        let addresses = |spec: &str, instances| {
            let spec = Spec::parse(spec).unwrap().resolve(SETTINGS).unwrap();
            memory_addresses(&spec, instances)
        };
        assert_eq!(addresses("wasm", 1_000), None);
        assert_eq!(addresses("wasm:allocator=ondemand", 100_000), None);
        let bytes = addresses("wasm", 100_000).unwrap();
        assert!((128 << 20..1 << 30).contains(&bytes) && bytes.is_multiple_of(WASM_PAGE_BYTES), "{bytes}");
        assert!(100_001 * (bytes + GUARD_BYTES) <= POOL_ADDRESSES_BYTES);
    }

    #[test]
    fn bytes_that_are_not_a_module_have_no_memory() {
        assert_eq!(memory_bytes(b"(module)"), 0);
    }
}
