//! A function with its image: from here instances are started.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Limits, Phase, Prepared};
use tokio::net::{TcpStream, UnixStream};

use crate::connection::Connection;
use crate::container::{Confinement, Container, LABEL_FUNCTION, LABEL_RUN, LABEL_SESSION, PORT};
use crate::engine::Engine;
use crate::image::Image;
use crate::instance::DockerInstance;
use crate::session::{Session, SocketFolder};
use crate::settings::{Network, Settings};

/// Node on a loaded machine takes seconds; what takes longer than this hangs.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The finest that the runtime's timer can do.
const READY_POLL: Duration = Duration::from_millis(1);
/// How many polls pass between two looks at whether the container still lives.
const POLLS_A_LOOK: u32 = 50;

/// What all instances of a function share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) session: Arc<Session>,
    pub(crate) settings: Settings,
    pub(crate) spec: String,
    pub(crate) run_id: String,
    pub(crate) name: String,
    pub(crate) limits: Limits,
}

impl Shared {
    pub(crate) fn labels(&self) -> HashMap<String, String> {
        let labels = [
            (LABEL_RUN, self.run_id.clone()),
            (LABEL_SESSION, self.session.name.to_string()),
            (LABEL_FUNCTION, self.name.clone()),
        ];
        labels.into_iter().map(|(label, value)| (label.to_owned(), value)).collect()
    }

    pub(crate) fn error(&self, phase: Phase, cause: impl Into<Cause>) -> Error {
        Error::new(phase, &self.spec, &self.name, cause.into())
    }
}

pub(crate) struct PreparedDocker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) image: Image,
    pub(crate) artifact: Artifact,
    /// Keeps the shared network namespace, if there is one.
    pub(crate) holder: Option<Container>,
}

/// Where the server in a container listens.
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(String),
}

impl Address {
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        match self {
            Self::Unix(path) => Ok(Connection::new(UnixStream::connect(path).await?)),
            Self::Tcp(address) => {
                let stream = TcpStream::connect((address.as_str(), PORT)).await?;
                stream.set_nodelay(true)?;
                Ok(Connection::new(stream))
            }
        }
    }
}

#[async_trait(?Send)]
impl Prepared for PreparedDocker {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let started = tokio::time::timeout(START_TIMEOUT, self.start_container(laps)).await;
        let instance = started.unwrap_or(Err(Cause::DeadlineExceeded(START_TIMEOUT)));
        instance.map_err(|cause| self.shared.error(Phase::Start, cause))
    }
}

impl PreparedDocker {
    async fn start_container(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Cause> {
        let Shared { engine, settings, limits, .. } = &*self.shared;
        let folder = match settings.network {
            Network::Bridge => None,
            Network::Shared | Network::None => Some(self.socket_folder()?),
        };
        let confinement = Confinement {
            image: &self.image.tag,
            labels: self.shared.labels(),
            settings,
            limits: *limits,
            network: self.network_mode(),
        };
        let container = Container::create(engine, confinement.body(folder.as_ref())).await?;
        laps.mark("create");
        container.start().await?;
        laps.mark("start");
        let address = match &folder {
            Some(folder) => Address::Unix(folder.socket()),
            None => self.bridge_address(&container).await?,
        };
        let connection = self.await_ready(&container, &address).await?;
        laps.mark("ready");
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(DockerInstance { shared, container, address, connection: Some(connection), folder }))
    }

    async fn bridge_address(&self, container: &Container) -> Result<Address, Cause> {
        match container.address().await {
            Ok(address) => Ok(Address::Tcp(address)),
            // A dead container has no address, and its death is the better reason.
            Err(error) => Err(container.cause_of_death(self.shared.limits).await?.unwrap_or(error.into())),
        }
    }

    fn socket_folder(&self) -> Result<SocketFolder, Cause> {
        let folder = self.shared.session.socket_folder();
        let folder = folder.map_err(|error| {
            let place = std::env::temp_dir();
            Cause::Internal(format!("no folder for a socket could be made in {}: {error}", place.display()))
        })?;
        check_length(&folder.socket())?;
        Ok(folder)
    }

    fn network_mode(&self) -> String {
        match (self.shared.settings.network, &self.holder) {
            (Network::Shared, Some(holder)) => format!("container:{}", holder.id),
            (Network::Bridge, _) => "bridge".into(),
            _ => "none".into(),
        }
    }

    /// Connects as soon as the server listens, unless the container dies before.
    async fn await_ready(&self, container: &Container, address: &Address) -> Result<Connection, Cause> {
        for poll in 1_u32.. {
            let refusal = match address.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if !matches!(refusal.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
                return Err(Cause::Internal(format!("the container cannot be connected to: {refusal}")));
            }
            if poll % POLLS_A_LOOK == 0
                && let Some(cause) = container.cause_of_death(self.shared.limits).await?
            {
                return Err(cause);
            }
            tokio::time::sleep(READY_POLL).await;
        }
        unreachable!("the start's time-out ends the loop long before the counter does")
    }
}

/// A path in `sockaddr_un` has 108 bytes, its final zero included (unix(7)).
fn check_length(socket: &Path) -> Result<(), Cause> {
    const MOST_BYTES: usize = 107;
    let len = socket.as_os_str().len();
    if len <= MOST_BYTES {
        return Ok(());
    }
    Err(Cause::Unavailable(format!(
        "{} has {len} bytes, and a socket's path may have {MOST_BYTES}: set TMPDIR to a shorter folder",
        socket.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_with_what_to_do() {
        assert_eq!(check_length(Path::new("/tmp/socket")), Ok(()));
        let Err(Cause::Unavailable(reason)) = check_length(Path::new(&"/x".repeat(54))) else {
            panic!("taken")
        };
        assert!(reason.contains("108 bytes") && reason.contains("TMPDIR"), "{reason}");
    }
}
