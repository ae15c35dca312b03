//! The way to the engine, and what it says of itself.

use std::time::Duration;

use bollard::models::{SystemInfo, SystemVersion};
use isolab_core::Cause;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// An engine answers in milliseconds; one that hangs must not hold up a run.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What went wrong between the lab and the engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// Nothing answers.
    #[error(
        "no Docker Engine answers at {host}: {reason}; start one (scripts/setup-docker does), or set DOCKER_HOST"
    )]
    Unreachable {
        /// Where it was looked for.
        host: String,
        /// What happened there.
        reason: String,
    },
    /// The engine refused.
    #[error("the Docker Engine could not {action}: {reason}")]
    Refused {
        /// What it was asked to do.
        action: &'static str,
        /// What it said.
        reason: String,
    },
}

impl From<EngineError> for Cause {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable { .. } => Self::Unavailable(error.to_string()),
            EngineError::Refused { .. } => Self::Internal(error.to_string()),
        }
    }
}

/// A Docker Engine that has answered.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) api: bollard::Docker,
    host: String,
}

/// Where `DOCKER_HOST` says that the engine is.
pub(crate) fn host() -> String {
    std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| DEFAULT_HOST.into())
}

impl Engine {
    /// Finds the engine and agrees on a version of its API.
    pub(crate) async fn connect(host: &str) -> Result<Self, EngineError> {
        let unreachable = |reason: String| EngineError::Unreachable { host: host.to_owned(), reason };
        let api = bollard::Docker::connect_with_host(host).map_err(|error| unreachable(text(&error)))?;
        let api = tokio::time::timeout(CONNECT_TIMEOUT, api.negotiate_version())
            .await
            .map_err(|_| unreachable(format!("no answer within {CONNECT_TIMEOUT:?}")))?
            .map_err(|error| unreachable(text(&error)))?;
        Ok(Self { api, host: host.to_owned() })
    }

    /// What the engine says of itself and of its host.
    pub(crate) async fn facts(&self) -> Result<(SystemVersion, SystemInfo), EngineError> {
        let asked = futures_util::future::try_join(self.api.version(), self.api.info());
        asked.await.map_err(self.refused("say its version"))
    }

    /// Makes the error of a call that should have done `action`.
    pub(crate) fn refused(&self, action: &'static str) -> impl Fn(bollard::errors::Error) -> EngineError {
        let host = self.host.clone();
        move |error| match &error {
            bollard::errors::Error::DockerResponseServerError { message, .. } => {
                EngineError::Refused { action, reason: message.trim_end().to_owned() }
            }
            bollard::errors::Error::HyperLegacyError { err } if err.is_connect() => {
                EngineError::Unreachable { host: host.clone(), reason: text(&error) }
            }
            _ => EngineError::Refused { action, reason: text(&error) },
        }
    }
}

/// An error with its sources: the outer layers of an HTTP client name no reason.
fn text(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| {
        let source = source.to_string();
        if text.contains(&source) { text } else { format!("{text}: {source}") }
    })
}

/// Whether the engine answered that there is no such thing.
pub(crate) fn is_absent(error: &bollard::errors::Error) -> bool {
    is_status(error, 404)
}

/// Whether the engine answered that something else is going on with the thing.
pub(crate) fn is_conflict(error: &bollard::errors::Error) -> bool {
    is_status(error, 409)
}

fn is_status(error: &bollard::errors::Error, status: u16) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}
