//! The experiments that measure a cell or a block.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// One experiment, as `--only` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Experiment {
    /// Phases and first responses, for three kinds of cold. Always measured: it shows how much
    /// time the others need.
    Startup,
    /// Attempts of a guest to reach its host, one of each kind.
    Confinement,
    /// The memory of live instances.
    Memory,
    /// The number of instances that can be live.
    Density,
    /// A closed loop over a ladder of connections.
    Load,
    /// An open loop at rates that all cells share.
    Open,
    /// The highest rate that keeps a bound on the 99th percentile.
    Slo,
    /// Simultaneous requests from idle.
    Burst,
    /// A closed loop over many functions of very different popularity.
    Mix,
    /// A closed loop over servers with several workers.
    Contention,
    /// One to a thousand requests that wait at the same time.
    Waiting,
    /// The time until an answer begins, and until it ends.
    FirstByte,
}

impl Experiment {
    /// All of them, in the order in which a block is measured.
    pub const ALL: [Self; 12] = [
        Self::Startup,
        Self::Confinement,
        Self::Memory,
        Self::Density,
        Self::Load,
        Self::Open,
        Self::Slo,
        Self::Burst,
        Self::Mix,
        Self::Contention,
        Self::Waiting,
        Self::FirstByte,
    ];

    /// Whether it depends on the model more than on the function. A preset may measure such an
    /// experiment with one function only.
    pub fn is_of_model(self) -> bool {
        matches!(
            self,
            Self::Confinement
                | Self::Density
                | Self::Open
                | Self::Slo
                | Self::Burst
                | Self::Mix
                | Self::Contention
        )
    }

    /// Whether it is measured beside one function only, whatever the preset: it has functions of its own, or all of
    /// the run's.
    pub fn has_own_functions(self) -> bool {
        matches!(self, Self::Confinement | Self::Mix)
    }

    /// The experiment that measures a figure of this name, if one does.
    pub fn of(figure: &str) -> Option<Self> {
        let subject = figure.split(['_', '.']).next()?;
        match subject {
            "prepare" | "start" | "invoke" | "stop" | "response" => Some(Self::Startup),
            other => other.parse().ok(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Confinement => "confinement",
            Self::Memory => "memory",
            Self::Density => "density",
            Self::Load => "load",
            Self::Open => "open",
            Self::Slo => "slo",
            Self::Burst => "burst",
            Self::Mix => "mix",
            Self::Contention => "contention",
            Self::Waiting => "waiting",
            Self::FirstByte => "first-byte",
        }
    }
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Experiment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|experiment| experiment.name() == text)
            .ok_or_else(|| format!("`{text}` is not an experiment; the experiments are {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for experiment in Experiment::ALL {
            assert_eq!(experiment.to_string().parse(), Ok(experiment));
        }
        assert_eq!(Experiment::of("memory_slope"), Some(Experiment::Memory));
        assert_eq!(Experiment::of("prepare.load_p50"), Some(Experiment::Startup));
        assert_eq!(Experiment::of("price_per_million"), None);
        let error = "memroy".parse::<Experiment>().unwrap_err();
        assert!(error.contains("`memroy`") && error.contains("memory, density"), "{error}");
    }
}
