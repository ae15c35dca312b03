//! How often an instance is used: a policy of the pool, unknown to executors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How often an instance may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reuse {
    /// One request per instance.
    Fresh,
    /// Any number of requests.
    Warm,
    /// This many requests, at least two.
    Times(u64),
}

impl Reuse {
    /// Whether an instance that has answered `uses` times may answer again.
    pub fn allows(self, uses: u64) -> bool {
        match self {
            Self::Fresh => uses == 0,
            Self::Warm => true,
            Self::Times(times) => uses < times,
        }
    }
}

/// A text that is not a reuse policy.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a reuse policy: use `fresh`, `warm` or `reuse:N` with N of at least 1")]
pub struct ReuseError(String);

impl FromStr for Reuse {
    type Err = ReuseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let times = text.strip_prefix("reuse:").map(str::parse::<u64>);
        match (text, times) {
            ("fresh", _) | (_, Some(Ok(1))) => Ok(Self::Fresh),
            ("warm", _) => Ok(Self::Warm),
            (_, Some(Ok(times))) if times > 1 => Ok(Self::Times(times)),
            _ => Err(ReuseError(text.to_owned())),
        }
    }
}

impl fmt::Display for Reuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("fresh"),
            Self::Warm => f.write_str("warm"),
            Self::Times(times) => write!(f, "reuse:{times}"),
        }
    }
}

impl TryFrom<String> for Reuse {
    type Error = ReuseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Reuse> for String {
    fn from(reuse: Reuse) -> Self {
        reuse.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_round_trip() {
        for text in ["fresh", "warm", "reuse:2", "reuse:1000"] {
            assert_eq!(text.parse::<Reuse>().unwrap().to_string(), text);
        }
        assert_eq!("reuse:1".parse(), Ok(Reuse::Fresh));
        for text in ["", "Warm", "reuse:", "reuse:0", "reuse:-1", "reuse"] {
            assert!(text.parse::<Reuse>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_policy_counts_uses() {
        assert!(Reuse::Fresh.allows(0) && !Reuse::Fresh.allows(1));
        assert!(Reuse::Times(2).allows(1) && !Reuse::Times(2).allows(2));
        assert!(Reuse::Warm.allows(u64::MAX));
    }
}
