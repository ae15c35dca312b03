//! The front end against a bare hyper server.

use std::time::Duration;

use anyhow::Result;
use isolab::host::affinity::Pinning;
use isolab::load::closed::Span;
use isolab_core::{Reuse, Variant};

use crate::bare::{self, Bodies};
use crate::rounds::{self, Lab, Samples};

/// Many short rounds: the host's speed changes within seconds, and both sides of a ratio need
/// the same speed.
const ROUNDS: usize = 60;
/// The first warms up.
const WINDOWS: [Span; 2] = [
    Span { duration: Duration::from_millis(50), answers: 1 },
    Span { duration: Duration::from_millis(150), answers: 1 },
];

const TARGET: &str = "/hello?myName=World";

/// A server of the lab, and the aim for its part of the bare server's rate.
struct Contender {
    spec: &'static str,
    variant: Variant,
    reuse: Reuse,
    aim: &'static str,
}

const CONTENDERS: &[Contender] = &[
    Contender { spec: "direct", variant: Variant::Rust, reuse: Reuse::Warm, aim: ">= 0.90" },
    Contender { spec: "wasm", variant: Variant::Rust, reuse: Reuse::Fresh, aim: ">= 0.52" },
    Contender { spec: "wasm", variant: Variant::Rust, reuse: Reuse::Warm, aim: "-" },
    Contender { spec: "v8", variant: Variant::Js, reuse: Reuse::Warm, aim: ">= 0.72" },
    Contender { spec: "v8", variant: Variant::Rust, reuse: Reuse::Warm, aim: "-" },
];

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    let mut labs = Vec::with_capacity(CONTENDERS.len());
    for contender in CONTENDERS {
        labs.push(Lab::serve(contender.spec, contender.variant, contender.reuse, pinning)?);
    }
    // The bare server gives the same answer as `direct`, to the last header.
    let answer = rounds::ask(labs[0].child().address(), TARGET)?;
    let server_cpu = pinning.map(|pinning| pinning.server_cpu);
    let bare = bare::spawn(&answer, Bodies::Given, server_cpu)?;
    let calling = bare::spawn(&answer, Bodies::Called, server_cpu)?;
    rounds::pin_generator(pinning)?;

    let load = |address| {
        rounds::rate(&rounds::load_in(address, TARGET, WINDOWS.to_vec(), pinning.is_some(), || {})?)
    };
    let (mut ceiling, mut floor) = (Samples::default(), Samples::default());
    let mut rates = vec![Samples::default(); labs.len()];
    for _ in 0..ROUNDS {
        ceiling.push(load(bare.address)?);
        for (lab, rates) in labs.iter().zip(&mut rates) {
            rates.push(load(lab.child().address())?);
        }
        floor.push(load(calling.address)?);
    }
    rounds::line("bare hyper, requests/s", &ceiling.show(0), "-");
    for (contender, rates) in CONTENDERS.iter().zip(&rates) {
        let Contender { spec, variant, reuse, aim } = contender;
        let title = format!("{spec} hello {variant} {reuse} / bare hyper");
        rounds::line(&title, &rates.over(&ceiling).show(3), aim);
    }
    // `direct` comes first. These two differ by front end, pool and clock.
    let title = "direct hello rust warm / bare hyper that calls hello";
    rounds::line(title, &rates[0].over(&floor).show(3), ">= 0.90");
    labs.into_iter().try_for_each(Lab::stop)
}
