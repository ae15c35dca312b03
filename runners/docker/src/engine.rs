//! The connection to the engine, its errors, and its facts.

use std::time::Duration;

use bollard::models::{SystemInfo, SystemVersion};
use isolab_core::Cause;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// An engine answers in milliseconds. One that hangs must not delay a run.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// A request to the engine that failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine answers.
    #[error(
        "no Docker Engine answers at {host}: {reason}; start one (scripts/setup-docker does), or set DOCKER_HOST"
    )]
    Unreachable {
        /// The address of the engine.
        host: String,
        /// The error of the connection.
        reason: String,
    },
    /// The engine refused.
    #[error("the Docker Engine could not {action}: {reason}")]
    Refused {
        /// The action that it was asked for.
        action: &'static str,
        /// Its error message.
        reason: String,
    },
    /// The engine could not build an image.
    #[error(
        "the Docker Engine could not build the recipe {recipe}: {reason}; mend its Dockerfile and build \
         isolab again, or make room on the engine's disk if that is full"
    )]
    Build {
        /// The recipe's folder in the lab's repository.
        recipe: String,
        /// The engine's error message.
        reason: String,
    },
}

impl From<EngineError> for Cause {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unreachable { .. } => Self::Unavailable(error.to_string()),
            EngineError::Refused { .. } => Self::Internal(error.to_string()),
            EngineError::Build { .. } => Self::Artifact(error.to_string()),
        }
    }
}

/// A Docker Engine that has answered.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) api: bollard::Docker,
    host: String,
}

/// The address of the engine: `DOCKER_HOST`, or else the usual socket.
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

    /// The engine's version, and facts about its host.
    pub(crate) async fn facts(&self) -> Result<(SystemVersion, SystemInfo), EngineError> {
        let asked = futures_util::future::try_join(self.api.version(), self.api.info());
        asked.await.map_err(self.refused("say its version"))
    }

    /// The error of a call that failed to do `action`.
    pub(crate) fn refused(&self, action: &'static str) -> impl Fn(bollard::errors::Error) -> EngineError {
        let host = self.host.clone();
        move |error| match &error {
            bollard::errors::Error::DockerResponseServerError { message, .. } => {
                EngineError::Refused { action, reason: message.trim_end().to_owned() }
            }
            bollard::errors::Error::DockerStreamError { error } => {
                EngineError::Refused { action, reason: error.trim_end().to_owned() }
            }
            bollard::errors::Error::HyperLegacyError { err } if err.is_connect() => {
                EngineError::Unreachable { host: host.clone(), reason: text(&error) }
            }
            _ => EngineError::Refused { action, reason: text(&error) },
        }
    }
}

/// An error with its sources: the outer errors of an HTTP client name no reason.
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

/// Whether the engine answered that it is doing something else with the thing.
pub(crate) fn is_conflict(error: &bollard::errors::Error) -> bool {
    is_status(error, 409)
}

fn is_status(error: &bollard::errors::Error, status: u16) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code, .. } if *status_code == status)
}
