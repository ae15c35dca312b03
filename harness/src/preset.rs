//! How much is measured: every number of a plan in one table.

use std::time::Duration;

use serde::Serialize;

/// `--quick`, nothing, or `--full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetName {
    /// Whether everything works, with figures to a first approximation.
    Quick,
    /// Figures to compare.
    Default,
    /// Figures to publish.
    Full,
}

/// All numbers of a preset.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Preset {
    /// Its name.
    pub name: PresetName,
    /// How often the whole matrix is measured, each time in a new order.
    pub repetitions: u32,
    /// For what starts in less than [`SLOW_START`].
    pub light: Amounts,
    /// For what takes longer.
    pub heavy: Amounts,
}

/// Starts slower than this are measured with the `heavy` amounts: a hundred
/// containers would take minutes and tell nothing that ten do not.
pub const SLOW_START: Duration = Duration::from_millis(20);

/// Numbers of samples, times and instances.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Amounts {
    /// Starts, one after the other: at most this many …
    pub starts: u32,
    /// … for at most this long, once there are five.
    #[serde(rename = "starts_ms", serialize_with = "milliseconds")]
    pub starts_time: Duration,
    /// Warm answers, one after the other.
    pub warm_answers: u32,
    /// Numbers of connections that requests are sent over.
    pub connections: &'static [usize],
    /// Windows of a load after the first, which only warms up.
    pub windows: u32,
    /// Time of one window.
    #[serde(rename = "window_ms", serialize_with = "milliseconds")]
    pub window: Duration,
    /// Answers that a window has at least.
    pub window_answers: u64,
    /// Live instances of the memory experiment; each number once for every count of
    /// invocations.
    pub live: &'static [u64],
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis() as u64)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Under three minutes for everything on two processors.
pub const QUICK: Preset = Preset {
    name: PresetName::Quick,
    repetitions: 1,
    light: Amounts {
        starts: 100,
        starts_time: ms(250),
        warm_answers: 100,
        connections: &[1, 16],
        windows: 3,
        window: ms(100),
        window_answers: 5,
        live: &[0, 1, 16],
    },
    heavy: Amounts {
        starts: 5,
        starts_time: ms(500),
        warm_answers: 50,
        connections: &[1, 4],
        windows: 2,
        window: ms(100),
        window_answers: 2,
        live: &[0, 1, 3],
    },
};

/// Some quarter of an hour for everything on two processors.
pub const DEFAULT: Preset = Preset {
    name: PresetName::Default,
    repetitions: 2,
    light: Amounts {
        starts: 500,
        starts_time: ms(1_000),
        warm_answers: 500,
        connections: &[1, 8, 32],
        windows: 3,
        window: ms(300),
        window_answers: 10,
        live: &[0, 1, 16, 64],
    },
    heavy: Amounts {
        starts: 8,
        starts_time: ms(2_000),
        warm_answers: 200,
        connections: &[1, 4],
        windows: 3,
        window: ms(300),
        window_answers: 4,
        live: &[0, 1, 4],
    },
};

/// A night's work.
pub const FULL: Preset = Preset {
    name: PresetName::Full,
    repetitions: 5,
    light: Amounts {
        starts: 3_000,
        starts_time: ms(5_000),
        warm_answers: 3_000,
        connections: &[1, 8, 32, 128],
        windows: 10,
        window: ms(1_000),
        window_answers: 20,
        live: &[0, 1, 32, 128, 256],
    },
    heavy: Amounts {
        starts: 50,
        starts_time: ms(20_000),
        warm_answers: 2_000,
        connections: &[1, 4, 16],
        windows: 5,
        window: ms(1_000),
        window_answers: 10,
        live: &[0, 1, 8, 16, 32],
    },
};

impl Preset {
    /// The amounts for instances that take this long to start.
    pub fn amounts(&self, start: Duration) -> &Amounts {
        if start < SLOW_START { &self.light } else { &self.heavy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_gets_the_heavy_amounts() {
        assert_eq!(QUICK.amounts(ms(1)).starts, QUICK.light.starts);
        assert_eq!(QUICK.amounts(ms(150)).starts, QUICK.heavy.starts);
    }

    #[test]
    fn every_preset_begins_its_slope_with_nothing_live() {
        for preset in [QUICK, DEFAULT, FULL] {
            for amounts in [preset.light, preset.heavy] {
                assert!(amounts.live.starts_with(&[0, 1]) && amounts.live.is_sorted(), "{preset:?}");
                assert!(amounts.connections.is_sorted() && amounts.windows > 0, "{preset:?}");
            }
        }
    }
}
