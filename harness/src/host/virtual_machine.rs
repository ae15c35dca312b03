//! A small virtual machine with a clock beside it: whether a guest would run at the processor's speed here.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit};
use memmap2::MmapMut;

/// How often the guest goes around its loop of two instructions.
const ROUNDS: u32 = 100_000;

/// The guest, in the processor's first mode: it counts down from [`ROUNDS`], tells the host, and halts.
const GUEST: [u8; 13] = {
    let [a, b, c, d] = ROUNDS.to_le_bytes();
    [
        0x66, 0xb9, a, b, c, d, // mov ecx, ROUNDS
        0x66, 0x49, // dec ecx
        0x75, 0xfc, // jnz to the line above
        0xe6, 0x10, // out 0x10, al
        0xf4, // hlt
    ]
};

/// Where the guest's memory begins, in its own addresses.
const BASE: u64 = 0x1000;

const MEMORY_BYTES: usize = 0x4000;

/// A processor needs less than a nanosecond for an instruction of the loop, an emulator hundreds.
const EMULATED: Duration = Duration::from_nanos(20);

/// The times of a guest.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From nothing to a machine that can run.
    pub start: Duration,
    /// One of the guest's instructions.
    pub instruction: Duration,
}

impl Timing {
    /// Whether the kernel executes the guest's instructions one by one.
    pub fn is_emulated(&self) -> bool {
        self.instruction > EMULATED
    }
}

/// Runs a guest of some 200,000 instructions.
///
/// # Errors
/// If this user cannot open `/dev/kvm`, or the guest does not run to its end within five seconds.
pub fn time() -> Result<Timing> {
    const BOUND: Duration = Duration::from_secs(5);
    let (sender, timed) = mpsc::channel();
    // A guest that never ends keeps this thread, and the process can end nevertheless.
    std::thread::spawn(move || {
        // The receiver is gone if the time is over.
        let _ = sender.send(run());
    });
    timed.recv_timeout(BOUND).with_context(|| format!("a guest did not end within {BOUND:?}"))?
}

#[cfg(target_arch = "x86_64")]
fn run() -> Result<Timing> {
    let begun = Instant::now();
    let mut memory = MmapMut::map_anon(MEMORY_BYTES).context("no memory for a guest")?;
    memory[..GUEST.len()].copy_from_slice(&GUEST);
    let machine = Kvm::new().context("cannot open /dev/kvm")?.create_vm().context("cannot make a machine")?;
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: BASE,
        memory_size: MEMORY_BYTES as u64,
        userspace_addr: memory.as_ptr() as u64,
    };
    // SAFETY: the memory is mapped until this function returns, and by then the machine is gone.
    unsafe { machine.set_user_memory_region(region) }.context("cannot give memory to a machine")?;
    let mut processor = machine.create_vcpu(0).context("cannot make a virtual processor")?;
    let mut segments = processor.get_sregs()?;
    (segments.cs.base, segments.cs.selector) = (0, 0);
    processor.set_sregs(&segments)?;
    let mut registers = processor.get_regs()?;
    // Bit 1 of the flags is always set.
    (registers.rip, registers.rflags) = (BASE, 2);
    processor.set_regs(&registers)?;
    let start = begun.elapsed();

    let begun = Instant::now();
    match processor.run().context("the guest cannot run")? {
        VcpuExit::IoOut(..) => Ok(Timing { start, instruction: begun.elapsed() / (2 * ROUNDS) }),
        other => bail!("the guest ended with {other:?}"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn run() -> Result<Timing> {
    bail!("the guest has the instructions of another processor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_runs_to_its_end_wherever_a_machine_can_be_made() {
        let can_run = Kvm::new().is_ok();
        match time() {
            Ok(timing) => assert!(can_run && !timing.start.is_zero()),
            Err(error) => assert!(!can_run, "{error:#}"),
        }
    }
}
