//! Why an outbound request failed.

use std::error::Error as StdError;

use isolab_core::function::Host;

/// Why an outbound request failed, as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The function may not send requests to this host.
    #[error("the function is not granted the host `{0}`: name it under `grants.hosts` in function.toml")]
    NotGranted(Host),
    /// This is not a request of plain HTTP.
    #[error("`{0}` is not a request of plain HTTP: outbound requests are `http://HOST/` only")]
    NotHttp(String),
    /// The host accepts no connection.
    #[error("`{host}` cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: Host,
        /// Why, without a full stop.
        reason: String,
    },
    /// The host did not answer, or not to the end.
    #[error("the exchange with `{host}` broke off: {reason}")]
    BrokeOff {
        /// The host.
        host: Host,
        /// Why, without a full stop.
        reason: String,
    },
    /// The host of the container has not sent the request, or has no answer, for its own reason.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// The failure of an exchange with this host.
    pub(crate) fn of(host: &Host, error: &hyper_util::client::legacy::Error) -> Self {
        let host = host.clone();
        if error.is_connect() {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return Self::Unreachable { host, reason };
        }
        Self::BrokeOff { host, reason: reason(error) }
    }
}

/// The innermost reason, which says most.
pub(crate) fn reason(error: &impl StdError) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn StdError> = error.source();
    while let Some(source) = next {
        text = source.to_string();
        next = source.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}
