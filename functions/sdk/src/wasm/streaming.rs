//! The export of a function whose bodies flow. The streams are those of WASI.

use std::fs::File;
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::ptr;

use super::BUFFERS;
use crate::stream::{self, Answer, StreamHandle};
use crate::wire;

/// Answers the request in the buffer piece by piece. Returns 0, or the address of the text that
/// says why the function failed, with its length before it.
///
/// # Panics
/// As [`super::handle`].
pub fn stream(function: StreamHandle) -> *const u8 {
    BUFFERS.with_borrow_mut(|buffers| {
        let request = wire::decode_request(&buffers.request).expect("a request in the wire form");
        let mut answer = Output { file: descriptor(1), has_begun: false };
        let Err(error) = function(&request, &mut *descriptor(0), &mut answer) else { return ptr::null() };
        let text = error.to_string();
        buffers.response.clear();
        buffers.response.extend_from_slice(&(text.len() as u32).to_le_bytes());
        buffers.response.extend_from_slice(text.as_bytes());
        buffers.response.as_ptr()
    })
}

/// A stream of the host, without a buffer.
fn descriptor(number: i32) -> ManuallyDrop<File> {
    // SAFETY: descriptors 0 and 1 are always open, and a file that is not dropped closes nothing.
    ManuallyDrop::new(unsafe { File::from_raw_fd(number) })
}

struct Output {
    file: ManuallyDrop<File>,
    has_begun: bool,
}

impl Answer for Output {
    fn begin(&mut self, status: u16, headers: &[(&str, &str)]) -> io::Result<&mut dyn Write> {
        if self.has_begun {
            return Err(stream::begun_before());
        }
        self.has_begun = true;
        let mut head = vec![0; 4];
        wire::encode_head(status, headers, &mut head);
        let len = (head.len() - 4) as u32;
        head[..4].copy_from_slice(&len.to_le_bytes());
        self.file.write_all(&head)?;
        Ok(&mut *self.file)
    }
}
