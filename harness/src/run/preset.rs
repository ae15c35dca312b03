//! Presets: every amount of a run in one table.

use std::time::Duration;

use isolab_reports::Experiment;
use serde::Serialize;

use crate::load::open::Spread;

/// The name of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetName {
    /// `--quick`: whether everything works, and rough figures.
    Quick,
    /// The default: figures to compare.
    Default,
    /// `--full`: figures to publish.
    Full,
}

/// All numbers of a preset.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Preset {
    /// Its name.
    pub name: PresetName,
    /// The longest time of the whole matrix on two processors, without building guests.
    #[serde(rename = "announced_s", serialize_with = "seconds")]
    pub announced: Duration,
    /// Number of repetitions of the whole matrix, each in a new order.
    pub repetitions: u32,
    /// The experiments that are measured with one function only: they depend on the model more than
    /// on the function.
    pub narrow: &'static [Experiment],
    /// Whether one block of each executor is measured twice: an A/A pair.
    pub has_twins: bool,
    /// Whether the start of further specs is measured beside that of the default ones.
    pub has_beside: bool,
    /// The intervals between the requests of open loops.
    pub arrivals: Spread,
    /// The bound on the 99th percentile for which the highest rate is searched.
    #[serde(rename = "slo_ns", serialize_with = "nanoseconds")]
    pub slo: Duration,
    /// Amounts for instances that start in less than [`SLOW_START`].
    pub light: Amounts,
    /// Amounts for instances that take longer.
    pub heavy: Amounts,
}

/// Slower starts are measured with the `heavy` amounts: a hundred containers would take
/// minutes, and tell no more than ten.
pub const SLOW_START: Duration = Duration::from_millis(20);

/// Numbers of samples, times and instances.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Amounts {
    /// New processes whose first answer is timed.
    pub hosts: u32,
    /// Starts, one after the other: at most this many …
    pub starts: u32,
    /// … for at most this long, once there are five.
    #[serde(rename = "starts_ms", serialize_with = "milliseconds")]
    pub starts_time: Duration,
    /// Warm answers, one after the other: at most this many …
    pub warm_answers: u32,
    /// … for at most this long, once there are five.
    #[serde(rename = "warm_ms", serialize_with = "milliseconds")]
    pub warm_time: Duration,
    /// The warm-up of instances that are used again.
    pub warm_up: WarmUp,
    /// Live instances, and how often they are invoked.
    pub memory: Memory,
    /// Bounds of the search for the most live instances.
    pub density: Density,
    /// The closed loop.
    pub load: Load,
    /// The open loop.
    pub open: Open,
    /// The search for the highest rate that keeps a 99th percentile.
    pub slo: Slo,
    /// Many functions at once.
    pub mix: Mix,
    /// Requests that wait.
    pub waiting: Waiting,
    /// Answers that come piece by piece.
    pub first_byte: FirstByte,
    /// Requests at once.
    pub burst: Burst,
}

/// Bounds of the warm-up before a cell is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WarmUp {
    /// Answers of one window for each connection; fewer if the function is slow.
    pub window_answers: u64,
    /// The time after which a cell is measured although it is not steady.
    #[serde(rename = "bound_ms", serialize_with = "milliseconds")]
    pub bound_time: Duration,
}

/// Amounts of the memory experiment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Numbers of live instances, each measured once for every count of invocations, as far as the
    /// bounds allow.
    pub live: &'static [u64],
    /// Invocations of each live instance.
    pub invocations: &'static [u64],
    /// The memory that the live instances may hold together, in bytes, estimated from fewer
    /// instances.
    pub bound_bytes: u64,
    /// The time that their invocations may take together, estimated from the first one. Counts of
    /// invocations that allow fewer than two numbers of instances are left out.
    #[serde(rename = "bound_ms", serialize_with = "milliseconds")]
    pub bound_time: Duration,
}

/// Bounds of the density experiment; the first that is reached ends it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Density {
    /// The memory that all live instances may hold, in bytes.
    pub bound_bytes: u64,
    /// The highest 99th percentile of `invoke` over all live instances in turn.
    #[serde(rename = "p99_ms", serialize_with = "milliseconds")]
    pub p99: Duration,
    /// The most live instances.
    pub instances: u64,
    /// The time that the search may take.
    #[serde(rename = "bound_ms", serialize_with = "milliseconds")]
    pub bound_time: Duration,
}

