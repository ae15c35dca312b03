//! A server whose every delay and failure is known.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab::http1::Wire;
use isolab::load::Expected;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

/// The answer to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// `ok`, as expected.
    Right,
    /// `ok`, and the answer announces that the connection will be closed.
    Last,
    /// `ok`, and the connection is closed without an announcement.
    Leave,
    /// This status.
    Status(u16),
    /// Another body than `ok`.
    Other,
    /// Nothing, and the connection is closed.
    Close,
    /// Nothing, ever.
    Never,
}

/// A time in which the server did nothing at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// Stalls of one length, one at the end of each period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalls {
    pub(crate) period: Duration,
    pub(crate) length: Duration,
}

/// The behaviour of a server.
pub(crate) struct Behaviour {
    /// The reply to each request, counted from 0 over all connections.
    pub(crate) reply: fn(u64) -> Reply,
    /// Number of requests that must arrive before the first answer.
    pub(crate) hold_until: u64,
    pub(crate) stalls: Option<Stalls>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { reply: |_| Reply::Right, hold_until: 0, stalls: None }
    }
}

/// A server on a thread of its own. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stalled: Arc<Mutex<Vec<Stall>>>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let stalled = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&stalled);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                tokio::select! {
                    () = serve(listener, &behaviour) => {}
                    () = beat(behaviour.stalls, &noted) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stalled, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// All its stalls so far.
    pub(crate) fn stalled(&self) -> Vec<Stall> {
        self.stalled.lock().unwrap().clone()
    }
}

/// The request to every such server.
pub(crate) fn request() -> Wire {
    Wire::to(&Method::GET, "/", "test", HeaderMap::new(), Bytes::new()).unwrap()
}

/// The expected answer of every such server.
pub(crate) fn expected() -> Expected {
    Expected { status: 200, body: Bytes::from_static(b"ok"), is_strict: true }
}

/// Stalls the thread when a stall is due. Notes these stalls, and also those in which the
/// machine did not let the thread run: the server answered in neither.
async fn beat(stalls: Option<Stalls>, noted: &Mutex<Vec<Stall>>) {
    let Some(Stalls { period, length }) = stalls else { return std::future::pending().await };
    let mut due = Instant::now() + period.saturating_sub(length);
    loop {
        let from = Instant::now();
        if from >= due {
            std::thread::sleep((due + length).saturating_duration_since(from));
            due += period;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let to = Instant::now();
        if to.duration_since(from) > Duration::from_millis(10) {
            noted.lock().unwrap().push(Stall { from, to });
        }
    }
}

async fn serve(listener: TcpListener, behaviour: &Behaviour) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let (asked, come) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
    let (reply, hold_until) = (behaviour.reply, behaviour.hold_until);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (asked, come) = (Rc::clone(&asked), Rc::clone(&come));
        tokio::task::spawn_local(async move {
            // An error means that the client has gone.
            let _ = answer(stream, reply, hold_until, &asked, &come).await;
        });
    }
}

async fn answer(
    mut stream: TcpStream,
    reply: fn(u64) -> Reply,
    hold_until: u64,
    asked: &Cell<u64>,
    come: &Notify,
) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        read.clear();
        while !read.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let reply = reply(asked.get());
        asked.set(asked.get() + 1);
        come.notify_waiters();
        while asked.get() < hold_until {
            come.notified().await;
        }
        let (status, close, body) = match reply {
            Reply::Right | Reply::Leave => (200, "", "ok"),
            Reply::Last => (200, "connection: close\r\n", "ok"),
            Reply::Status(status) => (status, "", "no"),
            Reply::Other => (200, "", "ko"),
            Reply::Close => return Ok(()),
            Reply::Never => std::future::pending().await,
        };
        let text = format!("HTTP/1.1 {status} -\r\n{close}content-length: 2\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await?;
        if matches!(reply, Reply::Last | Reply::Leave) {
            return Ok(());
        }
    }
}
