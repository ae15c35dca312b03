//! `docker` against the engine's own command line, and against containers without a front end.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab::host::affinity::Pinning;
use isolab::http1::Client;
use isolab_core::{Reuse, Variant};

use crate::rounds::{self, Lab, Samples};

const TARGET: &str = "/hello?myName=World";
/// The path as the function's own server sees it.
const BARE_TARGET: &str = "/?myName=World";
const STARTS: usize = 10;
/// Rounds of load: the rate of a warm container varies less than a start.
const ROUNDS: usize = 5;

pub(crate) fn compare(pinning: Option<Pinning>) -> Result<()> {
    let Ok(fresh) = Lab::serve("docker", Variant::Rust, Reuse::Fresh, pinning) else {
        println!("not compared: no Docker Engine answers");
        return Ok(());
    };
    rounds::ask(fresh.child().address(), TARGET)?;
    let image = image()?;
    starts(&fresh, &image)?;
    fresh.stop()?;

    let warm = Lab::serve("docker", Variant::Rust, Reuse::Warm, pinning)?;
    rounds::pin_generator(pinning)?;
    for connections in [1, 8] {
        let [mut through, mut straight] = [const { Samples(Vec::new()) }; 2];
        // One container for each connection, as in the front end: each answers one request at a time.
        let peers = (0..connections).map(|_| Peer::run(&image)).collect::<Result<Vec<_>>>()?;
        peers.iter().try_for_each(Peer::first_answer)?;
        let addresses: Vec<_> = peers.iter().map(|peer| peer.address).collect();
        for _ in 0..ROUNDS {
            through.push(rounds::rate(&rounds::load(
                &[warm.child().address()],
                TARGET,
                connections,
                false,
            )?)?);
            straight.push(rounds::rate(&rounds::load(&addresses, BARE_TARGET, connections, false)?)?);
        }
        let name = format!("docker hello rust warm / straight to {connections} containers");
        rounds::line(&name, &through.over(&straight).show(3), ">= 0.62");
    }
    warm.stop()
}

/// First answers of fresh containers, in turn with those of `docker run`.
fn starts(fresh: &Lab, image: &str) -> Result<()> {
    let address = fresh.child().address();
    let (mut client, wire) = (Client::connect(address)?, rounds::get(TARGET, address)?);
    let [mut ours, mut theirs] = [const { Samples(Vec::new()) }; 2];
    for _ in 0..STARTS {
        ours.push(client.send(&wire)?.duration.as_secs_f64() * 1e3);
        let begun = Instant::now();
        let peer = Peer::run(image)?;
        peer.first_answer()?;
        theirs.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    rounds::line("docker hello rust fresh: first answer, ms", &ours.show(0), "-");
    rounds::line("docker run -d: first answer, ms", &theirs.show(0), "-");
    rounds::line("docker fresh / docker run", &ours.over(&theirs).show(3), "<= 0.70");
    Ok(())
}

/// A container of the command line. It is removed when dropped.
struct Peer {
    id: String,
    address: SocketAddr,
}

impl Peer {
    fn run(image: &str) -> Result<Self> {
        let id = docker(&["run", "-d", "--label", "isolab.peer=targets", "-e", "PORT=8080", image])?;
        // A `Peer` from here on, so that it is removed even if the next line fails.
        let mut peer = Self { id, address: SocketAddr::from(([0, 0, 0, 0], 8080)) };
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        peer.address.set_ip(docker(&["inspect", "-f", format, &peer.id])?.parse()?);
        Ok(peer)
    }

    fn first_answer(&self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if rounds::ask(self.address, BARE_TARGET).is_ok() {
                return Ok(());
            }
            std::thread::yield_now();
        }
        anyhow::bail!("container {} does not answer", self.id)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be gone already. Containers that stay have a label.
        let _ = docker(&["rm", "-f", &self.id]);
    }
}

/// The image that the lab built last for the function.
fn image() -> Result<String> {
    let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "isolab/hello-rust"])?;
    images.lines().next().map(str::to_owned).context("the lab built no image")
}

fn docker(arguments: &[&str]) -> Result<String> {
    let output =
        Command::new("docker").args(arguments).output().context("the docker command is not there")?;
    anyhow::ensure!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
