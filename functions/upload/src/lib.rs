//! Answers with the SHA-256 hash of the body in lower-case hexadecimal, and its size:
//! `{"sha256":"…","bytes":3}`.
//!
//! The body flows: the function holds 64 KiB of it at a time.

use std::io::{self, Read};

use isolab_sdk::{Answer, Request};
use sha2::{Digest, Sha256};

const JSON: (&str, &str) = ("content-type", "application/json");

const ROOM_BYTES: usize = 64 << 10;

/// Reads the body to its end, and answers.
pub fn handle(_: &Request<'_>, body: &mut dyn Read, answer: &mut dyn Answer) -> io::Result<()> {
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut room = vec![0; ROOM_BYTES];
    loop {
        let len = body.read(&mut room)?;
        if len == 0 {
            break;
        }
        hash.update(&room[..len]);
        bytes += len as u64;
    }
    let digits = hash.finalize().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hash: String = digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect();
    let text = format!(r#"{{"sha256":"{hash}","bytes":{bytes}}}"#);
    // In one piece: each write is one.
    answer.begin(200, &[JSON])?.write_all(text.as_bytes())
}

isolab_sdk::export_stream!(handle);
