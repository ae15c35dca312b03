//! First answers and memory of V8 isolates.

use anyhow::Result;
use isolab::host::affinity::Pinning;
use isolab::http1::Client;
use isolab::server::control;
use isolab_core::{Reuse, Variant};

use crate::rounds::{self, Lab, Samples};

const TARGET: &str = "/hello?myName=World";
const FIRST_ANSWERS: usize = 200;
/// Live isolates between which the slope is taken.
const LIVE: [u64; 2] = [4, 36];

pub(crate) fn measure(pinning: Option<Pinning>) -> Result<()> {
    let lab = Lab::serve_with_control("v8", Variant::Js, Reuse::Fresh, pinning)?;
    rounds::pin_generator(pinning)?;
    let address = lab.child().address();
    let (mut client, wire) = (Client::connect(address)?, rounds::get(TARGET, address)?);
    let mut first = Samples::default();
    client.send(&wire)?;
    for _ in 0..FIRST_ANSWERS {
        first.push(client.send(&wire)?.duration.as_secs_f64() * 1e3);
    }
    rounds::line("v8 hello js fresh: first answer p50, ms", &first.show(2), "< 2");

    let mut held = Vec::new();
    for live in LIVE {
        let there = control::instances(&mut client, "hello", live, 1)?;
        held.push(control::places(lab.child().pid(), &there).held()?.child.pss_bytes as f64);
    }
    let per_isolate = (held[1] - held[0]) / (LIVE[1] - LIVE[0]) as f64 / f64::from(1 << 20);
    rounds::line("v8 hello js: MiB for one more live isolate", &format!("{per_isolate:.2}"), "<= 1.5");
    drop(client);
    lab.stop()
}
