//! The connection between the host and a server.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A Unix socket that waits for room only after a write has found none.
///
/// Whenever one side of a Unix socket reads, Linux wakes the other side if that waits for room
/// (`unix_write_space` in `net/unix/af_unix.c`); on TCP it does so only after a write has found none. tokio's
/// `UnixStream` always waits for room. With it, the host's read of an answer wakes the server once more for
/// nothing: eight containers answer a quarter fewer requests.
#[derive(Debug)]
pub struct UnixLine {
    stream: AsyncFd<UnixStream>,
    /// Waits for room; the kernel needs a descriptor of its own for that.
    room: Option<AsyncFd<UnixStream>>,
}

impl UnixLine {
    /// Takes a connection over.
    ///
    /// # Errors
    /// If the runtime cannot register it.
    pub fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = register(stream.into_std()?, Interest::READABLE)?;
        Ok(Self { stream, room: None })
    }

    fn poll_write_with(
        &mut self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(self.stream.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.room = None;
                    return Poll::Ready(written);
                }
            }
            let room = match self.room.take() {
                Some(room) => room,
                None => register(self.stream.get_ref().try_clone()?, Interest::WRITABLE)?,
            };
            ready!(self.room.insert(room).poll_write_ready(context))?.clear_ready();
        }
    }
}

fn register(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the stream owns its descriptor, and keeps it until the registration is dropped: nothing here
    // takes a mutable reference to the stream.
    unsafe { AsyncFd::register_with_interest(stream, interest) }.map_err(io::Error::from)
}

impl AsFd for UnixLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsyncRead for UnixLine {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.stream.poll_read_ready(context))?;
            let free = buffer.initialize_unfilled();
            match readable.get_inner().read(free) {
                Ok(len) => {
                    // A short read has emptied the socket. The end can be read again.
                    if 0 < len && len < free.len() {
                        readable.clear_ready();
                    }
                    buffer.advance(len);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable.clear_ready(),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for UnixLine {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(context, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_with(context, |mut stream| stream.write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
    use tokio::net::UnixStream;

    use super::*;

    fn pair() -> (UnixLine, UnixLine) {
        let (one, other) = UnixStream::pair().unwrap();
        (UnixLine::new(one).unwrap(), UnixLine::new(other).unwrap())
    }

    /// Far more than a socket's buffers take, in both directions at once.
    #[tokio::test]
    async fn bytes_arrive_whole_and_in_order_when_there_is_no_room() {
        let bytes: Vec<u8> = (0..4 << 20).map(|index: u32| (index % 251) as u8).collect();
        let (one, other) = pair();
        let pass = async |line| {
            let (mut reader, mut writer) = split(line);
            let mut read = Vec::new();
            let sending = async {
                writer.write_all(&bytes).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let ((), received) = tokio::join!(sending, reader.read_to_end(&mut read));
            received.unwrap();
            read
        };
        let (from_other, from_one) = tokio::join!(pass(one), pass(other));
        assert!(from_other == bytes && from_one == bytes);
    }

    #[tokio::test]
    async fn a_peer_that_leaves_is_the_end_and_then_an_error() {
        let (mut line, peer) = pair();
        drop(peer);
        assert_eq!(line.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(line.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(line.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn nobody_waits_for_room_while_there_is_some() {
        let (mut line, mut peer) = pair();
        line.write_all(b"x").await.unwrap();
        peer.read_exact(&mut [0]).await.unwrap();
        assert!(!waits_for_room(&line) && line.room.is_none());
        // tokio's own stream does.
        assert!(waits_for_room(&UnixStream::pair().unwrap().0));
    }

    /// Whether an epoll of this process waits for room in the socket: `EPOLLOUT` among its events
    /// (`/proc/PID/fdinfo/FD` in proc(5)).
    fn waits_for_room(socket: &impl AsFd) -> bool {
        const EPOLLOUT: u32 = 4;
        let socket = socket.as_fd().as_raw_fd().to_string();
        let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
        let texts = infos.filter_map(|info| std::fs::read_to_string(info.path()).ok());
        let lines: Vec<String> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.iter().any(|line| {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            let ["tfd:", watched, "events:", events, ..] = words[..] else { return false };
            watched == socket && u32::from_str_radix(events, 16).unwrap() & EPOLLOUT != 0
        })
    }
}
