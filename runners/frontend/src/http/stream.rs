//! A client's TCP stream that hyper and the connection's owner share.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use arrayvec::ArrayVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The largest write, in bytes, for which head and body are copied into one buffer:
/// for a small response this costs less than having the kernel gather them.
const PIECE: usize = 1024;

/// hyper reads and writes the stream; the owner sees whether the client is still there.
#[derive(Clone)]
pub(crate) struct SharedStream(Rc<Inner>);

struct Inner {
    tcp: RefCell<TcpStream>,
    /// Whether the last write had to wait for the client to read.
    is_blocked: Cell<bool>,
}

impl SharedStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Rc::new(Inner { tcp: RefCell::new(stream), is_blocked: Cell::new(false) }))
    }

    /// Whether a response waits for the client to read.
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.is_blocked.get()
    }

    /// Ready when the client will send no more. Pending while there are unread bytes:
    /// they hide the end of the stream.
    pub(crate) fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        match self.0.tcp.borrow().poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(()),
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
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_read(context, buffer)
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write(context, bytes);
        self.0.is_blocked.set(polled.is_pending());
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
        let polled = Pin::new(&mut *self.0.tcp.borrow_mut()).poll_write_vectored(context, slices);
        self.0.is_blocked.set(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.0.tcp.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.tcp.borrow_mut()).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn parts_arrive_in_order_in_one_piece_or_gathered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = SharedStream::new(listener.accept().await.unwrap().0);
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = SharedStream::new(listener.accept().await.unwrap().0);
        let shared = stream.clone();
        // Larger than the buffers of both sockets.
        let response = vec![b'r'; 64 << 20];
        let mut writing = Box::pin(stream.write_all(&response));
        while !shared.is_blocked() {
            assert!(futures_util::poll!(&mut writing).is_pending());
        }
        let mut read = vec![0; response.len()];
        let (written, _) = tokio::join!(writing, client.read_exact(&mut read));
        written.unwrap();
        assert!(!shared.is_blocked());
        assert!(read == response);
    }
}
