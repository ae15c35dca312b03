//! One container: how it is confined, how it is removed, and why it died.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::models::{
    ContainerCreateBody, ContainerState, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
};
use bollard::query_parameters::{LogsOptions, RemoveContainerOptions, WaitContainerOptions};
use futures_util::{StreamExt, TryStreamExt};
use isolab_core::function::Grants;
use isolab_core::{Cause, Limits};
use isolab_guest::{death, environment, outbound, session, socket};

use crate::engine::{Engine, EngineError, is_absent, is_conflict};
use crate::grants;
use crate::settings::Settings;

/// Marks a container with its run's id.
pub(crate) const LABEL_RUN: &str = "isolab.run";
/// Marks a container with the session that made it.
pub(crate) const LABEL_SESSION: &str = "isolab.session";
/// Marks a container or an image with its function.
pub(crate) const LABEL_FUNCTION: &str = "isolab.function";
/// Marks an image with the tag of the one below it.
pub(crate) const LABEL_BASE: &str = "isolab.base";

/// Where a container sees the folder of the host's socket.
const FOLDER: &str = "/run/isolab";
/// The port on which a container on the bridge listens.
pub(crate) const PORT: u16 = 8080;

/// The size of a container's log. Its end explains why the container died.
const LOG_BYTES: &str = "64k";

/// How long the engine may take to notice that a container has died. The shim usually
/// tells it within 10 ms.
const DEATH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server may take to connect before the engine is asked whether it lives.
/// Most starts are faster, and cost the engine nothing.
const DEATH_GRACE: Duration = Duration::from_millis(100);

/// How long to wait while another process removes the container, which takes some 100 ms.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);
const REMOVAL_POLL: Duration = Duration::from_millis(10);

/// The confinement of all containers of one function.
pub(crate) struct Confinement<'a> {
    pub(crate) image: &'a str,
    pub(crate) labels: HashMap<String, String>,
    pub(crate) settings: &'a Settings,
    pub(crate) limits: Limits,
    pub(crate) grants: &'a Grants,
    /// The engine's name for the network namespace.
    pub(crate) network: String,
    /// The control group to make the container's in; the engine's choice if there is none.
    pub(crate) group: Option<String>,
    /// The processor to stay on. With `None` the container may use every processor.
    pub(crate) cpu: Option<usize>,
}

impl Confinement<'_> {
    fn environment(&self, requests: String) -> Vec<String> {
        let mut environment = environment::granted(self.grants);
        environment.extend([requests, environment::limited(&self.limits)]);
        if !self.grants.hosts.is_empty() {
            environment.push(format!("{}={FOLDER}/{}", outbound::VARIABLE, outbound::FILE));
        }
        environment.extend(environment::concurrent(self.settings.concurrency));
        environment
    }

    /// A container whose server connects to the socket in `folder`, or else listens on
    /// [`PORT`]. It has no place where it can write to the host's disk but those that it is
    /// granted, and no shared memory.
    pub(crate) fn body(self, folder: Option<&Path>) -> ContainerCreateBody {
        let requests = match folder {
            Some(_) => format!("ISOLAB_SOCKET={FOLDER}/{}", socket::FILE),
            None => format!("PORT={PORT}"),
        };
        let (user, group) = session::user();
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            user: Some(format!("{user}:{group}")),
            env: Some(self.environment(requests)),
            cmd: Some(self.grants.args.clone()).filter(|arguments| !arguments.is_empty()),
            labels: Some(self.labels),
            host_config: Some(HostConfig {
                network_mode: Some(self.network),
                runtime: Some(self.settings.runtime.clone()),
                mounts: Some(folder.into_iter().map(mount).chain(grants::mounts(self.grants)).collect()),
                memory: Some(self.limits.memory_bytes.cast_signed()),
                // Memory and swap together: the guest gets no swap.
                memory_swap: Some(self.limits.memory_bytes.cast_signed()),
                nano_cpus: Some(self.settings.cpus.cast_signed() * 1_000_000_000),
                cpuset_cpus: self.cpu.map(|cpu| cpu.to_string()),
                cgroup_parent: self.group,
                // A native server has a thread for each request at the same time.
                pids_limit: Some((self.settings.pids + self.settings.concurrency - 1).cast_signed()),
                cap_drop: Some(vec!["ALL".into()]),
                security_opt: Some(vec!["no-new-privileges".into()]),
                readonly_rootfs: Some(true),
                // No /dev/shm.
                ipc_mode: Some("none".into()),
                // A core dump takes longer than the rest of a crash. A message queue is a file
                // in /dev/mqueue.
                ulimits: Some(vec![ulimit("core", 0), ulimit("msgqueue", 0)]),
                log_config: Some(log()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

fn mount(folder: &Path) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.to_string_lossy().into_owned()),
        target: Some(FOLDER.into()),
        read_only: Some(true),
        ..Mount::default()
    }
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.into()), soft: Some(value), hard: Some(value) }
}

/// The driver `local` costs least of those that can be read back. A start with `none` is
/// not measurably faster, and a crash would have no text.
fn log() -> HostConfigLogConfig {
    let options = [("max-size", LOG_BYTES), ("max-file", "1"), ("compress", "false")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some("local".into()), config: Some(HashMap::from(options)) }
}

/// A container that exists. If it is dropped without [`Container::remove`], a task removes
/// it in the background, or the sweep where no runtime is left.
pub(crate) struct Container {
    engine: Engine,
    pub(crate) id: String,
    is_removed: bool,
}

impl Container {
    pub(crate) async fn create(engine: &Engine, body: ContainerCreateBody) -> Result<Self, EngineError> {
        let created = engine.api.create_container(None, body).await;
        let id = created.map_err(engine.refused("create a container"))?.id;
        Ok(Self { engine: engine.clone(), id, is_removed: false })
    }