/// Amounts of the closed loop.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Load {
    /// Numbers of connections. The heavy amounts have the first of the light ones: no more
    /// containers can be started in the time of a run.
    pub connections: &'static [usize],
    /// Number of windows after the first one, which only warms up.
    pub windows: u32,
    /// Length of one window.
    #[serde(rename = "window_ms", serialize_with = "milliseconds")]
    pub window: Duration,
    /// The fewest answers of a window.
    pub window_answers: u64,
}

/// Amounts of the open loop.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Open {
    /// Whether every step of the ladder is offered, and not only powers of ten, at rates far below
    /// a cell's capacity.
    pub is_dense: bool,
    /// Number of windows of each rate after the first one, which only warms up.
    pub windows: u32,
    /// Length of one window …
    #[serde(rename = "window_ms", serialize_with = "milliseconds")]
    pub window: Duration,
    /// … or longer, until this many requests were due.
    pub window_requests: u64,
}

/// Bounds of the search for the highest rate that keeps a 99th percentile.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Slo {
    /// Length of one probe, or longer until enough requests for a 99th percentile were due.
    #[serde(rename = "probe_ms", serialize_with = "milliseconds")]
    pub probe: Duration,
    /// The most probes.
    pub probes: u32,
    /// The time that the search may take.
    #[serde(rename = "bound_ms", serialize_with = "milliseconds")]
    pub bound_time: Duration,
}

/// Amounts of the mix of many functions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Mix {
    /// Number of functions.
    pub functions: usize,
    /// The most live instances.
    pub instances: usize,
    /// Number of connections.
    pub connections: usize,
    /// Number of windows. The first one is cold.
    pub windows: u32,
    /// Length of one window.
    #[serde(rename = "window_ms", serialize_with = "milliseconds")]
    pub window: Duration,
}

/// Amounts of requests that wait.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Waiting {
    /// Numbers of requests in flight.
    pub in_flight: &'static [usize],
    /// Number of windows after a first one, which is not kept.
    pub windows: u32,
    /// Length of one window.
    #[serde(rename = "window_ms", serialize_with = "milliseconds")]
    pub window: Duration,
}

/// Amounts of answers whose first byte is timed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FirstByte {
    /// Number of requests, one after the other.
    pub requests: u32,
}

/// Amounts of the burst.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Burst {
    /// Numbers of requests at once.
    pub requests: &'static [usize],
    /// Rounds of each number.
    pub rounds: u32,
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis() as u64)
}

fn nanoseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(isolab_core::laps::nanoseconds(*duration))
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The default bound on the 99th percentile. Chosen and not derived: people do not notice it, and
/// a cold start of a container breaks it.
pub const SLO: Duration = ms(10);

/// Requests that wait at the same time.
const IN_FLIGHT: &[usize] = &[1, 10, 100, 1_000];

const MIB: u64 = 1 << 20;

/// See [`Preset::narrow`].
const NARROW: &[Experiment] =
    &[Experiment::Density, Experiment::Open, Experiment::Slo, Experiment::Burst, Experiment::Contention];

/// The preset of `--quick`.
pub const QUICK: Preset = Preset {
    name: PresetName::Quick,
    announced: Duration::from_mins(2),
    repetitions: 1,
    narrow: &[
        Experiment::Memory,
        Experiment::Density,
        Experiment::Open,
        Experiment::Slo,
        Experiment::Burst,
        Experiment::Contention,
    ],
    has_twins: false,
    has_beside: false,
    arrivals: Spread::Poisson,
    slo: SLO,
    light: Amounts {
        hosts: 1,
        starts: 100,
        starts_time: ms(150),
        warm_answers: 100,
        warm_time: ms(120),
        warm_up: WarmUp { window_answers: 50, bound_time: ms(100) },
        memory: Memory {
            live: &[0, 1, 8],
            invocations: &[0, 1],
            bound_bytes: 128 * MIB,
            bound_time: ms(500),
        },
        density: Density { bound_bytes: 64 * MIB, p99: ms(20), instances: 256, bound_time: ms(1_000) },
        load: Load { connections: &[1, 4], windows: 2, window: ms(60), window_answers: 5 },
        open: Open { is_dense: false, windows: 1, window: ms(100), window_requests: 5 },
        slo: Slo { probe: ms(100), probes: 6, bound_time: ms(500) },
        mix: Mix { functions: 1_000, instances: 1_000, connections: 16, windows: 2, window: ms(300) },
        waiting: Waiting { in_flight: IN_FLIGHT, windows: 1, window: ms(500) },
        first_byte: FirstByte { requests: 5 },
        burst: Burst { requests: &[4, 16], rounds: 1 },
    },
    heavy: Amounts {
        hosts: 1,
        starts: 5,
        starts_time: ms(500),
        warm_answers: 50,
        warm_time: ms(120),
        warm_up: WarmUp { window_answers: 50, bound_time: ms(100) },
        memory: Memory {
            live: &[0, 1, 4],
            invocations: &[0, 1],
            bound_bytes: 512 * MIB,
            bound_time: ms(500),
        },
        density: Density { bound_bytes: 64 * MIB, p99: ms(20), instances: 4, bound_time: ms(1_000) },
        load: Load { connections: &[1, 4], windows: 1, window: ms(100), window_answers: 2 },
        open: Open { is_dense: false, windows: 1, window: ms(100), window_requests: 2 },
        slo: Slo { probe: ms(100), probes: 6, bound_time: ms(500) },
        mix: Mix { functions: 1_000, instances: 8, connections: 4, windows: 2, window: ms(1_000) },
        waiting: Waiting { in_flight: IN_FLIGHT, windows: 1, window: ms(500) },
        first_byte: FirstByte { requests: 5 },
        burst: Burst { requests: &[4], rounds: 1 },
    },
};

