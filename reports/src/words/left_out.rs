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
const KVM: &str = "has_kvm";

/// Everything that is left out of a run.
pub(crate) fn all(run: &Run) -> impl Iterator<Item = LeftOut> {
    std::iter::once(LeftOut { name: "microVMs, such as Firecracker", reason: of_micro_vms(run) })
        .chain(ALWAYS)
}

fn of_micro_vms(run: &Run) -> &'static str {
    match run.machine.get(KVM).and_then(serde_json::Value::as_bool) {
        Some(false) => {
            "They need hardware virtualisation, and this machine offers none: `/dev/kvm` is not there. The lab has no \
             executor for them."
        }
        Some(true) => {
            "The lab has no executor for them. This machine offers the hardware virtualisation that they need."
        }
        None => {
            "They need hardware virtualisation, and the lab has no executor for them. The run does not say whether its \
             machine offers it."
        }
    }
}
