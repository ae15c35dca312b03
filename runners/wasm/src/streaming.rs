//! Functions whose bodies flow, in the light host: those of `isolab_sdk::export_stream!`.
//!
//! Descriptor 0 is the body of the request, and descriptor 1 the answer: a head in the wire form of
//! `isolab_sdk::stream`, and then the bytes of the body. The guest is suspended while it waits for
//! a piece, and while its client is slow. A call passes on one piece at most, so the host holds no
//! more of a body than [`isolab_core::streams`] says.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use isolab_core::streams::PIECE_BYTES;
use isolab_core::wasi::{Buffer, End, MODULE, Memory, Refusal};
use tokio::time::timeout_at;
use wasmtime::{AsContextMut, Caller, Linker, Result};

use crate::host::Host;
use crate::piped::Step;
use crate::waiting::SLICE_TICKS;
use crate::wasi::{self, answer, with_memory};

const INPUT: u32 = 0;
const OUTPUT: u32 = 1;

/// Defines anew the functions that read and write, for guests whose bodies flow.
pub(crate) fn link(linker: &mut Linker<Host>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        MODULE,
        "fd_read",
        |guest: Caller<'_, Host>, (fd, buffers, count, read): (u32, u32, u32, u32)| {
            Box::new(self::read(guest, [fd, buffers, count, read]))
        },
    )?;
    linker.func_wrap_async(
        MODULE,
        "fd_write",
        |guest: Caller<'_, Host>, (fd, buffers, count, written): (u32, u32, u32, u32)| {
            Box::new(write(guest, [fd, buffers, count, written]))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

async fn read(mut guest: Caller<'_, Host>, parameters: [u32; 4]) -> Result<u32> {
    let [fd, buffers, count, read] = parameters;
    if fd != INPUT || guest.data().piped.is_none() {
        return wasi::call_by_name(&mut guest, "fd_read", &parameters.map(u64::from));
    }
    // Both places are tried first, so that no byte is lost if one is bad.
    let room = with_memory(&mut guest, |_, memory| {
        memory.put_u32(read, 0)?;
        let room = memory.first_buffer(buffers, count)?;
        memory.buffer(room).map(|_| room)
    });
    let room = match room {
        Ok(room) => room,
        Err(refusal) => return answer(Err(refusal)),
    };
    if room.len > 0
        && let Err(refusal) = until_deadline(&mut guest, Step::Fill).await
    {
        return answer(Err(refusal));
    }
    let piped = guest.data_mut().piped.as_mut();
    let arrived = piped.map_or(Bytes::new(), |piped| piped.input.take(room.len as usize));
    answer(with_memory(&mut guest, |_, memory| put(memory, room, &arrived, read)))
}

fn put(memory: &mut Memory<'_>, room: Buffer, bytes: &[u8], read: u32) -> std::result::Result<(), Refusal> {
    memory.buffer_mut(room)?[..bytes.len()].copy_from_slice(bytes);
    memory.put_u32(read, bytes.len() as u32)
}

async fn write(mut guest: Caller<'_, Host>, parameters: [u32; 4]) -> Result<u32> {
    let [fd, buffers, count, written] = parameters;
    if fd != OUTPUT || guest.data().piped.is_none() {
        return wasi::call_by_name(&mut guest, "fd_write", &parameters.map(u64::from));
    }
    // One piece at most, whatever the size of the buffer. Its number is written first, so that no
    // byte is sent twice if its place is bad.
    let piece = with_memory(&mut guest, |_, memory| {
        let buffer = memory.first_buffer(buffers, count)?;
        let bytes = memory.buffer(buffer)?;
        let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(PIECE_BYTES)]);
        memory.put_u32(written, piece.len() as u32)?;
        Ok(piece)
    });
    let sent = match piece {
        Ok(piece) if !piece.is_empty() => until_deadline(&mut guest, Step::Push(piece)).await,
        Ok(_) => Ok(()),
        Err(refusal) => Err(refusal),
    };
    answer(sent)
}

/// Does something with the streams that waits, and waits at most until the guest's deadline. A guest
/// that has waited computes for a whole slice again before it yields.
async fn until_deadline(guest: &mut Caller<'_, Host>, step: Step) -> std::result::Result<(), Refusal> {
    let deadline: Instant = guest.data().wasi.deadline();
    let Some(piped) = &mut guest.data_mut().piped else { return Ok(()) };
    let mut has_waited = false;
    let waited = {
        let mut waiting = pin!(timeout_at(deadline.into(), piped.step(step)));
        poll_fn(|context| {
            let polled = waiting.as_mut().poll(context);
            has_waited |= polled.is_pending();
            polled
        })
        .await
    };
    if has_waited {
        guest.as_context_mut().set_epoch_deadline(SLICE_TICKS);
    }
    waited.unwrap_or(Err(Refusal::End(End::Deadline)))
}
