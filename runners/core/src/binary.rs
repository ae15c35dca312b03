//! Sets the limits of a Wasm module's memory and table as their maximum.
//!
//! It is for engines that cannot limit one instance themselves; V8's own limit on memories is a
//! flag for the whole process. The maximum in the module is exact and holds for one function:
//! growth beyond it fails with -1, as the specification says. A module may have one memory, so
//! the limit holds for all memories of an instance.
//!
//! A module may have one table, of at most [`TABLE_ELEMENTS`]. V8 keeps tables in its heap, but
//! the limit of the heap does not stop their growth in time: three of them reached V8's own
//! bound of 10 million elements, and took 1.8 GB. No other byte of the module changes.
//!
//! Encoding: WebAssembly core specification 2.0, §5.5.2 (sections), §5.3.7 (limits),
//! §5.2.2 (integers).

use wasmparser::{Validator, WasmFeatures};

/// Bytes of a page of Wasm memory.
const PAGE: u64 = 1 << 16;

/// The most elements of a table. Large programs have about ten thousand functions.
pub const TABLE_ELEMENTS: u32 = 100_000;

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const TABLE_SECTION: u8 = 4;
const MEMORY_SECTION: u8 = 5;

/// The module with a maximum of `limit_bytes` for its memory, and one for its table. An error
/// says what is wrong with the module.
///
/// # Errors
/// If it is not a core module, or has another number of memories or tables.
pub fn set_limits(module: &[u8], limit_bytes: u64) -> Result<Vec<u8>, String> {
    let mut rest = module.strip_prefix(HEADER).ok_or("it is not a core Wasm module of version 1")?;
    let mut limited = HEADER.to_vec();
    while let Some((&id, after_id)) = rest.split_first() {
        let (len, after_len) = integer(after_id)?;
        let (section, after) = after_len.split_at_checked(len as usize).ok_or(TRUNCATED)?;
        match id {
            TABLE_SECTION => put_section(&mut limited, id, &limit_tables(section)?),
            MEMORY_SECTION => {
                put_section(&mut limited, id, &limit_memories(section, limit_bytes)?);
                limited.extend(after);
                return Ok(limited);
            }
            _ => limited.extend_from_slice(&rest[..rest.len() - after.len()]),
        }
        rest = after;
    }
    Err("it has no memory of its own".into())
}

/// The proposals of an engine without vector instructions.
pub const WITHOUT_VECTORS: WasmFeatures = WasmFeatures::WASM2.difference(WasmFeatures::SIMD);

/// Whether a module is valid with vector instructions, and with nothing less.
pub fn needs_vectors(module: &[u8]) -> bool {
    let is_valid = |features| Validator::new_with_features(features).validate_all(module).is_ok();
    is_valid(WasmFeatures::WASM2) && !is_valid(WITHOUT_VECTORS)
}

const TRUNCATED: &str = "it ends in the middle of a section";

/// The table section with the maximum.
fn limit_tables(section: &[u8]) -> Result<Vec<u8>, String> {
    const FUNCREF: u8 = 0x70;
    const EXTERNREF: u8 = 0x6f;
    let (count, rest) = integer(section)?;
    if count != 1 {
        return Err(format!("it has {count} tables instead of one"));
    }
    let (&kind, rest) = rest.split_first().ok_or(TRUNCATED)?;
    let (&flags, rest) = rest.split_first().ok_or(TRUNCATED)?;
    if !matches!((kind, flags), (FUNCREF | EXTERNREF, 0 | 1)) {
        return Err("its table has 64-bit indices, initial values or elements of another type".into());
    }
    let (min, rest) = integer(rest)?;
    let max = if flags == 1 { integer(rest)?.0 } else { u32::MAX };
    if min > TABLE_ELEMENTS {
        return Err(format!("its table begins with {min} elements, above the limit of {TABLE_ELEMENTS}"));
    }
    let mut limited = vec![1, kind, 1];
    put_integer(&mut limited, min);
    put_integer(&mut limited, max.min(TABLE_ELEMENTS));
    Ok(limited)
}

