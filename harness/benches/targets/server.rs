//! A process that says on stdout where it listens.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// It is killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it and waits for its first line, which is `prefix` and the address.
    pub(crate) fn spawn(command: &mut Command, prefix: &str) -> Result<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn().context("a server cannot be started")?;
        let stdout = process.stdout.take().context("stdout is a pipe")?;
        // From here on it is ended whatever happens.
        let mut server = Self { process, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix(prefix).and_then(|address| address.parse().ok());
        server.address = address.context("the server did not say where it listens")?;
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which its peer has noticed by then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
