//! The front end against a bare hyper server.

use anyhow::Result;
use isolab::affinity::Pinning;
use isolab_core::{Reuse, Variant};

use crate::bare::Bare;
use crate::rounds::{self, CONNECTIONS, Lab, ROUNDS, Samples};

const TARGET: &str = "/hello?myName=World";

/// A server of the lab, and which part of the bare server's rate is aimed at.
struct Contender {
    spec: &'static str,
    variant: Variant,
    reuse: Reuse,
    aim: &'static str,
}

const CONTENDERS: &[Contender] = &[
    Contender { spec: "direct", variant: Variant::Rust, reuse: Reuse::Warm, aim: ">= 0.90" },
    Contender { spec: "wasm", variant: Variant::Rust, reuse: Reuse::Fresh, aim: ">= 0.50" },
    Contender { spec: "wasm", variant: Variant::Rust, reuse: Reuse::Warm, aim: "-" },
    Contender { spec: "v8", variant: Variant::Js, reuse: Reuse::Warm, aim: ">= 0.60" },
    Contender { spec: "v8", variant: Variant::Rust, reuse: Reuse::Warm, aim: "-" },
];

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    let mut labs = Vec::with_capacity(CONTENDERS.len());
    for contender in CONTENDERS {
        labs.push(Lab::serve(contender.spec, contender.variant, contender.reuse, pinning)?);
    }
    // The bare server answers what `direct` does, to the last header.
    let answer = rounds::ask(labs[0].child().address(), TARGET)?;
    let bare = Bare::spawn(&answer, pinning.map(|pinning| pinning.server_cpu))?;
    rounds::pin_generator(pinning)?;

    let mut ceiling = Samples::default();
    let mut rates = vec![Samples::default(); labs.len()];
    for _ in 0..ROUNDS {
        ceiling.push(rounds::rate(&rounds::load(&[bare.address], TARGET, CONNECTIONS, pinning.is_some())?)?);
        for (lab, rates) in labs.iter().zip(&mut rates) {
            rates.push(rounds::rate(&rounds::load(
                &[lab.child().address()],
                TARGET,
                CONNECTIONS,
                pinning.is_some(),
            )?)?);
        }
    }
    rounds::line("bare hyper, requests/s", &ceiling.show(0), "-");
    for (contender, rates) in CONTENDERS.iter().zip(&rates) {
        let Contender { spec, variant, reuse, aim } = contender;
        rounds::line(
            &format!("{spec} hello {variant} {reuse} / bare hyper"),
            &rates.over(&ceiling).show(3),
            aim,
        );
    }
    labs.into_iter().try_for_each(Lab::stop)
}