/// The memory section with the maximum. Sizes in it are in pages.
fn limit_memories(section: &[u8], limit_bytes: u64) -> Result<Vec<u8>, String> {
    let (count, rest) = integer(section)?;
    if count != 1 {
        return Err(format!("it has {count} memories instead of one"));
    }
    let (&flags, rest) = rest.split_first().ok_or(TRUNCATED)?;
    let (min, rest) = integer(rest)?;
    let max = match flags {
        0 => u32::MAX,
        1 => integer(rest)?.0,
        _ => return Err("its memory is shared or has 64-bit addresses".into()),
    };
    let limit = u32::try_from(limit_bytes / PAGE).unwrap_or(u32::MAX);
    if min > limit {
        let least = u64::from(min) * PAGE;
        return Err(format!("its memory begins with {least} bytes, above the limit of {limit_bytes} bytes"));
    }
    let mut limited = vec![1, 1];
    put_integer(&mut limited, min);
    put_integer(&mut limited, max.min(limit));
    Ok(limited)
}

/// An unsigned integer in LEB128, and the bytes after it.
fn integer(bytes: &[u8]) -> Result<(u32, &[u8]), String> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| "an integer has more than 32 bits")?;
            return Ok((value, &bytes[index + 1..]));
        }
    }
    Err(TRUNCATED.into())
}

fn put_section(out: &mut Vec<u8>, id: u8, section: &[u8]) {
    out.push(id);
    put_integer(out, section.len() as u32);
    out.extend_from_slice(section);
}

fn put_integer(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module of a custom section, a memory section and another custom section.
    fn module(memory: &[u8]) -> Vec<u8> {
        let custom = [0, 2, 1, b'a'];
        let section = [&[MEMORY_SECTION, memory.len() as u8], memory].concat();
        [HEADER, &custom, &section, &custom].concat()
    }

    #[test]
    fn the_maximum_is_set_or_lowered_and_nothing_else_changes() {
        let limit = 3 * PAGE + 1;
        assert_eq!(set_limits(&module(&[1, 0, 2]), limit), Ok(module(&[1, 1, 2, 3])));
        assert_eq!(set_limits(&module(&[1, 1, 2, 0x80, 1]), limit), Ok(module(&[1, 1, 2, 3])));
        assert_eq!(set_limits(&module(&[1, 1, 1, 2]), limit), Ok(module(&[1, 1, 1, 2])));
        assert_eq!(set_limits(&module(&[1, 0, 2]), 200 * PAGE), Ok(module(&[1, 1, 2, 200, 1])));
    }

    /// A module of a table section and a section with one page of memory.
    fn with_table(table: &[u8]) -> Vec<u8> {
        let section = [&[TABLE_SECTION, table.len() as u8], table].concat();
        [HEADER, &section, &[MEMORY_SECTION, 4, 1, 1, 1, 1]].concat()
    }

    #[test]
    fn the_maximum_of_a_table_is_set_or_lowered() {
        // 100,000 is 0xa0 0x8d 0x06 in LEB128.
        let limited = with_table(&[1, 0x70, 1, 2, 0xa0, 0x8d, 6]);
        assert_eq!(set_limits(&with_table(&[1, 0x70, 0, 2]), PAGE), Ok(limited.clone()));
        assert_eq!(set_limits(&with_table(&[1, 0x70, 1, 2, 0xff, 0xff, 0xff, 0x7f]), PAGE), Ok(limited));
        let small = with_table(&[1, 0x6f, 1, 2, 3]);
        assert_eq!(set_limits(&small, PAGE), Ok(small));
    }

    #[test]
    fn a_module_that_cannot_be_limited_is_refused() {
        let refused = |module: &[u8], reason: &str| {
            let error = set_limits(module, PAGE).unwrap_err();
            assert!(error.contains(reason), "{error}");
        };
        refused(b"MZ", "not a core Wasm module");
        refused(HEADER, "no memory of its own");
        refused(&module(&[1, 0, 2]), "begins with 131072 bytes");
        refused(&module(&[2, 0, 1, 0, 1]), "2 memories");
        refused(&module(&[1, 3, 1, 1]), "shared");
        refused(&with_table(&[2, 0x70, 0, 2, 0x70, 0, 2]), "2 tables");
        refused(&with_table(&[1, 0x70, 0, 0xa1, 0x8d, 6]), "begins with 100001 elements");
        refused(&with_table(&[1, 0x70, 4, 2]), "64-bit");
        refused(&with_table(&[1, 0x40, 0, 0x70, 0, 2, 0xd0, 0x70, 0x0b]), "initial values");
        refused(&with_table(&[1, 0x70]), "in the middle");
        refused(&module(&[1, 0]), "in the middle");
        refused(&module(&[1, 0, 1])[..16], "in the middle");
        refused(&module(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]), "32 bits");
    }
}
