//! A client's TCP stream that hyper and the connection's owner share.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use arrayvec::ArrayVec;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::registry::{Registration, Traffic};

/// The largest write, in bytes, for which head and body are copied into one buffer:
/// for a small response this costs less than having the kernel gather them.
const PIECE: usize = 1024;

/// hyper reads and writes the stream; the owner sees whether the client is still there.
#[derive(Clone)]
pub(crate) struct SharedStream(Rc<Inner>);

/// Why a client will send no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// It has closed its sending side. It has left, or it waits for its answer: TCP shows both alike.
    Closed,
    /// The connection is gone.
    Aborted,
}

struct Inner {
    /// Dropped before the stream is closed.
    registration: Registration,
    tcp: RefCell<TcpStream>,
    /// Writes that the kernel took.
    writes: Cell<u64>,
}

impl SharedStream {
    pub(crate) fn new(stream: TcpStream, registration: Registration) -> Self {
        Self(Rc::new(Inner { registration, tcp: RefCell::new(stream), writes: Cell::new(0) }))
    }

    /// The connection's state, as other threads see it, too.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.0.registration.traffic
    }

    /// Says that the thread attends to this connection.
    pub(crate) fn attend(&self) {
        self.0.registration.attend();
    }

    /// How many writes the kernel took.
    pub(crate) fn writes(&self) -> u64 {
        self.0.writes.get()
    }

    /// Counts a write.
    fn wrote(&self, polled: &Poll<io::Result<usize>>) {
        self.traffic().wrote(polled.is_pending());
        if let Poll::Ready(Ok(_)) = polled {
            self.0.writes.set(self.0.writes.get() + 1);
        }
    }

    /// Fails if another thread has taken the connection over.
    fn check(&self) -> io::Result<&Traffic> {
        let traffic = self.traffic();
        if traffic.is_taken() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(traffic) }
    }

    /// Whether the client has sent bytes that nobody has read.
    pub(crate) fn has_unread(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.0.tcp.borrow().as_raw_fd(), &mut [0], flags).is_ok_and(|read| read > 0)
    }

    /// Ready when the client will send no more. Pending while there are unread bytes:
    /// they hide the end of the stream.
    pub(crate) fn poll_silent(&self, context: &mut Context<'_>) -> Poll<Silent> {
        if self.check().is_err() {
            return Poll::Ready(Silent::Aborted);
        }
        let mut byte = [0];
        match self.0.tcp.borrow().poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => Poll::Ready(Silent::Closed),
            Poll::Ready(Err(_)) => Poll::Ready(Silent::Aborted),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let traffic = self.check()?;
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_read(context, buffer);
        if polled.is_ready() {
            traffic.read();
        }
        polled
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write(context, bytes);
        self.wrote(&polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut piece = ArrayVec::<u8, PIECE>::new();
        if slices.iter().all(|slice| piece.try_extend_from_slice(slice).is_ok()) {
            return self.poll_write(context, &piece);
        }
        self.check()?;
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write_vectored(context, slices);
        self.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.0.tcp.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Another thread's connection would end with it.
        self.check()?;
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::registry::{Admission, Registry};
    use crate::telemetry::metrics::WorkerMetrics;

    /// The server's end of a new connection, and the client's.
    async fn pair() -> (SharedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = listener.accept().await.unwrap().0;
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let admission = Admission::new(permit, &Arc::<WorkerMetrics>::default());
        let registration = Arc::new(Registry::default()).register(&stream, admission, 0);
        (SharedStream::new(stream, registration), client)
    }

    #[tokio::test]
    async fn parts_arrive_in_order_in_one_piece_or_gathered() {
        let (mut stream, mut client) = pair().await;
        for (head, body) in
            [(0, 0), (300, 0), (300, 28), (300, PIECE - 300), (300, PIECE - 299), (300, 30_000)]
        {
            let (head, body) = (vec![b'h'; head], vec![b'b'; body]);
            let slices = [IoSlice::new(&head), IoSlice::new(&body)];
            let written = poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &slices));
            let written = written.await.unwrap();
            let whole = [head, body].concat();
            stream.write_all(&whole[written..]).await.unwrap();
            let mut read = vec![0; whole.len()];
            client.read_exact(&mut read).await.unwrap();
            assert_eq!(read, whole);
        }
    }

    #[tokio::test]
    async fn a_stream_is_blocked_until_its_client_reads() {
        let (mut stream, mut client) = pair().await;
        let shared = stream.clone();
        // Larger than the buffers of both sockets.
        let response = vec![b'r'; 64 << 20];
        let mut writing = Box::pin(stream.write_all(&response));
        while !shared.traffic().is_blocked() {
            assert!(futures_util::poll!(&mut writing).is_pending());
        }
        let mut read = vec![0; response.len()];
        let (written, _) = tokio::join!(writing, client.read_exact(&mut read));
        written.unwrap();
        assert!(!shared.traffic().is_blocked());
        assert!(read == response);
    }
}
