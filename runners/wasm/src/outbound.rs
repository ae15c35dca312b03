//! Outbound requests of a guest: the functions of the module `isolab_outbound`, as
//! `isolab_sdk::outbound` imports them.
//!
//! Each request is a task that is on its way at once, whatever the guest does meanwhile. The guest is
//! suspended while it waits for one. The numbers of its exchanges are those of a table in its store, and
//! the table is emptied when the guest's own request ends. An exchange takes part of the memory limit,
//! because the host holds a buffer for it: nothing more is read of an answer that the guest does not
//! read.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use isolab_core::streams::PIECE_BYTES;
use isolab_outbound::Outbound;
use tokio::time::timeout_at;
use wasmtime::{AsContextMut, Caller, Extern, Linker, Memory, Result, Trap};

use crate::exchanges::{Exchange, Exchanges, MODULE};
use crate::host::Host;
use crate::waiting::SLICE_TICKS;

/// Tells the guest of a failure. It may ask for the reason.
const REFUSED: i32 = -1;

const NO_REQUEST: &str = "an outbound request belongs to a request, and an initialisation answers none";

type Guest<'a> = Caller<'a, Host>;

/// Defines the functions for guests that can wait.
pub(crate) fn link(linker: &mut Linker<Host>, outbound: &Arc<Outbound>) -> Result<()> {
    let outbound = Arc::clone(outbound);
    linker.func_wrap(MODULE, "send", move |mut guest: Guest<'_>, at: u32, len: u32, flows: u32| {
        send(&mut guest, &outbound, Buffer { at, len }, flows != 0)
    })?;
    linker.func_wrap_async(MODULE, "write", |guest: Guest<'_>, (number, at, len): (u32, u32, u32)| {
        Box::new(write(guest, number, Buffer { at, len }))
    })?;
    linker
        .func_wrap_async(MODULE, "end", |guest: Guest<'_>, (number,): (u32,)| Box::new(end(guest, number)))?;
    linker.func_wrap_async(MODULE, "ready", |guest: Guest<'_>, (number,): (u32,)| {
        Box::new(ready(guest, number))
    })?;
    linker.func_wrap_async(MODULE, "head", |guest: Guest<'_>, (number, at, len): (u32, u32, u32)| {
        Box::new(head(guest, number, Buffer { at, len }))
    })?;
    linker.func_wrap_async(MODULE, "read", |guest: Guest<'_>, (number, at, len): (u32, u32, u32)| {
        Box::new(read(guest, number, Buffer { at, len }))
    })?;
    linker.func_wrap_async(MODULE, "close", |guest: Guest<'_>, (number,): (u32,)| {
        Box::new(close(guest, number))
    })?;
    linker.func_wrap(MODULE, "reason", |mut guest: Guest<'_>, at: u32, len: u32| {
        let reason = guest.data().exchanges.as_ref().map(|exchanges| exchanges.reason().to_owned());
        put_reason(&mut guest, Buffer { at, len }, &reason.unwrap_or_default())
    })?;
    Ok(())
}

/// Defines the functions for guests that run straight: initialisations, which send nothing.
pub(crate) fn link_refusing(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(MODULE, "send", |_: u32, _: u32, _: u32| REFUSED)?;
    for name in ["write", "head", "read"] {
        linker.func_wrap(MODULE, name, |_: u32, _: u32, _: u32| REFUSED)?;
    }
    for name in ["end", "ready"] {
        linker.func_wrap(MODULE, name, |_: u32| REFUSED)?;
    }
    linker.func_wrap(MODULE, "close", |_: u32| ())?;
    linker.func_wrap(MODULE, "reason", |mut guest: Guest<'_>, at: u32, len: u32| {
        put_reason(&mut guest, Buffer { at, len }, NO_REQUEST)
    })?;
    Ok(())
}

/// Bytes in the guest's memory.
#[derive(Clone, Copy)]
struct Buffer {
    at: u32,
    len: u32,
}

impl Buffer {
    fn get(self, memory: &[u8]) -> Result<&[u8]> {
        let bytes = memory.get(self.at as usize..).and_then(|rest| rest.get(..self.len as usize));
        Ok(bytes.ok_or(Trap::MemoryOutOfBounds)?)
    }

    fn get_mut(self, memory: &mut [u8]) -> Result<&mut [u8]> {
        let bytes = memory.get_mut(self.at as usize..).and_then(|rest| rest.get_mut(..self.len as usize));
        Ok(bytes.ok_or(Trap::MemoryOutOfBounds)?)
    }
}

fn memory_of(guest: &mut Guest<'_>) -> Result<Memory> {
    let memory = guest.get_export("memory").and_then(Extern::into_memory);
    Ok(memory.ok_or(Trap::MemoryOutOfBounds)?)
}

/// A number, or a reason for the guest.
type Told<T> = std::result::Result<T, String>;

