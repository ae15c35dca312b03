//! A server process that prints its address on stdout.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// A running server. It is killed when dropped.
pub(crate) struct Server {
    process: Child,
    /// Its address.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it and waits for its first line, which is `prefix` and the address.
    pub(crate) fn spawn(command: &mut Command, prefix: &str) -> Result<Self> {
        let mut process = command.stdout(Stdio::piped()).spawn().context("a server cannot be started")?;
        let stdout = process.stdout.take().context("stdout is a pipe")?;
        // A `Server` from here on, so that it is ended even if this fails.
        let mut server = Self { process, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix(prefix).and_then(|address| address.parse().ok());
        server.address = address.context("the server printed no address")?;
        Ok(server)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
