//! The outbound requests that a guest has in flight, and their answers.

use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use isolab_core::http1::is_hop_by_hop;
use isolab_core::message::HEADERS_BYTES;
use isolab_core::streams::{Broken, PIECE_BYTES, Pieces};
use isolab_outbound::{BUFFER_BYTES, Body, Client, Error, Outbound};
use isolab_sdk::outbound::{MOST_REQUESTS, too_many};
use isolab_sdk::wire;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wasmtime::Module;

/// The module that a guest imports the functions of outbound requests from.
pub(crate) const MODULE: &str = "isolab_outbound";

/// The most memory of an exchange in the host, beside a whole body: the buffer of its connection, and a
/// head or a piece that was taken from it.
const EXCHANGE_BYTES: usize = 2 * BUFFER_BYTES;

/// The most memory of a body that flows: a piece that waits, and one that is being sent.
const UPLOAD_BYTES: usize = 2 * PIECE_BYTES;

const NO_ROOM: &str = "the memory limit leaves no room for it";
const OVER: &str = "the request that this belongs to has ended";
const TAKES_NO_MORE: &str = "the host takes no more of the request's body";

/// Whether a module sends outbound requests.
pub(crate) fn is_imported(module: &Module) -> bool {
    module.imports().any(|import| import.module() == MODULE)
}

/// The exchanges of one instance.
pub(crate) struct Exchanges {
    client: Client,
    open: Vec<(u32, Exchange)>,
    /// The number of the last one. A guest meets none of them twice, unless it sends two thousand million.
    last: u32,
    /// Why the last call failed.
    reason: String,
}

impl Exchanges {
    pub(crate) fn new(outbound: &Arc<Outbound>) -> Self {
        Self { client: Client::new(outbound), open: Vec::new(), last: 0, reason: String::new() }
    }

    /// Ends all exchanges. Returns the bytes that they held.
    pub(crate) fn end(&mut self) -> usize {
        self.open.drain(..).map(|(_, exchange)| exchange.held_bytes).sum()
    }

    /// Sends the request in the wire form, if `hold` has room for its bytes in the host. Returns the number
    /// of the exchange.
    ///
    /// # Errors
    /// If it is not a request, or a limit leaves no room for it.
    pub(crate) fn begin(
        &mut self,
        bytes: &[u8],
        flows: bool,
        hold: impl FnOnce(usize) -> bool,
    ) -> Result<u32, String> {
        let request = decode(bytes)?;
        if self.open.len() >= MOST_REQUESTS {
            return Err(too_many());
        }
        let body_bytes = if flows { UPLOAD_BYTES } else { request.body().len() };
        let held_bytes = EXCHANGE_BYTES + body_bytes;
        if !hold(held_bytes) {
            return Err(NO_ROOM.to_owned());
        }
        let (upload, body) = if flows {
            let (sender, receiver) = mpsc::channel(1);
            (Some(sender), Body::Pieces(pieces_of(receiver)))
        } else {
            (None, Body::Whole(Bytes::copy_from_slice(request.body())))
        };
        let answer = Answer::Awaited(Task(tokio::spawn(self.client.send(request.map(|_| body)))));
        self.last = self.last.wrapping_add(1) & i32::MAX.unsigned_abs();
        self.open.push((self.last, Exchange { answer, upload, held_bytes }));
        Ok(self.last)
    }

    /// The exchange with this number, where an instance may have none.
    pub(crate) fn find_in(all: &mut Option<Box<Self>>, number: u32) -> Result<&mut Exchange, String> {
        let open = all.iter_mut().flat_map(|exchanges| &mut exchanges.open);
        let mut found = open.filter(|(other, _)| *other == number);
        found.next().map(|(_, exchange)| exchange).ok_or_else(|| OVER.to_owned())
    }

    pub(crate) fn take(&mut self, number: u32) -> Option<Exchange> {
        let index = self.open.iter().position(|(other, _)| *other == number)?;
        Some(self.open.swap_remove(index).1)
    }

    /// Keeps the reason of a failure, until the guest asks for it.
    pub(crate) fn refuse(&mut self, reason: String) {
        self.reason = reason;
    }

