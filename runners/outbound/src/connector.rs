//! Connections to granted hosts.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use isolab_core::function::Host;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower_service::Service;

use crate::{CONNECT_TIMEOUT, Outbound};

/// Connects to hosts of one function.
#[derive(Clone, Debug)]
pub(crate) struct Connector(Arc<Outbound>);

impl Connector {
    pub(crate) fn new(outbound: &Arc<Outbound>) -> Self {
        Self(Arc::clone(outbound))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        // The client has checked the request. This is the place where nothing can get past the check.
        let host = self.0.host_of(&url).map_err(io::Error::other);
        let address = host.as_ref().ok().and_then(|host| self.0.address_of(host));
        Box::pin(async move {
            let connecting = connect(host?, address);
            let late = || io::Error::other(format!("no connection within {CONNECT_TIMEOUT:?}"));
            let stream = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| late())??;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Connects to the address of a host, or to one that the resolver knows.
async fn connect(host: Host, address: Option<SocketAddr>) -> io::Result<TcpStream> {
    if let Some(address) = address {
        return TcpStream::connect(address).await;
    }
    // A URL has brackets around an IPv6 address.
    let name = host.name.trim_matches(['[', ']']);
    let addresses: Vec<SocketAddr> = lookup_host((name, host.port)).await?.collect();
    TcpStream::connect(addresses.as_slice()).await
}
