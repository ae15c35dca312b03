//! The executors and functions of the sample.

/// One executor with a function that does nothing.
pub(super) struct Model {
    pub(super) spec: &'static str,
    pub(super) start_ns: f64,
    pub(super) laps: &'static [(&'static str, f64)],
    pub(super) invoke_ns: f64,
    pub(super) instance_bytes: f64,
    pub(super) idle_bytes: f64,
    pub(super) live: &'static [u64],
    pub(super) connections: &'static [u64],
    pub(super) samples: u64,
}

pub(super) const MODELS: [Model; 4] = [
    Model {
        spec: "direct",
        start_ns: 45.0,
        laps: &[],
        invoke_ns: 400.0,
        instance_bytes: 640.0,
        idle_bytes: 6.2e6,
        live: &[0, 1, 16, 64, 256],
        connections: &[1, 8, 32, 64],
        samples: 60,
    },
    Model {
        spec: "wasm:compiler=cranelift",
        start_ns: 5_200.0,
        laps: &[("store", 0.2), ("instantiate", 0.75)],
        invoke_ns: 2_400.0,
        instance_bytes: 31_000.0,
        idle_bytes: 11e6,
        live: &[0, 1, 16, 64, 256],
        connections: &[1, 8, 32, 64],
        samples: 60,
    },
    Model {
        spec: "v8:snapshot=on",
        start_ns: 640_000.0,
        laps: &[("isolate", 0.7), ("context", 0.24)],
        invoke_ns: 38_000.0,
        instance_bytes: 1.34e6,
        idle_bytes: 34e6,
        live: &[0, 1, 16, 64],
        connections: &[1, 8, 32, 64],
        samples: 60,
    },
    Model {
        spec: "docker:network=shared",
        start_ns: 142e6,
        laps: &[("create", 0.28), ("start", 0.6), ("answer", 0.1)],
        invoke_ns: 310_000.0,
        instance_bytes: 7.4e6,
        idle_bytes: 9e6,
        live: &[0, 1, 4, 8],
        connections: &[1, 4, 8],
        samples: 8,
    },
];

/// Nanoseconds of work, by function and variant.
pub(super) const FUNCTIONS: [(&str, f64, f64); 4] =
    [("blake3", 24e3, 900e3), ("fibonacci", 4.6e6, 38e6), ("hello", 500.0, 3e3), ("json", 60e3, 110e3)];