    /// Why the last call failed.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

/// One outbound request.
pub(crate) struct Exchange {
    answer: Answer,
    /// Where a body goes that flows. An empty piece is its end.
    upload: Option<mpsc::Sender<Bytes>>,
    held_bytes: usize,
}

/// An answer, as far as it has come.
enum Answer {
    Awaited(Task),
    Begun { head: Vec<u8>, is_head_taken: bool, arrived: Bytes, rest: Option<Pieces> },
    Failed(String),
}

/// A request on its way. It ends when it is dropped.
struct Task(JoinHandle<Result<Response<Option<Pieces>>, Error>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Answer {
    /// Waits until the head has arrived, or the request has failed.
    async fn begin(&mut self) {
        let Self::Awaited(task) = self else { return };
        *self = match (&mut task.0).await {
            Ok(Ok(response)) => {
                let (parts, rest) = response.into_parts();
                let head = encode(parts.status.as_u16(), &parts.headers);
                Self::Begun { head, is_head_taken: false, arrived: Bytes::new(), rest }
            }
            Ok(Err(error)) => Self::Failed(error.to_string()),
            Err(error) => Self::Failed(error.to_string()),
        };
    }

    /// Waits until bytes of the body have arrived, it has ended, or it has failed.
    async fn fill(&mut self) {
        self.begin().await;
        let Self::Begun { arrived, rest, .. } = self else { return };
        while arrived.is_empty()
            && let Some(pieces) = rest
        {
            match pieces.next().await {
                Some(Ok(piece)) => *arrived = piece,
                Some(Err(broken)) => {
                    *self = Self::Failed(broken.to_string());
                    return;
                }
                None => *rest = None,
            }
        }
    }

    /// Waits for something that the guest has not taken.
    async fn news(&mut self) {
        self.begin().await;
        if !matches!(self, Self::Begun { is_head_taken: false, .. }) {
            self.fill().await;
        }
    }

    fn head(&self) -> Result<&[u8], String> {
        match self {
            Self::Begun { head, .. } => Ok(head),
            Self::Failed(reason) => Err(reason.clone()),
            Self::Awaited(_) => Err(OVER.to_owned()),
        }
    }

    fn take(&mut self, most: usize) -> Result<Bytes, String> {
        match self {
            Self::Begun { arrived, .. } => Ok(arrived.split_to(arrived.len().min(most))),
            Self::Failed(reason) => Err(reason.clone()),
            Self::Awaited(_) => Err(OVER.to_owned()),
        }
    }
}

impl Exchange {
    /// Waits until a write would not wait, or until something of the answer is there: true.
    pub(crate) async fn ready(&mut self) -> bool {
        let Self { answer, upload, .. } = self;
        let room = async {
            match upload {
                Some(upload) if upload.reserve().await.is_ok() => {}
                // The answer tells why nobody takes more.
                _ => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = answer.news() => true,
            () = room => false,
        }
    }

    /// Waits until the piece is taken. An empty one ends the body.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), String> {
        let is_end = piece.is_empty();
        let is_taken = match &self.upload {
            Some(upload) => upload.send(piece).await.is_ok(),
            None => false,
        };
        if is_end {
            self.upload = None;
        }
        if is_taken { Ok(()) } else { Err(TAKES_NO_MORE.to_owned()) }
    }

    /// Waits for the head.
    pub(crate) async fn begin(&mut self) {
        self.answer.begin().await;
    }

    /// The head in the wire form.
    pub(crate) fn head(&self) -> Result<&[u8], String> {
        self.answer.head()
    }

    /// Notes that the guest has the head.
    pub(crate) fn took_head(&mut self) {
        if let Answer::Begun { is_head_taken, .. } = &mut self.answer {
            *is_head_taken = true;
        }
    }

    /// Waits for bytes of the answer, and takes some; none at its end.
    pub(crate) async fn read(&mut self, most: usize) -> Result<Bytes, String> {
        self.answer.fill().await;
        self.answer.take(most)
    }

    /// Ends it, and waits until the task of an unanswered request is gone, so that a guest that sends
    /// and closes again and again leaves nothing behind. Returns the bytes that it held.
    pub(crate) async fn close(mut self) -> usize {
        self.upload = None;
        if let Answer::Awaited(task) = &mut self.answer {
            task.0.abort();
            // It ends at once, with an answer or without.
            let _ = (&mut task.0).await;
        }
        self.held_bytes
    }
}

/// The pieces of an upload. A guest that gives it up breaks it off.
fn pieces_of(receiver: mpsc::Receiver<Bytes>) -> Pieces {
    let next = |receiver: Option<mpsc::Receiver<Bytes>>| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(piece) if piece.is_empty() => None,
            Some(piece) => Some((Ok(piece), Some(receiver))),
            None => Some((Err(Broken("the function gave its request up".into())), None)),
        }
    };
    stream::unfold(Some(receiver), next).boxed()
}

/// A request in the wire form, whose path is the URL.
fn decode(bytes: &[u8]) -> Result<Request<&[u8]>, String> {
    let sent = wire::decode_request(bytes).map_err(|error| error.to_string())?;
    let (method, url) = (sent.method, sent.path.split('#').next().unwrap_or_default());
    if method.len() + url.len() > HEADERS_BYTES {
        return Err(format!("method and URL of a request have at most {HEADERS_BYTES} bytes"));
    }
    let headers_bytes: usize = sent.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers_bytes > HEADERS_BYTES {
        return Err(format!("the request's headers are not text of at most {HEADERS_BYTES} bytes"));
    }
    let mut request = Request::builder()
        .method(method)
        .uri(url)
        .body(sent.body)
        .map_err(|error| format!("{method} {url} is not a request: {error}"))?;
    for (name, value) in sent.headers {
        let key = HeaderName::from_bytes(name.as_bytes());
        let key = key.map_err(|_| format!("`{name}` is not a header name"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of header `{name}` has characters that HTTP forbids"))?;
        request.headers_mut().try_append(key, value).map_err(|_| "there are too many headers")?;
    }
    Ok(request)
}

/// A head in the wire form, without the headers of the connection.
fn encode(status: u16, headers: &HeaderMap) -> Vec<u8> {
    let texts: Vec<_> = headers
        .iter()
        .filter(|(name, _)| !is_hop_by_hop(name.as_str()))
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let headers: Vec<_> = texts.iter().map(|(name, value)| (*name, &**value)).collect();
    let mut head = Vec::new();
    wire::encode_head(status, &headers, &mut head);
    head
}
