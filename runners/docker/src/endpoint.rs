//! Where the host and the server in a container meet.

use std::io::ErrorKind::{ConnectionRefused, HostUnreachable};
use std::time::Duration;

use isolab_core::{Cause, Limits};
use isolab_guest::connection::Connection;
use isolab_guest::socket::HostSocket;
use tokio::net::TcpStream;

use crate::container::{Container, PORT};
use crate::outside;

/// The finest that the runtime's timer can do.
const CONNECT_POLL: Duration = Duration::from_millis(1);

pub(crate) enum Endpoint {
    /// The server connects to the host's socket.
    Socket(HostSocket),
    /// The host connects to the server's port, at this address (`network=bridge`).
    Bridge(String),
}

impl Endpoint {
    /// A new connection to the server in `container`, as soon as there is one, unless the
    /// container dies before. The caller sets the time-out.
    pub(crate) async fn connect(&self, container: &Container, limits: Limits) -> Result<Connection, Cause> {
        let connecting = async {
            match self {
                Self::Socket(socket) => {
                    let is_guest = |process| outside::is_in_container(process, &container.id);
                    Connection::over(socket.accept(is_guest).await?, limits)
                }
                Self::Bridge(address) => {
                    let stream = connect_to(address).await?;
                    check_address(container, address, limits).await?;
                    Ok(Connection::new(stream, limits))
                }
            }
        };
        tokio::select! {
            biased;
            connected = connecting => connected,
            death = container.death(limits) => Err(death?),
        }
    }
}

async fn connect_to(address: &str) -> Result<TcpStream, Cause> {
    let failed = |error| Cause::Internal(format!("no connection to {address}:{PORT}: {error}"));
    loop {
        match TcpStream::connect((address, PORT)).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            // The server does not listen yet, or the bridge does not know the container yet.
            Err(error) if matches!(error.kind(), ConnectionRefused | HostUnreachable) => {
                tokio::time::sleep(CONNECT_POLL).await;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The engine gives the address of a dead container to the next one. A container that
/// lives after the connection was made, and has the address, is the one that was reached.
async fn check_address(container: &Container, expected: &str, limits: Limits) -> Result<(), Cause> {
    if container.address().await.is_ok_and(|address| address == expected) {
        return Ok(());
    }
    let death = container.cause_of_death(limits).await?;
    Err(death.unwrap_or_else(|| Cause::Internal(format!("the container has lost its address {expected}"))))
}
