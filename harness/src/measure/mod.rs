//! The experiments of a block, each with children of its own.
//!
//! | experiment | child | result |
//! |---|---|---|
//! | [`startup`] | one without cache, one with it, and one for each cold host | `prepare`, `start`, first answers |
//! | [`confinement`] | another, with a function of its own | attempts of a guest to reach its host |
//! | [`memory`] | one for each count of invocations | bytes at several numbers of live instances |
//! | [`density`] | another | the most live instances |
//! | [`cell`]: [`identity`] and warm answers | one for each reuse policy | every case, compared byte by byte |
//! | [`cell`]: [`load`], [`open`], [`slo`], [`burst`] | another | answers under load, and their [`cost`] |
//! | [`cell`]: [`mix`] | another, with 1,000 functions | answers of many functions |
//! | [`cell`]: [`contention`] | one for each number of workers | answers under load |
//! | [`waiting`] | one for each number of requests in flight | answers, and memory while all wait |
//! | [`cell`]: [`first_byte`] | that of the cell | the beginning and the end of answers |
//!
//! [`outside`] finds what a block's instances have outside of the server, and [`steady`] warms
//! instances up.
//!
//! The first four do not depend on reuse, and are measured once for all cells of a block. If a
//! step fails, its cells are `failed` and the run goes on.

pub mod burst;
pub mod cell;
pub mod confinement;
pub mod contention;
pub mod cost;
pub mod density;
pub mod first_byte;
pub mod identity;
pub mod load;
pub mod memory;
pub mod mix;
pub mod open;
pub mod outside;
pub mod rows;
pub mod slo;
pub mod startup;
pub mod steady;
pub mod waiting;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use isolab_core::{Case, Function, Reuse};

use crate::host::affinity::Pinning;
use crate::host::probes::energy::Packages;
use crate::host::probes::places::Passing;
use crate::http1::Client;
use crate::interrupt;
use crate::run::plan::Block;
use crate::run::preset::{Amounts, Preset};
use crate::server::child::{Child, ChildOptions};

/// Everything that the blocks of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Lab<'a> {
    /// The amounts to measure.
    pub preset: &'a Preset,
    /// The processors of server, instances and load generator; none if there is only one processor.
    pub pinning: Option<Pinning>,
    /// Counters of energy, where the host has them.
    pub packages: Option<&'a Packages>,
    /// The run's seed.
    pub seed: u64,
    /// The run's id.
    pub run_id: &'a str,
    /// Functions beside the lab's own.
    pub functions: &'a [PathBuf],
    /// The functions of the run.
    pub selected: &'a [Function],
    /// Numbers of workers, for the experiment `contention`.
    pub workers: &'a [usize],
    /// The processors that this process may use.
    pub processors: &'a [usize],
    /// The index of guests that were built before the first block.
    pub guests: &'a Path,
    /// The address of the host `origin`, which runs beside the load generator if a function is granted it.
    pub origin: Option<SocketAddr>,
}

impl Lab<'_> {
    /// Whether the load generator has a processor to itself. An engine may place its containers there, if
    /// there can be such.
    pub fn is_generator_alone(&self, can_be_outside: bool) -> bool {
        let is_alone = |pinning: Pinning| pinning.guest_cpu.is_some() || !can_be_outside;
        self.origin.is_none() && self.pinning.is_some_and(is_alone)
    }
}

/// One block, for its experiments.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// The run's common part.
    pub lab: Lab<'a>,
    /// The block to measure.
    pub block: &'a Block,
    /// Artifacts of this block; empty when its first child starts.
    pub cache: &'a Path,
    /// The file for its children's stderr.
    pub log: &'a Path,
}

/// The extent of a child: what it serves, and with how much.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// Functions beside the lab's own.
    pub functions: &'a [PathBuf],
    /// The most live instances; by default the front end's bound.
    pub instances: Option<usize>,
    /// Threads that serve connections and own instances.
    pub workers: usize,
    /// The processors that it stays on; if there are none, the lab's choice.
    pub cpus: &'a [usize],
}

/// How a block behaves, as its first experiment found out.
#[derive(Clone, Debug)]
pub struct BlockProfile {
    /// Median time of `start`.
    pub start: Duration,
    /// Median time of an instance's first `invoke`.
    pub invoke: Duration,
    /// Whether instances hold something outside of the server's process.
    is_outside: bool,
    /// The control groups around all instances of the run, if there are such.
    pub around: Vec<PathBuf>,
    /// The count of helpers of instances that come and go.
    pub passing: Passing,
}

impl BlockProfile {
    /// Whether instances hold something outside of the server's process.
    pub fn is_outside(&self) -> bool {
        self.is_outside
    }

    /// Whether an engine starts instances, and not the server.
    pub fn has_engine(&self) -> bool {
        self.passing != Passing::Children
    }
}

impl<'a> Bench<'a> {
    /// Starts a child for an experiment. `control` adds the pages that count and record, which
    /// cost a little with every request.
    ///
    /// # Errors
    /// If it does not start, or the run is interrupted.
    pub fn child(&self, reuse: Reuse, cache: &Path, control: bool) -> Result<Child> {
        self.child_with(reuse, cache, control, &self.extent())
    }

    /// The extent of most children: one worker.
    pub fn extent(&self) -> Extent<'a> {
        Extent { functions: self.lab.functions, instances: None, workers: 1, cpus: &[] }
    }

    /// Starts a child of another extent.
    ///
    /// # Errors
    /// As [`Bench::child`].
    pub fn child_with(
        &self,
        reuse: Reuse,
        cache: &Path,
        control: bool,
        extent: &Extent<'_>,
    ) -> Result<Child> {
        interrupt::check()?;
        Child::spawn(&ChildOptions {
            spec: &self.block.spec,
            variant: Some(self.block.variant),
            reuse,
            functions: extent.functions,
            instances: extent.instances,
            workers: extent.workers,
            cpus: extent.cpus,
            cache,
            run_id: self.lab.run_id,
            cpu: self.lab.pinning.map(|pinning| pinning.server_cpu),
            guest_cpu: self.lab.pinning.and_then(|pinning| pinning.guest_cpu),
            control,
            log: self.log,
            guests: Some(self.lab.guests),
            origin: self.lab.origin,
        })
    }

    /// Opens a connection to a child, for requests whose answers are timed. Its client polls if
    /// the processor is the load generator's alone.
    ///
    /// # Errors
    /// If there is none.
    pub fn client(&self, child: &Child) -> Result<Client> {
        let client = child.connect()?;
        Ok(if self.lab.is_generator_alone(true) { client.polling() } else { client })
    }

    /// The function's name, as in paths.
    pub fn function(&self) -> &'a str {
        self.block.function.name()
    }

    /// The case with which start-up and load are measured.
    ///
    /// # Errors
    /// If the function has no case.
    pub fn load_case(&self) -> &'a Case {
        self.block.function.load_case()
    }

    /// The amounts for a block that behaves like this.
    pub fn amounts(&self, profile: &BlockProfile) -> &'a Amounts {
        self.lab.preset.amounts(profile.start)
    }
}