/// The default preset.
pub const DEFAULT: Preset = Preset {
    name: PresetName::Default,
    announced: Duration::from_mins(25),
    repetitions: 3,
    narrow: NARROW,
    has_twins: true,
    has_beside: true,
    arrivals: Spread::Poisson,
    slo: SLO,
    light: Amounts {
        hosts: 3,
        starts: 300,
        starts_time: ms(400),
        warm_answers: 300,
        warm_time: ms(300),
        warm_up: WarmUp { window_answers: 50, bound_time: ms(500) },
        memory: Memory {
            live: &[0, 1, 8, 32],
            invocations: &[0, 1, 100],
            bound_bytes: 256 * MIB,
            bound_time: ms(800),
        },
        density: Density { bound_bytes: 512 * MIB, p99: ms(20), instances: 1_000, bound_time: ms(2_500) },
        load: Load { connections: &[1, 8, 32], windows: 3, window: ms(120), window_answers: 10 },
        open: Open { is_dense: false, windows: 1, window: ms(250), window_requests: 15 },
        slo: Slo { probe: ms(200), probes: 12, bound_time: ms(1_500) },
        mix: Mix { functions: 1_000, instances: 1_000, connections: 32, windows: 3, window: ms(500) },
        waiting: Waiting { in_flight: IN_FLIGHT, windows: 3, window: ms(1000) },
        first_byte: FirstByte { requests: 20 },
        burst: Burst { requests: &[8, 64], rounds: 3 },
    },
    heavy: Amounts {
        hosts: 1,
        starts: 5,
        starts_time: ms(1_000),
        warm_answers: 200,
        warm_time: ms(200),
        warm_up: WarmUp { window_answers: 50, bound_time: ms(500) },
        memory: Memory {
            live: &[0, 1, 4, 8, 16],
            invocations: &[0, 1, 100],
            bound_bytes: 1_024 * MIB,
            bound_time: ms(800),
        },
        density: Density { bound_bytes: 512 * MIB, p99: ms(20), instances: 16, bound_time: ms(4_000) },
        load: Load { connections: &[1, 8], windows: 2, window: ms(200), window_answers: 3 },
        open: Open { is_dense: false, windows: 1, window: ms(300), window_requests: 3 },
        slo: Slo { probe: ms(250), probes: 10, bound_time: ms(1_500) },
        mix: Mix { functions: 1_000, instances: 8, connections: 4, windows: 3, window: ms(1_000) },
        waiting: Waiting { in_flight: IN_FLIGHT, windows: 3, window: ms(1000) },
        first_byte: FirstByte { requests: 20 },
        burst: Burst { requests: &[8], rounds: 1 },
    },
};

