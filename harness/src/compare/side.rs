//! One side of a comparison.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use isolab_core::{Case, Function, Reuse, Spec, Variant};

use crate::host::affinity::Pinning;
use crate::interrupt;
use crate::server::child::{Child, ChildOptions};

/// One of the two things that are compared.
#[derive(Clone, Debug)]
pub struct SideSetup {
    /// Its name in the finding.
    pub label: String,
    /// The executor, with every setting.
    pub spec: Spec,
    /// The build of the lab that serves it.
    pub binary: PathBuf,
    /// The function.
    pub function: Function,
    /// The function's folder or file, for a server that would not find it by its name.
    pub function_path: Option<PathBuf>,
    /// The variant.
    pub variant: Variant,
}

/// Folders and processor of one side's servers.
#[derive(Clone, Debug)]
pub struct SidePlace {
    /// Their artifacts.
    pub cache: PathBuf,
    /// The index of the guests that were built for them.
    pub guests: PathBuf,
    /// The file for their stderr.
    pub log: PathBuf,
    /// The processors of servers, instances and load generator; none if there is only one.
    pub pinning: Option<Pinning>,
    /// The id of the comparison.
    pub run_id: String,
    /// The address of the host `origin`, if a function is granted it.
    pub origin: Option<SocketAddr>,
}

impl SideSetup {
    /// Starts a server of this side.
    ///
    /// # Errors
    /// If it does not start, or the comparison is interrupted.
    pub fn spawn(&self, place: &SidePlace, reuse: Reuse, has_control: bool) -> Result<Child> {
        interrupt::check()?;
        let child = Child::spawn_from(
            &self.binary,
            &ChildOptions {
                spec: &self.spec,
                variant: Some(self.variant),
                reuse,
                functions: self.function_path.as_slice(),
                instances: None,
                workers: 1,
                cpus: &[],
                cache: &place.cache,
                run_id: &place.run_id,
                cpu: place.pinning.map(|pinning| pinning.server_cpu),
                guest_cpu: place.pinning.and_then(|pinning| pinning.guest_cpu),
                control: has_control,
                log: &place.log,
                guests: Some(&place.guests),
                origin: place.origin,
            },
        );
        child.with_context(|| format!("start of {} with `{}`", self.label, self.function.name()))
    }

    /// The case that is sent.
    pub fn case(&self) -> &Case {
        self.function.load_case()
    }
}
