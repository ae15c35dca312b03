//! The three traits of the life cycle.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::function::Host;
use crate::{Cache, Error, Function, Laps, Request, Response, Spec, Streams, Variant};

/// The process that an executor is opened in: everything beside its own settings.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where artifacts are kept between runs.
    pub cache: Cache,
    /// Labels what this run makes outside of its process, such as containers, so that it
    /// can be found and swept.
    pub run_id: String,
    /// The most instances that will be live at once, over all functions.
    pub max_instances: usize,
    /// The processor that instances outside of this process stay on, by the kernel's number;
    /// none if their engine chooses. Instances inside run where their threads do.
    pub guest_cpu: Option<usize>,
    /// Where granted hosts are, for those that the system's resolver does not know.
    pub hosts: BTreeMap<Host, SocketAddr>,
}

/// An isolation model with its settings. Phase `prepare` begins here.
#[async_trait]
pub trait Executor: Send + Sync {
    /// The spec with every setting resolved.
    fn spec(&self) -> &Spec;

    /// Whether this executor can run `variant` of `function`; if it cannot, the reason as a
    /// sentence without a full stop.
    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String>;

    /// Versions of the engine and its parts, by name, for every report.
    fn versions(&self) -> Vec<(String, String)>;

    /// Makes the artifact of a variant: once a function, before any instance.
    ///
    /// May compute for seconds on the calling thread.
    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error>;

    /// Removes what this executor keeps outside of its process for this run. Called once,
    /// after the last instance has stopped.
    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A function ready to be started any number of times, from any thread.
#[async_trait(?Send)]
pub trait Prepared: Send + Sync {
    /// The artifact, and whether it was found in the cache.
    fn artifact(&self) -> &Artifact;

    /// How often one instance may be invoked; `None` means without limit. A WASI command
    /// runs once.
    fn max_uses(&self) -> Option<u64> {
        None
    }

    /// How many requests one instance may answer at the same time; at least 1. With 1, an
    /// invocation that is given up half-way ends its instance. With more, only its request ends.
    fn max_concurrency(&self) -> usize {
        1
    }

    /// Whether the function's code runs on the thread that calls [`Instance::invoke`], and can hold
    /// it. The code of a container does not.
    fn holds_thread(&self) -> bool {
        true
    }

    /// Whether the sandbox keeps a function from writing to its host. A plain process may write wherever its user
    /// may.
    fn confines_files(&self) -> bool {
        true
    }

    /// Whether an instance that reaches a limit ends alone. Where sandboxes share more than their process, others end
    /// with it.
    fn ends_alone(&self) -> bool {
        true
    }

    /// Whether instances can take and give bodies as streams. The front end then calls
    /// [`Instance::stream`] in place of [`Instance::invoke`].
    fn streams(&self) -> bool {
        false
    }

    /// Whether an invocation holds its thread while its function waits, because the engine cannot
    /// suspend the function. Nothing else runs on the thread meanwhile.
    fn sleeps_on_thread(&self) -> bool {
        false
    }

    /// Starts one instance. Returns when the instance can answer; the instance
    /// stays on the calling thread for its whole life.
    async fn start(&self, laps: &mut Laps) -> Result<Box<dyn Instance>, Error>;
}

/// One sandbox. It belongs to the thread that started it, and answers as many requests at the
/// same time as [`Prepared::max_concurrency`] says. After an error from [`Instance::invoke`]
/// that does not [spare it](Error::spares_instance) it may only be stopped.
///
/// Dropping an instance without [`Instance::stop`] must leak nothing that outlives
/// the process.
#[async_trait(?Send)]
pub trait Instance {
    /// Answers one request. May compute on the calling thread until the deadline of
    /// the function's [`Limits`](crate::Limits), which the executor enforces. While it waits, it
    /// does not hold the thread.
    async fn invoke(&self, request: Request, laps: &mut Laps) -> Result<Response, Error>;

    /// As [`Instance::invoke`], with bodies as [streams](crate::streams). Returns `None` if the
    /// answer has begun at the outlet: the invocation ends with its last piece. The deadline counts
    /// until then. Called only if [`Prepared::streams`].
    async fn stream(
        &self,
        request: Request,
        streams: Streams,
        laps: &mut Laps,
    ) -> Result<Option<Response>, Error> {
        debug_assert!(streams.rest.is_none(), "the executor has no streams");
        self.invoke(request, laps).await.map(Some)
    }

    /// This instance's memory as the model itself reports it.
    fn memory(&self) -> Memory {
        Memory::default()
    }

    /// Begins a new peak, for [`Instance::peak_memory`]. Called before an invocation whose
    /// bill a client asked for; an instance that is never billed counts nothing.
    fn watch_memory(&self) {}

    /// The most memory that the sandboxed code held at one time since
    /// [`Instance::watch_memory`], in bytes; if the model does not know it, the reason as a
    /// sentence without a full stop.
    ///
    /// The peak includes memory that the instance held before. It is not called after an
    /// invocation that failed. The front end asks the control group, and not the instance,
    /// if [`Instance::outside`] names one that counts memory.
    fn peak_memory(&self) -> Result<u64, &'static str> {
        Err("this executor does not count memory")
    }

    /// Where this instance costs the host something outside of this process.
    fn outside(&self) -> Outside {
        Outside::default()
    }

    /// Ends the instance and frees all that it held.
    async fn stop(self: Box<Self>, laps: &mut Laps) -> Result<(), Error>;
}

/// The product of `prepare`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its kind, such as `compiled module`, `snapshot`, `image`.
    pub kind: &'static str,
    /// BLAKE3 digest, in hex, of the variant it was made from. Two executors were given the
    /// same bytes exactly if their digests are equal.
    pub source_digest: String,
    /// Size of the artifact, in bytes.
    pub bytes: u64,
    /// Whether the artifact was found instead of made.
    pub cached: bool,
}

/// An instance's memory as its model reports it, in bytes. The harness measures the host's
/// view; this one only explains it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Memory that the sandboxed code can address, such as linear memory or a heap.
    pub model_bytes: Option<u64>,
}

/// Control groups and processes that an instance has outside of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Control group folders with the instance's processes, one for each controller that
    /// the harness reads (`memory` and `cpuacct`; version 2 has one folder for both).
    pub cgroups: Vec<PathBuf>,
    /// Control group folders that hold all instances of this run, and nothing else. They also
    /// count instances that are gone. Empty where there are no such groups.
    pub around: Vec<PathBuf>,
    /// Processes that serve the instance but lie outside its control group, such as
    /// a container's shim and its proxy; all its processes, if it has no control group.
    pub helpers: Vec<u32>,
}
