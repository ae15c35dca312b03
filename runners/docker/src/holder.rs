//! The idle container whose network namespace the instances of a function join.
//!
//! Its only process is a program that waits, so that it holds next to no memory. The
//! program is an ELF file written by hand: a compiler makes none that is as small.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};

use crate::container::Container;
use crate::engine::{Engine, EngineError};
use crate::image;
use crate::recipe::{HOLDER, Recipe};

/// The address of the program; Linux takes any page.
const BASE: u64 = 0x0040_0000;
/// Sizes from the ELF specification (ELF-64 Object File Format 1.5, tables 2 and 15).
const FILE_HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;

/// Calls `pause()` for ever; 34 is its number in the x86-64 system call table.
const CODE: [u8; 9] = [
    0xb8, 34, 0, 0, 0, // again: mov eax, 34
    0x0f, 0x05, // syscall
    0xeb, 0xf7, // jmp again
];

/// Starts a holder with an empty network namespace.
pub(crate) async fn start(
    engine: &Engine,
    labels: HashMap<String, String>,
) -> Result<Container, EngineError> {
    let recipe = Recipe::with_file(&HOLDER, "holder", Vec::new(), "hold", program());
    let image = image::base(engine, &recipe).await?;
    let body = ContainerCreateBody {
        image: Some(image.tag),
        labels: Some(labels),
        user: Some("65534:65534".into()),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            readonly_rootfs: Some(true),
            ipc_mode: Some("none".into()),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let holder = Container::create(engine, body).await?;
    holder.start().await?;
    Ok(holder)
}

/// An ELF executable with one segment: headers and code together.
fn program() -> Vec<u8> {
    let code_offset = FILE_HEADER_BYTES + PROGRAM_HEADER_BYTES;
    let len = code_offset + CODE.len() as u64;
    let mut file = Vec::with_capacity(len as usize);
    // 64 bits, little endian, version 1, System V.
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put16(&mut file, &[2, 62]); // executable, x86-64
    put32(&mut file, 1); // version
    put64(&mut file, &[BASE + code_offset, FILE_HEADER_BYTES, 0]); // entry, program headers, no sections
    put32(&mut file, 0); // flags
    put16(&mut file, &[FILE_HEADER_BYTES as u16, PROGRAM_HEADER_BYTES as u16, 1, 0, 0, 0]);
    put32(&mut file, 1); // a segment to load
    put32(&mut file, 0b101); // readable, executable
    put64(&mut file, &[0, BASE, BASE, len, len, 0x1000]); // offset, addresses, sizes, alignment
    file.extend_from_slice(&CODE);
    file
}

fn put16(file: &mut Vec<u8>, values: &[u16]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put32(file: &mut Vec<u8>, value: u32) {
    file.extend(value.to_le_bytes());
}

fn put64(file: &mut Vec<u8>, values: &[u64]) {
    file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_program_waits_until_it_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hold");
        std::fs::write(&path, program()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut process = Command::new(&path).spawn().unwrap();
        let wchan = format!("/proc/{}/stat", process.id());
        // A program that faults becomes a zombie; one that works sleeps.
        let state = loop {
            let stat = std::fs::read_to_string(&wchan).unwrap();
            match stat.rsplit_once(") ").unwrap().1.chars().next().unwrap() {
                'R' | 'D' => std::thread::yield_now(),
                state => break state,
            }
        };
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(state, 'S');
    }
}
