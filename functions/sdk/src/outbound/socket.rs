//! Outbound requests of a native function: over the host's socket, whose path is in `ISOLAB_OUTBOUND`.
//!
//! The host takes requests with whole URLs there, as a proxy does. Each request in flight has a
//! connection, and one that has ended leaves it to the next. The sockets do not block: a function of one
//! thread can have many requests in flight, and waits where it asks for an answer.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use percent_encoding::percent_decode_str;

use super::http1::{self, Length, Next};
use super::{Head, MOST_REQUESTS, ROOM_BYTES, Request};

/// The environment variable with the path of the host's socket. Without it, no host is granted.
const PATH: &str = "ISOLAB_OUTBOUND";

/// The header with the host's reason for a missing answer, percent-encoded.
const FAILURE: &str = "x-isolab-outbound";

/// The failure of a write after which the answer tells more.
const TAKES_NO_MORE: &str = "the host takes no more of the request's body";

/// Connections without a request.
static IDLE: Mutex<Vec<UnixStream>> = Mutex::new(Vec::new());

/// How many connections there are. The host takes [`MOST_REQUESTS`] of a container.
static OPEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The exchanges of the request that this thread answers.
    static EXCHANGES: Cell<usize> = const { Cell::new(0) };
}

/// One outbound request.
pub(super) struct Exchange {
    /// `None` once the answer is over.
    line: Option<Line>,
    method: String,
    /// Bytes that the host has not taken.
    outgoing: Vec<u8>,
    /// Whether more of the body comes by [`Exchange::write`].
    is_flowing: bool,
    /// Bytes of the answer that are not taken.
    arrived: Vec<u8>,
    head: Option<Head>,
    body: Option<Length>,
    is_kept: bool,
}

impl Exchange {
    /// With a whole body, or with one that comes.
    pub(super) fn begin(request: &Request<'_>, body: Option<&[u8]>) -> io::Result<Self> {
        let head = http1::request_head(request, body.map(<[u8]>::len))?;
        let line = Line::open(request.url)?;
        let mut outgoing = head.into_bytes();
        outgoing.extend_from_slice(body.unwrap_or_default());
        let mut exchange = Self {
            line: Some(line),
            method: request.method.to_owned(),
            outgoing,
            is_flowing: body.is_none(),
            arrived: Vec::new(),
            head: None,
            body: None,
            is_kept: false,
        };
        exchange.flush();
        Ok(exchange)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.drain()?;
        let piece = &bytes[..bytes.len().min(ROOM_BYTES)];
        self.outgoing.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        self.outgoing.extend_from_slice(piece);
        self.outgoing.extend_from_slice(b"\r\n");
        self.flush();
        Ok(piece.len())
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        self.drain()?;
        self.is_flowing = false;
        self.outgoing.extend_from_slice(b"0\r\n\r\n");
        self.flush();
        Ok(())
    }

    /// Waits until a write would not wait, or until something of the answer is there. Tells whether it
    /// is.
    pub(super) fn has_news(&mut self) -> io::Result<bool> {
        loop {
            self.flush();
            // First those that have come: a read takes fewer bytes than come at a time.
            if self.line.is_none() || self.is_answering()? || !self.receive()? || self.is_answering()? {
                return Ok(true);
            }
            if self.outgoing.is_empty() {
                return Ok(false);
            }
            self.wait(PollFlags::POLLIN | PollFlags::POLLOUT)?;
        }
    }

