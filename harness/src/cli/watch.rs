//! `isolab serve --watch`: from a changed file to the function that is served.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use isolab_core::function::Limits;
use isolab_core::{Function, Library};
use isolab_frontend::Updater;
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::library;

/// Files are read after none has changed for so long: an editor writes a file in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// Files are read after so long even if some still change.
const LONGEST: Duration = Duration::from_secs(1);

/// The functions of a server, as its command line names them.
#[derive(Debug)]
pub(super) struct Served {
    /// Functions beside the lab's own.
    pub(super) paths: Vec<PathBuf>,
    /// The limits of functions that set none of their own.
    pub(super) limits: Limits,
}

impl Served {
    /// Reads all functions.
    pub(super) fn read(&self) -> Result<Library> {
        let mut library = library::open(&self.paths)?;
        library.set_default_limits(self.limits);
        Ok(library)
    }
}

/// Watches the files of functions.
pub(super) struct Watcher {
    served: Served,
    /// The functions as they were read last.
    library: Library,
    /// The functions that have changed since then.
    changed: BTreeSet<String>,
    changes: UnboundedReceiver<PathBuf>,
    /// Ends the watch when it is dropped.
    _files: RecommendedWatcher,
}

impl Watcher {
    /// Watches from now on. `library` has the functions that are served.
    pub(super) fn begin(served: Served, library: &Library) -> Result<Self> {
        let (sender, changes) = unbounded_channel();
        let tell = move |event: notify::Result<Event>| match event {
            Ok(event) if is_change(event.kind) => event.paths.into_iter().for_each(|path| {
                // The receiver is gone if the server has ended.
                let _ = sender.send(path);
            }),
            Ok(_) => {}
            Err(error) => tracing::warn!("a change of a function may be missed: {error}"),
        };
        // A link may lead to all files of the host.
        let config = notify::Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(tell, config).context("cannot watch files")?;
        for path in served.paths.iter().cloned().chain([library::own_folder()]) {
            let path = path.canonicalize().with_context(|| path.display().to_string())?;
            let (folder, mode) = match path.parent() {
                // An editor may put a new file in the place of a file.
                Some(folder) if path.is_file() => (folder, RecursiveMode::NonRecursive),
                _ => (&*path, RecursiveMode::Recursive),
            };
            watcher.watch(folder, mode).with_context(|| format!("cannot watch {}", folder.display()))?;
        }
        Ok(Self { served, library: library.clone(), changed: BTreeSet::new(), changes, _files: watcher })
    }

    /// Has the server take up every change.
    pub(super) async fn take_up_changes(mut self, mut updater: Updater) -> Infallible {
        loop {
            let mut paths = BTreeSet::from([self.next().await]);
            let end = tokio::time::Instant::now() + LONGEST;
            loop {
                let quiet = tokio::time::Instant::now() + QUIET;
                let Ok(path) = tokio::time::timeout_at(quiet.min(end), self.next()).await else { break };
                paths.insert(path);
            }
            self.take_up(&paths, &mut updater).await;
        }
    }

    /// The next change of a file that is not data. A folder that a function is granted is data: the function itself
    /// may change it without an end.
    async fn next(&mut self) -> PathBuf {
        loop {
            let Some(path) = self.changes.recv().await else { std::future::pending().await };
            let mut granted = self.library.iter().flat_map(|function| &function.grants().folders);
            if !granted.any(|folder| path.starts_with(&folder.path)) {
                return path;
            }
        }
    }

    async fn take_up(&mut self, paths: &BTreeSet<PathBuf>, updater: &mut Updater) {
        let begun = Instant::now();
        let library = match self.served.read() {
            Ok(library) => library,
            Err(error) => return eprintln!("not taken up: {error:#}"),
        };
        self.changed.extend(changed(&self.library, &library, paths));
        if self.changed.is_empty() {
            return;
        }
        match updater.take_up(library.clone(), &self.changed).await {
            Ok(()) => {
                let names: Vec<_> = std::mem::take(&mut self.changed).into_iter().collect();
                eprintln!("taken up: {} ({:.0?})", names.join(", "), begun.elapsed());
                self.library = library;
            }
            Err(errors) => errors.iter().for_each(|error| eprintln!("not taken up: {error}")),
        }
    }
}

/// Whether files have other bytes or names after an event. Reading a file is an event, too.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(modified) => !matches!(modified, ModifyKind::Metadata(_)),
        _ => false,
    }
}

/// The names of the functions that changed with these files.
fn changed(before: &Library, after: &Library, paths: &BTreeSet<PathBuf>) -> BTreeSet<String> {
    let is_changed = |function: &&Function| paths.iter().any(|path| function.is_changed_by(path));
    let changed = before.iter().chain(after.iter()).filter(is_changed);
    changed.map(|function| function.name().to_owned()).collect()
}
