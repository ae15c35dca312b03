//! An answer as it arrives from the server in a container.

use std::pin::pin;

use bytes::Bytes;
use futures_util::poll;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use isolab_core::http1::{self, Head, Receiver};
use isolab_core::streams::{Outlet, PIECE_BYTES};
use isolab_core::{Cause, Limits, Response};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::{self, Answer, Failure};

/// One answer, of which some may have arrived.
pub(crate) struct Incoming<'a, R> {
    reader: R,
    receiver: &'a mut Receiver,
    method: &'a Method,
    headers: HeaderMap,
}

impl<'a, R: AsyncRead + Unpin> Incoming<'a, R> {
    /// The answer to a request with this method, of which nothing has arrived.
    pub(crate) fn new(reader: R, receiver: &'a mut Receiver, method: &'a Method) -> Self {
        receiver.reset();
        Self { reader, receiver, method, headers: HeaderMap::new() }
    }

    /// Reads until the answer is whole.
    pub(crate) async fn finish(&mut self) -> Result<Head, Failure> {
        loop {
            if let Some(head) = self.read().await? {
                return Ok(head);
            }
        }
    }

    /// Passes the answer on, as soon as it has a head and is not whole at once. Answers whether the
    /// connection can be used again.
    pub(crate) async fn flow(
        &mut self,
        outlet: &Outlet,
        limits: Limits,
    ) -> Result<(Answer<Option<Response>>, bool), Failure> {
        let head = match self.arrive().await? {
            Arrived::Whole(head) => return Ok((self.whole(head, limits)?.map(Some), head.keep_alive)),
            Arrived::Begun(head) => head,
        };
        let mut writer = outlet.begin(self.take_head(head)?, limits.response_bytes);
        let mut is_whole = false;
        loop {
            writer.write(Bytes::from(self.receiver.take_body())).await?;
            if is_whole {
                return Ok((Ok(None), head.keep_alive));
            }
            is_whole = self.read().await?.is_some();
            if is_whole {
                self.refuse_surplus()?;
            }
        }
    }

    /// Reads as long as there is something to read at once, and at least the head.
    async fn arrive(&mut self) -> Result<Arrived, Failure> {
        loop {
            let begun = self.receiver.head().filter(|_| !self.headers.contains_key(failure::HEADER));
            let whole = match begun {
                None => self.read().await?,
                Some(head) if self.receiver.body().len() > PIECE_BYTES => return Ok(Arrived::Begun(head)),
                Some(head) => match poll!(pin!(self.read())) {
                    std::task::Poll::Ready(read) => read?,
                    std::task::Poll::Pending => return Ok(Arrived::Begun(head)),
                },
            };
            if let Some(head) = whole {
                return Ok(Arrived::Whole(head));
            }
        }
    }

    /// Reads once. Answers the head if the answer is whole.
    async fn read(&mut self) -> Result<Option<Head>, Failure> {
        let read = self.reader.read(self.receiver.space()).await?;
        let mut invalid = None;
        let headers = &mut self.headers;
        let head = self.receiver.advance(read, self.method, |name, value| {
            if let Err(cause) = keep(headers, name, value) {
                invalid = Some(cause);
            }
        })?;
        invalid.map_or(Ok(head), |cause| Err(cause.into()))
    }

    /// A whole answer, or the cause that the server told in its place.
    pub(crate) fn whole(&mut self, head: Head, limits: Limits) -> Result<Answer<Response>, Cause> {
        self.refuse_surplus()?;
        if let Some(told) = self.headers.get(failure::HEADER) {
            return Ok(Err(failure::cause(told, limits)));
        }
        let body = Bytes::from(self.receiver.take_body());
        Ok(Ok(self.take_head(head)?.map(|()| body)))
    }

    fn take_head(&mut self, head: Head) -> Result<http::Response<()>, Cause> {
        let mut response = http::Response::new(());
        *response.status_mut() = StatusCode::from_u16(head.status)
            .map_err(|_| Cause::InvalidResponse(format!("{} is not a status", head.status)))?;
        *response.headers_mut() = std::mem::take(&mut self.headers);
        Ok(response)
    }

    fn refuse_surplus(&self) -> Result<(), Cause> {
        match self.receiver.surplus() {
            0 => Ok(()),
            surplus => Err(Cause::InvalidResponse(format!("{surplus} bytes follow its end"))),
        }
    }
}

/// How much of an answer has arrived at once.
enum Arrived {
    Whole(Head),
    Begun(Head),
}

/// Keeps a header, unless it concerns only this connection or the body's length on it.
fn keep(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), Cause> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Cause::InvalidResponse(format!("`{name}` is not the name of a header")))?;
    if name == http::header::CONTENT_LENGTH || http1::is_hop_by_hop(name.as_str()) {
        return Ok(());
    }
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| Cause::InvalidResponse(format!("the value of `{name}` has forbidden characters")))?;
    headers.append(name, value);
    Ok(())
}