    pub(super) fn head(&mut self) -> io::Result<Head> {
        while !self.has_head()? {
            self.fill()?;
        }
        let head = self.head.take().ok_or_else(|| http1::broken("its head was taken before"))?;
        match head.header(FAILURE) {
            Some(reason) => {
                Err(io::Error::other(percent_decode_str(reason).decode_utf8_lossy().into_owned()))
            }
            None => Ok(head),
        }
    }

    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.next()? {
                Next::Data(len) => {
                    let len = len.min(room.len());
                    room[..len].copy_from_slice(&self.arrived[..len]);
                    self.take(len);
                    if let Some(body) = &mut self.body {
                        body.took(len);
                    }
                    return Ok(len);
                }
                Next::End => {
                    self.finish();
                    return Ok(0);
                }
                Next::Framing(_) | Next::Wait if self.body == Some(Length::Connection) => {
                    if !self.receive_waiting()? {
                        self.body = Some(Length::Known(0));
                    }
                }
                Next::Framing(_) | Next::Wait => self.fill()?,
            }
        }
    }

    /// Whether the head or data of the answer can be taken, or its end.
    fn is_answering(&mut self) -> io::Result<bool> {
        if self.body.is_none() || self.head.is_some() {
            return self.has_head();
        }
        Ok(matches!(self.next()?, Next::Data(_) | Next::End))
    }

    /// Whether the head has come.
    fn has_head(&mut self) -> io::Result<bool> {
        if self.body.is_some() {
            return Ok(true);
        }
        let Some(answer) = http1::answer(&self.arrived, &self.method)? else { return Ok(false) };
        self.take(answer.len);
        (self.head, self.body, self.is_kept) = (Some(answer.head), Some(answer.length), answer.is_kept);
        Ok(true)
    }

    /// The next part of the body, behind the framing that has come.
    fn next(&mut self) -> io::Result<Next> {
        loop {
            let Some(body) = &mut self.body else { return Ok(Next::Wait) };
            match body.next(&self.arrived)? {
                Next::Framing(len) => self.take(len),
                next => return Ok(next),
            }
        }
    }

    fn take(&mut self, len: usize) {
        self.arrived.drain(..len);
    }

    /// Gives the connection to the next request, if it can carry one.
    fn finish(&mut self) {
        let is_clean =
            self.is_kept && self.arrived.is_empty() && self.outgoing.is_empty() && !self.is_flowing;
        if let Some(line) = self.line.take().filter(|_| is_clean) {
            line.keep();
        }
    }

    /// Sends what the host takes at once.
    fn flush(&mut self) {
        let Some(line) = &mut self.line else { return };
        while !self.outgoing.is_empty() {
            match line.stream().write(&self.outgoing) {
                Ok(len) => drop(self.outgoing.drain(..len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // The host has closed its side, and the answer tells why.
                Err(_) => {
                    self.outgoing.clear();
                    self.is_kept = false;
                    self.is_flowing = false;
                }
            }
        }
    }

    /// Waits until the host has taken all bytes.
    fn drain(&mut self) -> io::Result<()> {
        while self.line.is_some() {
            self.flush();
            if !self.is_flowing {
                break;
            }
            if self.outgoing.is_empty() {
                return Ok(());
            }
            self.wait(PollFlags::POLLOUT)?;
        }
        Err(io::Error::new(ErrorKind::BrokenPipe, TAKES_NO_MORE))
    }

    /// Waits until bytes have come.
    fn fill(&mut self) -> io::Result<()> {
        if self.receive_waiting()? { Ok(()) } else { Err(http1::broken("the connection was closed")) }
    }

    /// Waits until bytes have come, or the connection has ended: false.
    fn receive_waiting(&mut self) -> io::Result<bool> {
        let before = self.arrived.len();
        loop {
            self.flush();
            if !self.receive()? {
                return Ok(false);
            }
            if self.arrived.len() > before {
                return Ok(true);
            }
            let sending = if self.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            self.wait(PollFlags::POLLIN | sending)?;
        }
    }

    /// Reads the bytes that have come, if there are any. False if the connection has ended.
    fn receive(&mut self) -> io::Result<bool> {
        let Some(line) = &mut self.line else { return Ok(false) };
        let before = self.arrived.len();
        self.arrived.resize(before + ROOM_BYTES, 0);
        let read = loop {
            match line.stream().read(&mut self.arrived[before..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.arrived.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(len) => Ok(len > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(http1::broken(&error.to_string())),
        }
    }

    fn wait(&self, events: PollFlags) -> io::Result<()> {
        let Some(line) = &self.line else { return Ok(()) };
        match poll(&mut [PollFd::new(line.stream().as_fd(), events)], PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A connection with a place among those of its request.
struct Line {
    /// `None` only while the connection is given away.
    stream: Option<UnixStream>,
}

impl Line {
    fn open(url: &str) -> io::Result<Self> {
        let Some(path) = std::env::var_os(PATH) else { return Err(not_granted(url)) };
        if EXCHANGES.get() >= MOST_REQUESTS {
            return Err(io::Error::other(super::too_many()));
        }
        let stream = match idle() {
            Some(stream) => stream,
            None => connect(&path)?,
        };
        EXCHANGES.set(EXCHANGES.get() + 1);
        Ok(Self { stream: Some(stream) })
    }

    fn stream(&self) -> &UnixStream {
        self.stream.as_ref().expect("a line has its connection until it is given away")
    }

    /// Keeps the connection for the next request.
    fn keep(mut self) {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        // Others wait for the place of a connection beyond those that the host takes.
        if OPEN.load(Ordering::Relaxed) <= MOST_REQUESTS {
            idle.extend(self.stream.take());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        EXCHANGES.set(EXCHANGES.get() - 1);
        if self.stream.is_some() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A kept connection on which nothing has come.
fn idle() -> Option<UnixStream> {
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let is_quiet = |mut stream: &UnixStream| {
        stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    while let Some(stream) = idle.pop() {
        if is_quiet(&stream) {
            return Some(stream);
        }
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
    None
}

fn connect(path: &std::ffi::OsStr) -> io::Result<UnixStream> {
    let connected =
        UnixStream::connect(path).and_then(|stream| stream.set_nonblocking(true).map(|()| stream));
    let stream = connected.map_err(|error| http1::broken(&error.to_string()))?;
    OPEN.fetch_add(1, Ordering::Relaxed);
    Ok(stream)
}

/// The refusal where the function is granted no host.
fn not_granted(url: &str) -> io::Error {
    let is_http = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let authority = http1::authority(url);
    if !is_http || authority.is_empty() {
        let rule = "outbound requests are `http://HOST/` only";
        return io::Error::other(format!("`{url}` is not a request of plain HTTP: {rule}"));
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = format!("{}{}", authority.to_ascii_lowercase(), if has_port { "" } else { ":80" });
    io::Error::other(format!(
        "the function is not granted the host `{host}`: name it under `grants.hosts` in function.toml"
    ))
}
