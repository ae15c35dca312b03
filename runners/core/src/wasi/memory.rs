//! Reads and writes the guest's memory. A bad address is an error of the guest.

use super::{Errno, Outcome, Refusal};

/// The bytes of a guest's memory.
pub struct Memory<'a>(pub &'a mut [u8]);

type Checked<T> = Result<T, Refusal>;

impl Memory<'_> {
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

    pub(super) fn put_u32(&mut self, at: u32, value: u32) -> Outcome {
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