/// The preset of `--full`.
pub const FULL: Preset = Preset {
    name: PresetName::Full,
    announced: Duration::from_mins(50),
    repetitions: 4,
    narrow: NARROW,
    has_twins: true,
    has_beside: true,
    arrivals: Spread::Poisson,
    slo: SLO,
    light: Amounts {
        hosts: 4,
        starts: 600,
        starts_time: ms(600),
        warm_answers: 400,
        warm_time: ms(400),
        warm_up: WarmUp { window_answers: 50, bound_time: ms(1_000) },
        memory: Memory {
            live: &[0, 1, 16, 64, 128],
            invocations: &[0, 1, 100],
            bound_bytes: 1_024 * MIB,
            bound_time: ms(1_000),
        },
        density: Density { bound_bytes: 1_024 * MIB, p99: ms(20), instances: 1_000, bound_time: ms(2_500) },
        load: Load { connections: &[1, 8, 16, 32, 128], windows: 3, window: ms(120), window_answers: 20 },
        open: Open { is_dense: true, windows: 1, window: ms(250), window_requests: 30 },
        slo: Slo { probe: ms(200), probes: 14, bound_time: ms(2_500) },
        mix: Mix { functions: 1_000, instances: 1_000, connections: 32, windows: 3, window: ms(1_000) },
        waiting: Waiting { in_flight: IN_FLIGHT, windows: 3, window: ms(1000) },
        first_byte: FirstByte { requests: 20 },
        burst: Burst { requests: &[8, 64, 256], rounds: 3 },
    },
    heavy: Amounts {
        hosts: 2,
        starts: 10,
        starts_time: ms(2_000),
        warm_answers: 400,
        warm_time: ms(400),
        warm_up: WarmUp { window_answers: 50, bound_time: ms(1_000) },
        memory: Memory {
            live: &[0, 1, 4, 8, 16],
            invocations: &[0, 1, 100],
            bound_bytes: 1_024 * MIB,
            bound_time: ms(1_000),
        },
        density: Density { bound_bytes: 1_024 * MIB, p99: ms(20), instances: 24, bound_time: ms(5_000) },
        load: Load { connections: &[1, 8, 16], windows: 2, window: ms(200), window_answers: 4 },
        open: Open { is_dense: true, windows: 1, window: ms(300), window_requests: 5 },
        slo: Slo { probe: ms(250), probes: 12, bound_time: ms(3_000) },
        mix: Mix { functions: 1_000, instances: 16, connections: 4, windows: 3, window: ms(1_000) },
        waiting: Waiting { in_flight: IN_FLIGHT, windows: 3, window: ms(1000) },
        first_byte: FirstByte { requests: 20 },
        burst: Burst { requests: &[8], rounds: 2 },
    },
};

impl Preset {
    /// All presets.
    pub const ALL: [&'static Self; 3] = [&QUICK, &DEFAULT, &FULL];

    /// The same amounts with another number of repetitions; the announced time is scaled.
    #[must_use]
    pub fn repeated(&self, repetitions: u32) -> Self {
        Self { announced: self.announced * repetitions / self.repetitions, repetitions, ..*self }
    }

    /// The same amounts with other arrivals and another bound on the 99th percentile.
    #[must_use]
    pub fn offered(&self, arrivals: Spread, slo: Duration) -> Self {
        Self { arrivals, slo, ..*self }
    }

    /// The same amounts, with a search for density that only this number, this memory and ten minutes bound.
    #[must_use]
    pub fn dense(&self, instances: u64, bound_bytes: u64) -> Self {
        let bound_time = Duration::from_mins(10);
        let denser = |amounts: Amounts| Amounts {
            density: Density { bound_bytes, instances, bound_time, ..amounts.density },
            ..amounts
        };
        Self { light: denser(self.light), heavy: denser(self.heavy), ..*self }
    }

    /// The experiments of a run for which the user chose none. The mix of many functions and
    /// contention take time that only a run for publication has. Most functions neither wait nor stream.
    pub fn experiments(&self) -> Vec<Experiment> {
        let is_chosen = |experiment: &Experiment| match experiment {
            Experiment::Waiting | Experiment::FirstByte => false,
            Experiment::Mix | Experiment::Contention => self.name == PresetName::Full,
            _ => true,
        };
        Experiment::ALL.into_iter().filter(is_chosen).collect()
    }

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
        for preset in Preset::ALL {
            for amounts in [preset.light, preset.heavy] {
                let Memory { live, invocations, .. } = amounts.memory;
                assert!(live.starts_with(&[0, 1]) && live.is_sorted() && live.len() > 2, "{preset:?}");
                assert!(invocations.starts_with(&[0, 1]) && invocations.is_sorted(), "{preset:?}");
                assert!(amounts.load.connections.is_sorted() && amounts.load.windows > 0, "{preset:?}");
                let heavy = preset.heavy;
                assert!(amounts.load.connections.starts_with(heavy.load.connections), "one ladder for all");
                assert!(amounts.burst.requests.starts_with(heavy.burst.requests), "one ladder for all");
                assert!(amounts.hosts > 0 && amounts.open.windows > 0 && amounts.burst.rounds > 0);
            }
        }
    }
}
