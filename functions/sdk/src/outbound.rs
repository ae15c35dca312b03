//! Outbound requests of a function: plain HTTP, to the hosts that it is granted.
//!
//! ```ignore
//! // Both are on their way at once.
//! let first = outbound::send("GET", "http://origin/a", &[], b"")?;
//! let second = outbound::send("GET", "http://origin/b", &[], b"")?;
//! let mut text = String::new();
//! first.answer()?.read_to_string(&mut text)?;
//! second.answer()?.read_to_string(&mut text)?;
//! ```
//!
//! [`send`] takes a whole body, and [`begin`] one that is written while it is sent. Neither waits for
//! the answer: [`Sent::answer`] waits for its head, and reads of an [`Incoming`] for its body. A write
//! waits while the host is slow. [`Sending::pass`] sends a body and takes the answer at the same time.
//!
//! The host of the function checks each request. It refuses other hosts than those in `grants.hosts`
//! of `function.toml`, and other URLs than those of plain HTTP. Redirects are answers like others.
//! Headers of the connection are the host's, and dropped from the request. A refusal is an error with
//! the reason as its text. A request of the function may have [`MOST_REQUESTS`] outbound requests at a
//! time. Each of them ends when its value is dropped, and at the latest with the request that it
//! belongs to.
//!
//! | host | way of an outbound request |
//! |---|---|
//! | `wasm` | imports of the module `isolab_outbound` (`imports`); the guest is suspended while it waits |
//! | `docker` | a socket of the host, with a connection for each request (`socket`) |
//! | `v8`, `wasmi`, `wasmer`, `direct` | none: they refuse functions of this variant that are granted hosts |

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::ops::Range;

#[cfg(unix)]
mod http1;
#[cfg(target_os = "wasi")]
mod imports;
#[cfg(unix)]
mod socket;

#[cfg(target_os = "wasi")]
use imports::Exchange;
#[cfg(unix)]
use socket::Exchange;

/// The most outbound requests that one request may have at a time: those whose answer is neither read
/// to its end nor dropped.
pub const MOST_REQUESTS: usize = 256;

/// The refusal of a request beyond [`MOST_REQUESTS`].
pub fn too_many() -> String {
    let rule = "one ends when the body of its answer is read or cancelled";
    format!("a request can have {MOST_REQUESTS} outbound requests at a time at most: {rule}")
}

/// How many bytes of a body are passed on at a time.
const ROOM_BYTES: usize = 64 << 10;

/// The head of an outbound request.
struct Request<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

/// Status and headers of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Headers in the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of the header `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a request with a whole body, and does not wait for its answer.
///
/// # Errors
/// If it is not a request that the function may send, or if there are [`MOST_REQUESTS`].
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Sent> {
    let exchange = Exchange::begin(&Request { method, url, headers }, Some(body))?;
    Ok(Sent { exchange, on_one_thread: PhantomData })
}

/// Begins a request whose body is written to the result.
///
/// # Errors
/// Those of [`send`].
pub fn begin(method: &str, url: &str, headers: &[(&str, &str)]) -> io::Result<Sending> {
    let exchange = Exchange::begin(&Request { method, url, headers }, None)?;
    Ok(Sending { exchange, on_one_thread: PhantomData })
}

/// An outbound request whose body is being sent. A request that is dropped before [`Sending::end`] is
/// broken off.
///
/// A write waits until the host has taken the bytes. A host that answers while the body comes may take
/// no more of it until its answer is read: see [`Sending::pass`].
pub struct Sending {
    exchange: Exchange,
    on_one_thread: PhantomData<*const ()>,
}

/// An outbound request that is sent, and whose answer may still come.
pub struct Sent {
    exchange: Exchange,
    /// As in a Wasm module, which has one thread.
    on_one_thread: PhantomData<*const ()>,
}

/// An answer as it comes. A read waits for the next bytes of its body, and fails if the answer breaks
/// off.
pub struct Incoming {
    head: Head,
    exchange: Exchange,
    on_one_thread: PhantomData<*const ()>,
}

impl Sending {
    /// Ends the body.
    ///
    /// # Errors
    /// If the request has failed.
    pub fn end(mut self) -> io::Result<Sent> {
        self.exchange.end()?;
        Ok(Sent { exchange: self.exchange, on_one_thread: PhantomData })
    }

    /// Sends `body`, ends, and meanwhile passes the answer on as it comes: to the writer that `begin`
    /// makes of its head. An answer that is whole before the body is sent ends the request.
    ///
    /// The answer is passed on first, so that neither side waits for the other for ever. While this waits
    /// for the next bytes of `body`, it passes nothing on.
    ///
    /// # Errors
    /// If either body breaks off, the writer fails, or the request does.
    pub fn pass<'w>(
        self,
        body: &mut dyn Read,
        begin: impl FnOnce(&Head) -> io::Result<&'w mut dyn Write>,
    ) -> io::Result<()> {
        let (room, rest) = (vec![0; ROOM_BYTES], 0..0);
        let mut upload = Upload { exchange: self.exchange, body, room, rest, is_over: false };
        upload.send_until_news()?;
        let writer = begin(&upload.exchange.head()?)?;
        let mut room = vec![0; ROOM_BYTES];
        loop {
            upload.send_until_news()?;
            let len = upload.exchange.read(&mut room)?;
            if len == 0 {
                return Ok(());
            }
            writer.write_all(&room[..len])?;
        }
    }
}

/// A body that is sent while its answer comes.
struct Upload<'a> {
    exchange: Exchange,
    body: &'a mut dyn Read,
    room: Vec<u8>,
    /// The bytes in the room that the host has not taken.
    rest: Range<usize>,
    is_over: bool,
}

impl Upload<'_> {
    /// Sends until something of the answer is there, or the body is sent.
    fn send_until_news(&mut self) -> io::Result<()> {
        while !self.is_over && !self.exchange.has_news()? {
            if self.rest.is_empty() {
                self.rest = 0..self.body.read(&mut self.room)?;
            }
            self.is_over = self.rest.is_empty();
            let taken = if self.is_over {
                self.exchange.end().map(|()| 0)
            } else {
                self.exchange.write(&self.room[self.rest.clone()])
            };
            match taken {
                Ok(len) => self.rest.start += len,
                // The host takes no more, and the answer tells why.
                Err(_) => self.is_over = true,
            }
        }
        Ok(())
    }
}

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() { Ok(0) } else { self.exchange.write(bytes) }
    }

    /// Does nothing: each write goes to the host.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sent {
    /// Waits for the head of the answer.
    ///
    /// # Errors
    /// If the request is refused, or the host cannot be reached or does not answer.
    pub fn answer(mut self) -> io::Result<Incoming> {
        let head = self.exchange.head()?;
        Ok(Incoming { head, exchange: self.exchange, on_one_thread: PhantomData })
    }
}

impl Incoming {
    /// Status and headers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status
    }
}

impl Read for Incoming {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() { Ok(0) } else { self.exchange.read(room) }
    }
}