    pub(crate) async fn start(&self) -> Result<(), EngineError> {
        let started = self.engine.api.start_container(&self.id, None).await;
        started.map_err(self.engine.refused("start a container"))
    }

    pub(crate) async fn remove(mut self) -> Result<(), EngineError> {
        self.is_removed = true;
        remove(&self.engine, &self.id).await
    }

    /// The address on the engine's bridge.
    pub(crate) async fn address(&self) -> Result<String, EngineError> {
        let inspected = self.engine.api.inspect_container(&self.id, None).await;
        let inspected = inspected.map_err(self.engine.refused("inspect a container"))?;
        let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let mut addresses = networks.into_values().filter_map(|network| network.ip_address);
        addresses.find(|address| !address.is_empty()).ok_or_else(|| EngineError::Refused {
            action: "say a container's address",
            reason: "it is on no network with addresses".into(),
        })
    }

    /// Why the container has died; `None` if it lives.
    pub(crate) async fn cause_of_death(&self, limits: Limits) -> Result<Option<Cause>, EngineError> {
        let inspected = self.engine.api.inspect_container(&self.id, None).await;
        let inspected = inspected.map_err(self.engine.refused("inspect a container"))?;
        let state = inspected.state.unwrap_or_default();
        if state.running.unwrap_or(false) {
            return Ok(None);
        }
        let written = self.last_words().await?;
        Ok(Some(cause_of_death(&state, &written, limits)))
    }

    /// Waits until the container dies, and answers why.
    pub(crate) async fn death(&self, limits: Limits) -> Result<Cause, EngineError> {
        loop {
            tokio::time::sleep(DEATH_GRACE).await;
            self.await_exit().await;
            if let Some(cause) = self.cause_of_death(limits).await? {
                return Ok(cause);
            }
        }
    }

    /// Why the container has died. Gives the engine time to notice; `None` if the container
    /// lives on.
    pub(crate) async fn await_death(&self, limits: Limits) -> Result<Option<Cause>, EngineError> {
        // After a time-out the container lives, which the next line finds out.
        let _ = tokio::time::timeout(DEATH_TIMEOUT, self.await_exit()).await;
        self.cause_of_death(limits).await
    }

    /// Waits until the container does not run, or the engine fails.
    async fn await_exit(&self) {
        let options = WaitContainerOptions { condition: "not-running".into() };
        let _ = self.engine.api.wait_container(&self.id, Some(options)).boxed().next().await;
    }

    /// The last lines that it wrote to stderr.
    async fn last_words(&self) -> Result<String, EngineError> {
        let options = LogsOptions { stderr: true, tail: "20".into(), ..LogsOptions::default() };
        let logs = self.engine.api.logs(&self.id, Some(options)).map_ok(LogOutput::into_bytes);
        let lines: Vec<_> =
            logs.boxed().try_collect().await.map_err(self.engine.refused("read a container's log"))?;
        Ok(String::from_utf8_lossy(&lines.concat()).trim().to_owned())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.is_removed {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (engine, id) = (self.engine.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                if let Err(error) = remove(&engine, &id).await {
                    tracing::warn!(%error, id, "a dropped container is left to the sweep");
                }
            });
        }
    }
}

/// Kills and removes a container. If another process is removing it, waits until it is
/// gone.
pub(crate) async fn remove(engine: &Engine, id: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptions { force: true, v: true, link: false };
    let begun = Instant::now();
    loop {
        match engine.api.remove_container(id, Some(options.clone())).await {
            Ok(()) => return Ok(()),
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) if is_conflict(&error) && begun.elapsed() < REMOVAL_TIMEOUT => {
                tokio::time::sleep(REMOVAL_POLL).await;
            }
            Err(error) => return Err(engine.refused("remove a container")(error)),
        }
    }
}

/// At the memory limit the kernel kills with SIGKILL, which nobody else sends before the
/// container is stopped. V8 ends by itself and says why.
fn cause_of_death(state: &ContainerState, written: &str, limits: Limits) -> Cause {
    const KILLED: i64 = 128 + 9;
    let code = state.exit_code.unwrap_or_default();
    let is_oom = state.oom_killed.unwrap_or(false) || code == KILLED;
    let reason =
        [state.error.as_deref().unwrap_or_default(), written].into_iter().find(|text| !text.is_empty());
    death::cause(&format!("exit code {code}"), is_oom, reason.unwrap_or_default(), limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died(code: i64, oom_killed: bool, written: &str) -> Cause {
        let state = ContainerState {
            exit_code: Some(code),
            oom_killed: Some(oom_killed),
            ..ContainerState::default()
        };
        cause_of_death(&state, written, Limits { memory_bytes: 7, ..Limits::default() })
    }

    #[test]
    fn the_cause_of_a_death_is_found_in_state_and_log() {
        assert_eq!(died(137, false, ""), Cause::OutOfMemory(7));
        assert_eq!(died(1, true, ""), Cause::OutOfMemory(7));
        assert_eq!(died(134, false, "FATAL ERROR: … JavaScript heap out of memory"), Cause::OutOfMemory(7));
        assert_eq!(died(134, false, "panicked"), Cause::Crashed("exit code 134: panicked".into()));
        assert_eq!(died(0, false, ""), Cause::Crashed("exit code 0, and nothing on stderr".into()));
        let Cause::Crashed(long) = died(1, false, &"ä".repeat(1000)) else { panic!("not a crash") };
        assert!(long.chars().count() < 450 && long.ends_with('…'));
    }
}