fn send(guest: &mut Guest<'_>, outbound: &Arc<Outbound>, request: Buffer, flows: bool) -> Result<i32> {
    let memory = memory_of(guest)?;
    let (bytes, host) = memory.data_and_store_mut(&mut *guest);
    let bytes = request.get(bytes)?;
    let exchanges = host.exchanges.get_or_insert_with(|| Box::new(Exchanges::new(outbound)));
    let begun = exchanges.begin(bytes, flows, |bytes| host.memory.hold(bytes));
    Ok(number(guest, begun.map(|number| number as usize)))
}

async fn write(mut guest: Guest<'_>, exchange: u32, bytes: Buffer) -> Result<i32> {
    let memory = memory_of(&mut guest)?;
    let bytes = bytes.get(memory.data(&guest))?;
    let piece = Bytes::copy_from_slice(&bytes[..bytes.len().min(PIECE_BYTES)]);
    let len = piece.len();
    if len == 0 {
        return Ok(0);
    }
    let written = until_deadline(&mut guest, exchange, |exchange| Box::pin(exchange.write(piece))).await?;
    Ok(number(&mut guest, written.map(|()| len)))
}

async fn end(mut guest: Guest<'_>, exchange: u32) -> Result<i32> {
    let end = Bytes::new();
    let ended = until_deadline(&mut guest, exchange, |exchange| Box::pin(exchange.write(end))).await?;
    Ok(number(&mut guest, ended.map(|()| 0)))
}

async fn ready(mut guest: Guest<'_>, exchange: u32) -> Result<i32> {
    let ready = until_deadline(&mut guest, exchange, |exchange| {
        Box::pin(async { Ok(usize::from(exchange.ready().await)) })
    });
    let ready = ready.await?;
    Ok(number(&mut guest, ready))
}

async fn head(mut guest: Guest<'_>, exchange: u32, room: Buffer) -> Result<i32> {
    let memory = memory_of(&mut guest)?;
    room.get(memory.data(&guest))?;
    let begun = until_deadline(&mut guest, exchange, |exchange| {
        Box::pin(async {
            exchange.begin().await;
            Ok(())
        })
    });
    let begun = begun.await?;
    let (bytes, host) = memory.data_and_store_mut(&mut guest);
    let room = room.get_mut(bytes)?;
    let written = begun.and_then(|()| {
        let exchange = Exchanges::find_in(&mut host.exchanges, exchange)?;
        let head = exchange.head()?;
        let len = head.len();
        if let Some(room) = room.get_mut(..len) {
            room.copy_from_slice(head);
            exchange.took_head();
        }
        Ok(len)
    });
    Ok(number(&mut guest, written))
}

async fn read(mut guest: Guest<'_>, exchange: u32, room: Buffer) -> Result<i32> {
    let memory = memory_of(&mut guest)?;
    room.get(memory.data(&guest))?;
    if room.len == 0 {
        return Ok(0);
    }
    let most = room.len as usize;
    let taken = until_deadline(&mut guest, exchange, |exchange| Box::pin(exchange.read(most))).await?;
    if let Ok(bytes) = &taken {
        room.get_mut(memory.data_mut(&mut guest))?[..bytes.len()].copy_from_slice(bytes);
    }
    Ok(number(&mut guest, taken.map(|bytes| bytes.len())))
}

async fn close(mut guest: Guest<'_>, exchange: u32) -> Result<()> {
    let taken = guest.data_mut().exchanges.as_mut().and_then(|exchanges| exchanges.take(exchange));
    if let Some(exchange) = taken {
        let held_bytes = exchange.close().await;
        guest.data_mut().memory.release(held_bytes);
    }
    Ok(())
}

/// Does something with an exchange that waits, at most until the guest's deadline. A guest that has
/// waited computes for a whole slice again before it yields.
async fn until_deadline<T>(
    guest: &mut Guest<'_>,
    exchange: u32,
    wait: impl FnOnce(&mut Exchange) -> BoxFuture<'_, Told<T>> + Send,
) -> Result<Told<T>> {
    let deadline = guest.data().wasi.deadline();
    let exchange = match Exchanges::find_in(&mut guest.data_mut().exchanges, exchange) {
        Ok(exchange) => exchange,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut has_waited = false;
    let waited = {
        let mut waiting = pin!(timeout_at(deadline.into(), wait(exchange)));
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
    Ok(waited.map_err(|_| Trap::Interrupt)?)
}

/// The number for the guest. A reason is kept until the guest asks for it.
fn number(guest: &mut Guest<'_>, told: Told<usize>) -> i32 {
    let reason = match told {
        // Lengths and numbers of exchanges are far smaller than 2 GiB.
        Ok(number) => return i32::try_from(number).unwrap_or(i32::MAX),
        Err(reason) => reason,
    };
    if let Some(exchanges) = &mut guest.data_mut().exchanges {
        exchanges.refuse(reason);
    }
    REFUSED
}

/// Writes a text, cut to the room for it, and returns the length.
fn put_reason(guest: &mut Guest<'_>, room: Buffer, text: &str) -> Result<u32> {
    let memory = memory_of(guest)?;
    let room = room.get_mut(memory.data_mut(guest))?;
    let len = text.len().min(room.len());
    room[..len].copy_from_slice(&text.as_bytes()[..len]);
    Ok(len as u32)
}
