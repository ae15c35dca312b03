//! Engines and features that the lab leaves out, and why.

use crate::rows::Run;

/// A thing that a reader may miss.
pub(crate) struct LeftOut {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
}

/// Those of every run. A virtual machine depends on the run's machine: see [`all`].
const ALWAYS: [LeftOut; 6] = [
    LeftOut {
        name: "Wasmer's compiler Singlepass",
        reason: "Its licence, the Business Source License, forbids production use.",
    },
    LeftOut { name: "Wasmer's compiler LLVM", reason: "It needs an installed LLVM 22." },
    LeftOut {
        name: "WasmEdge",
        reason: "Its crate downloads a compiled library from outside of the registry, or needs an installed one.",
    },
    LeftOut { name: "WAMR by the crate `wamr-sys`", reason: "The crate needs CMake to build." },
    LeftOut { name: "WAMR by the crate `wamr-rust-sdk`", reason: "The crate is not in the registry." },
    LeftOut {
        name: "`Temporal` in V8",
        reason: "It is written in Rust and needs Chromium's Rust toolchain, which no registry offers.",
    },
];

/// The fact about a machine that decides whether a virtual machine could run on it.
const VIRTUALISATION: &str = "virtualisation";

/// Everything that is left out of a run.
pub(crate) fn all(run: &Run) -> impl Iterator<Item = LeftOut> {
    std::iter::once(LeftOut { name: "microVMs, such as Firecracker", reason: of_micro_vms(run) })
        .chain(ALWAYS)
}

fn of_micro_vms(run: &Run) -> &'static str {
    match run.machine.get(VIRTUALISATION).and_then(serde_json::Value::as_str) {
        Some("none") => {
            "They need hardware virtualisation, and this machine offers none: `/dev/kvm` is not there. The lab has no \
             executor for them."
        }
        Some("paravirtual") => {
            "They need hardware virtualisation. This machine has a `/dev/kvm`, and its processor shows no such \
             virtualisation: an unmodified guest would not run. The lab has no executor for them."
        }
        Some("hardware") => {
            "The lab has no executor for them. This machine offers the hardware virtualisation that they need."
        }
        _ => {
            "They need hardware virtualisation, and the lab has no executor for them. The run does not say whether its \
             machine offers it."
        }
    }
}
