//! The lines that a process may be kept behind: one of them at a time, so that each has its own cost.
//!
//! | `confine` | what it is | where |
//! |---|---|---|
//! | `none` | no line | |
//! | `landlock` | a ruleset of the kernel for files, TCP, signals and abstract sockets | `landlock` |
//! | `seccomp` | a filter of system calls | `seccomp` |
//! | `bubblewrap` | namespaces of its own, made by the program of that name | `bubblewrap` |
//! | `cgroup` | a control group with limits of memory and processes | `cgroup` |

mod bubblewrap;
mod cgroup;
mod landlock;
mod seccomp;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use isolab_core::function::Folder;
use isolab_core::{Cause, Limits};
use isolab_guest::session::SessionName;
use isolab_guest::zygote::Role;

use self::bubblewrap::Bubblewrap;
pub(crate) use self::cgroup::{Group, Groups, sweep};
use self::landlock::Ruleset;
use self::seccomp::Filter;
use crate::artifact::Server;

/// The line that the processes of an executor are kept behind.
pub(crate) enum Confinement {
    None,
    Landlock,
    Seccomp(Arc<Filter>),
    Bubblewrap(Bubblewrap),
    Cgroup(Arc<Groups>),
}

impl Confinement {
    /// Opens the line of one of the words of the setting `confine`.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] with the reason, if this host cannot draw it.
    pub(crate) fn open(word: &str, session: &SessionName) -> Result<Self, Cause> {
        let opened = match word {
            "landlock" => landlock::check().map(|()| Self::Landlock),
            "seccomp" => seccomp::filter().map(|filter| Self::Seccomp(Arc::new(filter))),
            "bubblewrap" => Bubblewrap::find().map(Self::Bubblewrap),
            "cgroup" => Groups::open(session).map(|groups| Self::Cgroup(Arc::new(groups))),
            _ => Ok(Self::None),
        };
        opened.map_err(|reason| Cause::Unavailable(format!("`confine={word}`: {reason}")))
    }

    /// Fails with the reason if a zygote behind this line cannot fork, or its servers cannot step behind lines of their
    /// own.
    pub(crate) fn check_fork(&self) -> Result<(), String> {
        match self {
            Self::None | Self::Landlock | Self::Cgroup(_) => Ok(()),
            Self::Seccomp(_) => Err("the filter of `confine=seccomp` refuses every fork".into()),
            Self::Bubblewrap(_) => Err(
                "servers that are forked inside of the namespaces of `confine=bubblewrap` would share them"
                    .into(),
            ),
        }
    }

    /// Fails if these folders cannot be shown to a process at other paths, with the reason as a sentence without a full
    /// stop.
    pub(crate) fn check_folders(&self, granted: &[Folder]) -> Result<(), String> {
        match self {
            Self::Bubblewrap(_) => Bubblewrap::check(granted),
            _ if granted.is_empty() => Ok(()),
            _ => Err("a plain process sees the folders of its host, and none at another path: \
                      `process:confine=bubblewrap` grants them"
                .into()),
        }
    }

    /// Whether a process cannot write to the files of its host. A filter of system calls refuses every call that
    /// opens a file for writing, or makes one.
    pub(crate) fn confines_files(&self) -> bool {
        matches!(self, Self::Landlock | Self::Seccomp(_) | Self::Bubblewrap(_))
    }

    /// Name and version of the program that draws the line, if it is one.
    pub(crate) fn version(&self) -> Option<(String, String)> {
        match self {
            Self::Bubblewrap(bubblewrap) => Some(("bubblewrap".to_owned(), bubblewrap.version.clone())),
            _ => None,
        }
    }

    /// The line of one instance.
    pub(crate) fn line(&self, server: &Server, limits: Limits) -> Result<Line, Cause> {
        let failed = |reason: String| Cause::Internal(reason);
        Ok(match self {
            Self::None | Self::Bubblewrap(_) => Line::None,
            Self::Landlock => Line::Landlock(Some(landlock::ruleset(server).map_err(failed)?)),
            Self::Seccomp(filter) => Line::Seccomp(Arc::clone(filter)),
            Self::Cgroup(groups) => Line::Cgroup(groups.make(limits).map_err(failed)?),
        })
    }
}

/// The part of a line that a process draws around itself, between fork and exec.
pub(crate) enum Line {
    None,
    Landlock(Option<Ruleset>),
    Seccomp(Arc<Filter>),
    Cgroup(Group),
}

impl Line {
    /// The control group for the host, if it is one.
    pub(crate) fn group(&self) -> Option<Group> {
        match self {
            Self::Cgroup(group) => Some(group.host_side()),
            _ => None,
        }
    }

    /// The line as descriptors, for a process that does not descend from this one's threads.
    pub(crate) fn into_descriptors(self) -> Vec<(Role, OwnedFd)> {
        match self {
            Self::None | Self::Seccomp(_) => Vec::new(),
            Self::Landlock(rules) => {
                let rules = rules.and_then(Option::<OwnedFd>::from);
                rules.into_iter().map(|rules| (Role::Rules, rules)).collect()
            }
            Self::Cgroup(group) => group.into_doors().map(|door| (Role::Group, door)).collect(),
        }
    }

    /// Steps behind the line. Makes system calls only: it takes no lock and no memory, unless it fails.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Landlock(ruleset) => ruleset.take().map_or(Ok(()), landlock::enter),
            Self::Seccomp(filter) => seccomp::enter(filter),
            Self::Cgroup(group) => group.enter(),
        }
    }
}
