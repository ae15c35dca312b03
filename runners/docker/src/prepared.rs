//! A function with its image, from which instances are started.

use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{Artifact, Cause, Error, Instance, Laps, Phase, Prepared};
use isolab_guest::caller::Caller;
use isolab_guest::outbound::{self, Proxy};
use isolab_guest::socket::HostSocket;
use isolab_outbound::Client;

use crate::container::{Confinement, Container};
use crate::endpoint::Endpoint;
use crate::image::Image;
use crate::instance::{Contained, DockerInstance};
use crate::outside;
use crate::settings::Network;
use crate::shared::Shared;

pub(crate) struct PreparedDocker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) image: Image,
    pub(crate) artifact: Artifact,
    /// Keeps the shared network namespace, if there is one.
    pub(crate) holder: Option<Container>,
}

#[async_trait(?Send)]
impl Prepared for PreparedDocker {
    fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn max_concurrency(&self) -> usize {
        usize::try_from(self.shared.settings.concurrency).unwrap_or(usize::MAX)
    }

    fn holds_thread(&self) -> bool {
        false
    }

    fn streams(&self) -> bool {
        true
    }

    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error> {
        let timeout = self.shared.start_timeout;
        let started = tokio::time::timeout(timeout, self.start_container(laps)).await;
        let instance = started.unwrap_or(Err(Cause::DeadlineExceeded(timeout)));
        instance.map_err(|cause| self.shared.error(Phase::Start, cause))
    }
}

impl PreparedDocker {
    async fn start_container(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Cause> {
        let Shared { engine, settings, limits, .. } = &*self.shared;
        // The host listens before there is a guest.
        let socket = match settings.network {
            Network::Bridge => None,
            Network::Shared | Network::None => Some(self.shared.session.socket()?),
        };
        let confinement = Confinement {
            image: &self.image.tag,
            labels: self.shared.labels(),
            settings,
            limits: *limits,
            grants: &self.shared.grants,
            network: self.network_mode(),
            group: self.shared.group.parent(),
            cpu: self.shared.guest_cpu,
        };
        let outbound = match (&self.shared.outbound, &socket) {
            (Some(hosts), Some(socket)) => Some((socket.listen_beside(outbound::FILE)?, Client::new(hosts))),
            _ => None,
        };
        let folder = socket.as_ref().map(HostSocket::folder);
        let container = Container::create(engine, confinement.body(folder)).await?;
        laps.mark("create");
        let outbound = outbound.map(|(listener, client)| {
            let id = container.id.clone();
            let is_guest = move |process| outside::is_in_container(process, &id);
            Proxy::serve(listener, client, limits.deadline, is_guest)
        });
        container.start().await?;
        laps.mark("start");
        let endpoint = match socket {
            Some(socket) => Endpoint::Socket(socket),
            None => Endpoint::Bridge(self.bridge_address(&container).await?),
        };
        let server = Contained { container, endpoint, limits: *limits };
        let caller = Caller::new(server, *limits, settings.concurrency > 1).await?;
        laps.mark("ready");
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(DockerInstance { shared, caller, _outbound: outbound }))
    }

    async fn bridge_address(&self, container: &Container) -> Result<String, Cause> {
        match container.address().await {
            Ok(address) => Ok(address),
            // A dead container has no address, and the cause of its death says more.
            Err(error) => Err(container.cause_of_death(self.shared.limits).await?.unwrap_or(error.into())),
        }
    }

    fn network_mode(&self) -> String {
        match (self.shared.settings.network, &self.holder) {
            (Network::Shared, Some(holder)) => format!("container:{}", holder.id),
            (Network::Bridge, _) => "bridge".into(),
            _ => "none".into(),
        }
    }
}
