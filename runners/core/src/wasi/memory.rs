//! Reads and writes the guest's memory. A bad address is an error of the guest.

use super::{Errno, Outcome, Refusal};

/// The bytes of a guest's memory.
pub struct Memory<'a>(pub &'a mut [u8]);

type Checked<T> = Result<T, Refusal>;

/// A buffer in the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Its address.
    pub at: u32,
    /// Its size, in bytes.
    pub len: u32,
}

impl Memory<'_> {
    /// The first buffer of a list that is not empty. A call may do less than it was asked for, so a
    /// hostile guest with many buffers cannot make a call take longer than one buffer does.
    ///
    /// # Errors
    /// If the list lies outside of the memory.
    pub fn first_buffer(&self, buffers: u32, count: u32) -> Checked<Buffer> {
        for index in 0..count {
            let offset = index.checked_mul(8).ok_or(Errno::Fault)?;
            let at = buffers.checked_add(offset).ok_or(Errno::Fault)?;
            let buffer = Buffer { at: self.u32(at, 0)?, len: self.u32(at, 4)? };
            if buffer.len > 0 {
                return Ok(buffer);
            }
        }
        Ok(Buffer { at: 0, len: 0 })
    }

    /// The bytes of a buffer.
    ///
    /// # Errors
    /// If it lies outside of the memory.
    pub fn buffer(&self, Buffer { at, len }: Buffer) -> Checked<&[u8]> {
        self.slice(at, len)
    }

    /// The same, to be written to.
    ///
    /// # Errors
    /// If it lies outside of the memory.
    pub fn buffer_mut(&mut self, Buffer { at, len }: Buffer) -> Checked<&mut [u8]> {
        self.slice_mut(at, len)
    }

    pub(super) fn slice(&self, at: u32, len: u32) -> Checked<&[u8]> {
        let rest = self.0.get(at as usize..).ok_or(Errno::Fault)?;
        Ok(rest.get(..len as usize).ok_or(Errno::Fault)?)
    }

    pub(super) fn slice_mut(&mut self, at: u32, len: u32) -> Checked<&mut [u8]> {
        let rest = self.0.get_mut(at as usize..).ok_or(Errno::Fault)?;
        Ok(rest.get_mut(..len as usize).ok_or(Errno::Fault)?)
    }

    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Outcome {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.slice_mut(at, len)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a number.
    ///
    /// # Errors
    /// If it would lie outside of the memory.
    pub fn put_u32(&mut self, at: u32, value: u32) -> Outcome {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, at: u32, value: u64) -> Outcome {
        self.put(at, &value.to_le_bytes())
    }

    /// `N` bytes at an offset from `at`.
    pub(super) fn array<const N: usize>(&self, at: u32, offset: u32) -> Checked<[u8; N]> {
        let at = at.checked_add(offset).ok_or(Errno::Fault)?;
        let bytes = self.slice(at, N as u32)?;
        Ok(std::array::from_fn(|index| bytes[index]))
    }

    pub(super) fn u32(&self, at: u32, offset: u32) -> Checked<u32> {
        Ok(u32::from_le_bytes(self.array(at, offset)?))
    }

    pub(super) fn u64(&self, at: u32, offset: u32) -> Checked<u64> {
        Ok(u64::from_le_bytes(self.array(at, offset)?))
    }
}
