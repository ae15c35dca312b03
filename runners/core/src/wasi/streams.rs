//! The standard streams, which are the only descriptors.

use super::{End, Errno, Memory, Outcome, Refusal, Stdout, Wasi};
use crate::Cause;
use crate::console::{self, Level};

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// How many bytes of standard error are kept: enough for the message of a panic.
const TAIL_BYTES: usize = 4096;

/// The end of a stream, as much as the message of a panic takes.
#[derive(Debug, Default)]
pub struct Tail(Vec<u8>);

impl Tail {
    /// Adds bytes, and forgets the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        // Cut at twice the size, so that a short write seldom moves the rest.
        if self.0.len() > 2 * TAIL_BYTES {
            self.0.drain(..self.0.len() - TAIL_BYTES);
        }
    }

    /// The end as text.
    pub fn text(&self) -> String {
        let last = &self.0[self.0.len().saturating_sub(TAIL_BYTES)..];
        String::from_utf8_lossy(last).trim().to_owned()
    }
}

impl Stdout {
    /// Takes bytes that a guest writes.
    ///
    /// # Errors
    /// If they are beyond the limit of a body.
    pub fn push(&mut self, bytes: &[u8]) -> Outcome {
        match self {
            Self::Console => console::write(Level::INFO, bytes),
            Self::Body { bytes: body, limit_bytes } => {
                if (body.len() + bytes.len()) as u64 > *limit_bytes {
                    return Err(Refusal::End(End::Cause(Cause::ResponseTooLarge(*limit_bytes))));
                }
                body.extend_from_slice(bytes);
            }
        }
        Ok(())
    }
}

impl Wasi {
    pub(super) fn fd_write(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        vectors: u32,
        count: u32,
        written: u32,
    ) -> Outcome {
        if !matches!(fd, STDOUT | STDERR) {
            return Err(Errno::Badf.into());
        }
        let buffer = memory.first_buffer(vectors, count)?;
        let bytes = memory.buffer(buffer)?;
        if fd == STDOUT {
            self.stdout.push(bytes)?;
        } else {
            self.stderr.push(bytes);
            console::write(Level::INFO, bytes);
        }
        memory.put_u32(written, buffer.len)
    }

    pub(super) fn fd_read(
        &mut self,
        memory: &mut Memory<'_>,
        fd: u32,
        vectors: u32,
        count: u32,
        read: u32,
    ) -> Outcome {
        if fd != STDIN {
            return Err(Errno::Badf.into());
        }
        let buffer = memory.first_buffer(vectors, count)?;
        let room = memory.buffer_mut(buffer)?;
        let len = room.len().min(self.stdin.len());
        room[..len].copy_from_slice(&self.stdin.split_to(len));
        memory.put_u32(read, len as u32)
    }

    pub(super) fn is_stream(fd: u32) -> bool {
        fd <= STDERR
    }

    /// The result of a call that does nothing to a stream.
    pub(super) fn on_stream(fd: u32, errno: Errno) -> Outcome {
        match errno {
            _ if !Self::is_stream(fd) => Err(Errno::Badf.into()),
            Errno::Success => Ok(()),
            errno => Err(errno.into()),
        }
    }

    /// `fdstat`: file type, flags, rights and inherited rights. The type is unknown, as for a
    /// pipe.
    pub(super) fn fd_fdstat_get(memory: &mut Memory<'_>, fd: u32, at: u32) -> Outcome {
        const RIGHT_READ: u64 = 1 << 1;
        const RIGHT_WRITE: u64 = 1 << 6;
        Self::on_stream(fd, Errno::Success)?;
        let rights = if fd == STDIN { RIGHT_READ } else { RIGHT_WRITE };
        memory.put(at, &[0; 24])?;
        memory.put_u64(at + 8, rights)
    }

    /// `filestat`: 64 bytes, all of which are 0 for a pipe.
    pub(super) fn fd_filestat_get(memory: &mut Memory<'_>, fd: u32, at: u32) -> Outcome {
        Self::on_stream(fd, Errno::Success)?;
        memory.put(at, &[0; 64])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn wasi(stdout: Stdout) -> Wasi {
        Wasi::new(stdout, Instant::now())
    }

    /// A memory with an empty vector and one with `ab` at 0, and room for a count at 16.
    fn memory() -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[8] = 32;
        bytes[12] = 2;
        bytes[32..34].copy_from_slice(b"ab");
        bytes
    }

    fn errno(outcome: Outcome) -> Option<Errno> {
        match outcome {
            Err(Refusal::Errno(errno)) => Some(errno),
            Err(Refusal::End(end)) => panic!("ended: {end}"),
            Ok(()) => None,
        }
    }

    #[test]
    fn standard_output_is_the_body_up_to_its_limit() {
        let mut bytes = memory();
        let mut wasi = wasi(Stdout::Body { bytes: Vec::new(), limit_bytes: 3 });
        assert!(wasi.fd_write(&mut Memory(&mut bytes), STDOUT, 0, 2, 16).is_ok());
        assert_eq!(bytes[16], 2);
        let second = wasi.fd_write(&mut Memory(&mut bytes), STDOUT, 0, 2, 16);
        assert_eq!(second, Err(Refusal::End(End::Cause(Cause::ResponseTooLarge(3)))));
        assert_eq!(wasi.take_body(), "ab");
    }

    #[test]
    fn only_the_end_of_standard_error_is_kept() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(&[b'x'; 1000]);
            assert!(tail.0.len() <= 2 * TAIL_BYTES);
        }
        tail.push(b" the end\n");
        assert_eq!(tail.text().len(), TAIL_BYTES - 1);
        assert!(tail.text().ends_with("x the end"));
    }

    #[test]
    fn stdin_is_read_in_pieces_until_its_end() {
        let mut bytes = memory();
        let mut wasi = wasi(Stdout::Console);
        wasi.set_stdin("123".into());
        let mut read = |bytes: &mut Vec<u8>| {
            assert!(wasi.fd_read(&mut Memory(bytes), STDIN, 0, 2, 16).is_ok());
            bytes[16]
        };
        assert_eq!((read(&mut bytes), &bytes[32..34]), (2, b"12".as_slice()));
        assert_eq!((read(&mut bytes), &bytes[32..34]), (1, b"32".as_slice()));
        assert_eq!(read(&mut bytes), 0);
    }

    #[test]
    fn a_bad_address_or_descriptor_is_an_error_of_the_guest() {
        let mut bytes = memory();
        let mut memory = Memory(&mut bytes);
        let mut wasi = wasi(Stdout::Console);
        assert_eq!(errno(wasi.fd_write(&mut memory, 3, 0, 2, 16)), Some(Errno::Badf));
        assert_eq!(errno(wasi.fd_write(&mut memory, STDERR, 62, 1, 16)), Some(Errno::Fault));
        assert_eq!(errno(wasi.fd_write(&mut memory, STDERR, u32::MAX, 2, 16)), Some(Errno::Fault));
        assert_eq!(errno(wasi.fd_write(&mut memory, STDERR, 0, 2, 62)), Some(Errno::Fault));
        assert_eq!(errno(wasi.fd_read(&mut memory, STDOUT, 0, 2, 16)), Some(Errno::Badf));
        assert_eq!(errno(Wasi::fd_fdstat_get(&mut memory, STDIN, 50)), Some(Errno::Fault));
        assert_eq!(errno(Wasi::on_stream(STDERR, Errno::Spipe)), Some(Errno::Spipe));
        assert_eq!(errno(Wasi::on_stream(3, Errno::Success)), Some(Errno::Badf));
    }
}
