//! The folders that a function is granted.
//!
//! A folder is opened once, and instances get that folder, whatever its path leads to later: a function that
//! may write in a folder above could put a symbolic link in its place.

use std::os::fd::{AsRawFd, OwnedFd};

use isolab_core::Cause;
use isolab_core::function::{self, Grants};
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// The granted folders of a function.
#[derive(Debug, Default)]
pub(crate) struct Folders(Vec<Folder>);

/// A folder of the host.
#[derive(Debug)]
struct Folder {
    descriptor: OwnedFd,
    at: String,
    permissions: FsPerms,
}

impl Folder {
    /// # Errors
    /// If the folder is not there, or a symbolic link leads to it.
    fn open(function::Folder { path, at, is_writable }: &function::Folder) -> Result<Self, Cause> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let descriptor = openat2(AT_FDCWD, path, how).map_err(|error| cannot_open(at, error))?;
        let permissions = if *is_writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        Ok(Self { descriptor, at: at.clone(), permissions })
    }
}

fn cannot_open(at: &str, error: impl std::fmt::Display) -> Cause {
    Cause::Artifact(format!("the granted folder `{at}` cannot be opened: {error}"))
}

impl Folders {
    /// # Errors
    /// If a folder cannot be opened.
    pub(crate) fn of(grants: &Grants) -> Result<Self, Cause> {
        grants.folders.iter().map(Folder::open).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens them for a new instance.
    ///
    /// # Errors
    /// If the lab may not read one, or has too many open files.
    pub(crate) fn give(&self, context: &mut WasiCtxBuilder) -> Result<(), Cause> {
        for Folder { descriptor, at, permissions } in &self.0 {
            let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
            context.preopened_dir(path, at, *permissions).map_err(|error| cannot_open(at, error))?;
        }
        Ok(())
    }
}
