//! A block's experiments, each with children of its own.
//!
//! | experiment | child | what comes of it |
//! |---|---|---|
//! | [`startup`] | one without cache, one with it, and one for each cold host | `prepare`, `start`, first answers |
//! | [`memory`] | one for each count of invocations | bytes at several numbers of live instances |
//! | [`density`] | another | how many instances can be live |
//! | [`cell`]: [`identity`] and warm answers | one for each policy | every case, byte by byte |
//! | [`cell`]: [`load`], [`open`], [`burst`] | another | answers under load, with their [`cost`] |
//!
//! The first three do not depend on reuse and are measured once for all cells of a
//! block. A step that fails makes its cells `failed`; the rest of the run goes on.

pub mod burst;
pub mod cell;
pub mod cost;
pub mod density;
pub mod identity;
pub mod load;
pub mod memory;
pub mod open;
pub mod rows;
pub mod startup;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use isolab_core::{Case, Reuse};

use crate::host::affinity::Pinning;
use crate::host::probes::energy::Packages;
use crate::interrupt;
use crate::run::plan::Block;
use crate::run::preset::{Amounts, Preset};
use crate::server::child::{Child, ChildOptions};

/// What all blocks of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Lab<'a> {
    /// How much is measured.
    pub preset: &'a Preset,
    /// Which processor runs what; nothing is pinned where there is only one.
    pub pinning: Option<Pinning>,
    /// Counters of energy, where the host has them.
    pub packages: Option<&'a Packages>,
    /// The run.
    pub run_id: &'a str,
    /// Functions beside the lab's own.
    pub functions: &'a [PathBuf],
    /// The index of guests that were built before the first block.
    pub guests: &'a Path,
}

/// One block as its experiments see it.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// What holds for the run.
    pub lab: Lab<'a>,
    /// What is measured.
    pub block: &'a Block,
    /// Artifacts of this block; empty when its first child starts.
    pub cache: &'a Path,
    /// Where its children's stderr goes.
    pub log: &'a Path,
}

/// What the first experiment tells the others.
#[derive(Clone, Debug)]
pub struct Character {
    /// Median time of `start`.
    pub start: Duration,
    /// Median time of `invoke`, of an instance's first answer.
    pub invoke: Duration,
    /// The control groups in which the instances' own are made, if instances lie
    /// outside of the server's process.
    pub around: Vec<PathBuf>,
}

impl Character {
    /// Whether instances hold something outside of the server's process.
    pub fn is_outside(&self) -> bool {
        !self.around.is_empty()
    }
}

impl<'a> Bench<'a> {
    /// Starts a child for an experiment. `control` adds the pages that count and
    /// record; they cost a little at every request.
    pub fn child(&self, reuse: Reuse, cache: &Path, control: bool) -> Result<Child> {
        interrupt::check()?;
        Child::spawn(&ChildOptions {
            spec: &self.block.spec,
            variant: Some(self.block.variant),
            reuse,
            functions: self.lab.functions,
            cache,
            run_id: self.lab.run_id,
            cpu: self.lab.pinning.map(|pinning| pinning.server_cpu),
            control,
            log: self.log,
            guests: Some(self.lab.guests),
        })
    }

    /// The function's name, as it stands in paths.
    pub fn function(&self) -> &'a str {
        self.block.function.name()
    }

    /// The case with which start-up and load are measured.
    pub fn load_case(&self) -> &'a Case {
        self.block.function.load_case()
    }

    /// How much is measured of what behaves like this.
    pub fn amounts(&self, character: &Character) -> &'a Amounts {
        self.lab.preset.amounts(character.start)
    }
}
