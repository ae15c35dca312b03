//! The executor: an engine with its settings, and the variants that it supports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::SystemInfoCgroupDriverEnum;
use isolab_core::{
    Artifact, Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant,
};
use isolab_guest::hierarchy;
use isolab_guest::javascript::Javascript;
use isolab_guest::node::Node;
use isolab_guest::session::{Access, Session};
use isolab_guest::v8::{MISSING, V8Server};
use isolab_outbound::Outbound;

use crate::engine::{self, Engine};
use crate::group::RunGroup;
use crate::image::{self, Image};
use crate::prepared::PreparedDocker;
use crate::recipe::Recipe;
use crate::settings::{Network, Settings};
use crate::shared::{START_TIMEOUT, Shared};
use crate::{grants, group, holder, native, node, sweep, v8};

/// The architecture that the images are built for.
const ARCHITECTURE: &str = "x86_64";

/// Containers by a Docker Engine.
pub struct Docker {
    spec: Spec,
    settings: Settings,
    engine: Engine,
    session: Arc<Session>,
    environment: Environment,
    group: RunGroup,
    versions: Vec<(String, String)>,
    v8: Option<V8Server>,
    start_timeout: Duration,
}

impl Docker {
    /// Finds the engine (`DOCKER_HOST`, else the usual socket), checks that it can do
    /// what the spec asks for, and sweeps the leftovers of earlier runs.
    ///
    /// `spec` is resolved against [`SETTINGS`](crate::SETTINGS).
    ///
    /// # Errors
    /// [`Cause::Unavailable`], within seconds, if no engine answers, or if it lacks
    /// the runtime or the processors.
    pub async fn open(spec: Spec, environment: &Environment) -> Result<Self, Cause> {
        Self::open_at(&engine::host(), spec, environment).await
    }

    /// The same with the engine at `host`: `unix://PATH` or `tcp://HOST:PORT`.
    pub async fn open_at(host: &str, spec: Spec, environment: &Environment) -> Result<Self, Cause> {
        let settings = Settings::of(&spec);
        let engine = Engine::connect(host).await?;
        let (versions, driver) = check(&engine, &settings).await?;
        sweep::leftovers(&engine).await?;
        let session = Arc::new(Session::open(Access::Owner)?);
        Ok(Self {
            spec,
            settings,
            engine,
            session,
            group: RunGroup::of(driver, &environment.run_id, group::is_removable()),
            environment: environment.clone(),
            versions,
            v8: None,
            start_timeout: START_TIMEOUT,
        })
    }

    /// With a server for `javascript=v8`.
    #[must_use]
    pub fn with_v8(mut self, server: V8Server) -> Self {
        self.v8 = Some(server);
        self
    }

    /// The server for `javascript=v8`.
    fn v8(&self) -> Result<&V8Server, &'static str> {
        self.v8.as_ref().ok_or(MISSING)
    }

    /// The file that a variant is made from; a reason if a container cannot run it.
    fn variant_source<'a>(&self, function: &'a Function, variant: Variant) -> Result<&'a Path, String> {
        let source = function.source(variant).ok_or_else(|| format!("it has no variant `{variant}`"))?;
        let obstacle = match (variant, self.settings.javascript) {
            (Variant::Rust, _) => None,
            (Variant::Js, Javascript::Node) => Node::find().err(),
            (Variant::Js, Javascript::V8) => self.v8().err(),
            (Variant::Module, _) => Some("a container runs servers, and a Wasm module is not one"),
            (Variant::Command, _) => Some("a container runs servers, and a WASI command is not one"),
        };
        obstacle.map_or(Ok(source), |reason| Err(reason.to_owned()))
    }

    /// The recipe of a function's image, and the digest of its source.
    async fn recipe(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<(Recipe, String), Cause> {
        let source = self.variant_source(function, variant).map_err(Cause::Artifact)?;
        if variant == Variant::Rust {
            return native::recipe(function.name(), source, self.settings.instructions, laps);
        }
        let unavailable = |reason: &str| Cause::Unavailable(reason.to_owned());
        match self.settings.javascript {
            Javascript::Node => {
                let base =
                    image::base(&self.engine, &node::base(Node::find().map_err(unavailable)?)?).await?;
                laps.mark("base");
                node::recipe(function.name(), source, &base.tag)
            }
            Javascript::V8 => {
                let server = self.v8().map_err(unavailable)?;
                let base = image::base(&self.engine, &v8::base(server)?).await?;
                laps.mark("base");
                v8::recipe(server, function, source, &base.tag)
            }
        }
    }

    async fn make(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<PreparedDocker, Cause> {
        let (recipe, source_digest) = self.recipe(function, variant, laps).await?;
        let (image, cached) = image::of_function(&self.engine, &recipe, &self.environment.cache).await?;
        laps.mark("image");
        self.group.make(&hierarchy::roots()).map_err(|error| {
            Cause::Unavailable(format!("the control group of this run cannot be made: {error}"))
        })?;
        let grants = function.grants();
        let outbound = (!grants.hosts.is_empty()).then(|| Arc::new(Outbound::new(grants, &self.environment)));
        let shared = Arc::new(Shared {
            engine: self.engine.clone(),
            session: Arc::clone(&self.session),
            settings: self.settings.clone(),
            spec: self.spec.to_string(),
            run_id: self.environment.run_id.clone(),
            group: self.group.clone(),
            guest_cpu: self.environment.guest_cpu,
            name: function.name().to_owned(),
            limits: function.limits(),
            grants: grants.clone(),
            outbound,
            start_timeout: self.start_timeout,
        });
        let holder = match self.settings.network {
            Network::Shared => Some(holder::start(&self.engine, shared.labels()).await?),
            Network::None | Network::Bridge => None,
        };
        laps.mark("network");
        let artifact = artifact(&image, source_digest, cached);
        Ok(PreparedDocker { shared, image, artifact, holder })
    }
}

#[async_trait]
impl Executor for Docker {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn supports(&self, function: &Function, variant: Variant) -> Result<(), String> {
        self.variant_source(function, variant)?;
        grants::check(function.grants(), variant, &self.settings)
    }

    fn versions(&self) -> Vec<(String, String)> {
        let server = match self.settings.javascript {
            Javascript::Node => {
                Node::find().ok().map(|node| ("node-server".to_owned(), node.version.clone()))
            }
            Javascript::V8 => self.v8().ok().map(|v8| ("v8-server".to_owned(), v8.version.clone())),
        };
        self.versions.iter().cloned().chain(server).collect()
    }

    async fn prepare(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<Arc<dyn Prepared>, Error> {
        let made = self.make(function, variant, laps).await;
        made.map(|prepared| Arc::new(prepared) as Arc<dyn Prepared>)
            .map_err(|cause| Error::new(Phase::Prepare, &self.spec, function.name(), cause))
    }

    /// Removes the containers of this executor, such as those that keep its networks,
    /// and the folder of its sockets.
    async fn close(&self) -> Result<(), Error> {
        let swept = sweep::session(&self.engine, &self.session.name).await;
        self.session.close();
        group::remove(&self.environment.run_id);
        swept.map(|_| ()).map_err(|error| Error::new(Phase::Stop, &self.spec, "all functions", error.into()))
    }
}

fn artifact(image: &Image, source_digest: String, cached: bool) -> Artifact {
    Artifact { kind: "image", source_digest, bytes: image.bytes, cached }
}

/// Checks that the engine has what the spec needs. Answers the versions and other facts
/// that tell two engines apart, and how the engine makes control groups.
async fn check(
    engine: &Engine,
    settings: &Settings,
) -> Result<(Vec<(String, String)>, Option<SystemInfoCgroupDriverEnum>), Cause> {
    let (version, info) = engine.facts().await?;
    let architecture = info.architecture.unwrap_or_default();
    if architecture != ARCHITECTURE {
        return Err(Cause::Unavailable(format!(
            "the engine's machine is {architecture}, and servers are built for {ARCHITECTURE}"
        )));
    }
    let mut runtimes: Vec<_> = info.runtimes.unwrap_or_default().into_keys().collect();
    runtimes.sort();
    if !runtimes.contains(&settings.runtime) {
        return Err(Cause::Unavailable(format!(
            "the engine has no runtime `{}`; it has: {}; add it to the engine's configuration (daemon.json)",
            settings.runtime,
            runtimes.join(", ")
        )));
    }
    let processors = info.ncpu.unwrap_or_default().unsigned_abs();
    if settings.cpus > processors {
        return Err(Cause::Unavailable(format!(
            "the engine's machine has {processors} processors, and `cpus={}` is asked for",
            settings.cpus
        )));
    }
    let components = version.components.unwrap_or_default().into_iter();
    let mut facts: Vec<_> =
        components.map(|part| (part.name.to_lowercase().replace("engine", "docker"), part.version)).collect();
    let more = [
        ("docker-api", version.api_version),
        ("storage", info.driver),
        ("cgroup", info.cgroup_version.map(|version| version.to_string())),
        ("cgroup-driver", info.cgroup_driver.map(|driver| driver.to_string())),
    ];
    facts.extend(more.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))));
    Ok((facts, info.cgroup_driver))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bollard::query_parameters::RemoveImageOptions;
    use isolab_core::Cache;

    use super::*;

    /// The handler never finishes loading, so its server never connects.
    #[tokio::test]
    async fn a_start_ends_at_its_deadline_if_no_server_connects() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::parse("docker:network=none").unwrap().resolve(crate::SETTINGS).unwrap();
        let run_id = format!("deadline-{}", std::process::id());
        let environment = Environment {
            cache: Cache::new(folder.path().join("cache")),
            run_id: run_id.clone(),
            max_instances: 1,
            guest_cpu: None,
            hosts: BTreeMap::new(),
        };
        let Ok(mut docker) = Docker::open(spec, &environment).await else {
            eprintln!("skipped: no engine answers");
            return;
        };
        let path = folder.path().join("never-connects");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("function.toml"), "description = \"test\"\n").unwrap();
        let code = "setInterval(() => {}, 1000); await new Promise(() => {});";
        std::fs::write(path.join("handler.js"), code).unwrap();
        let function = Function::load(&path).unwrap();
        docker.start_timeout = Duration::from_secs(3);
        let prepared = docker.prepare(&function, Variant::Js, &mut Laps::begin()).await.unwrap();
        let error = prepared.start(&mut Laps::begin()).await.err().unwrap();
        drop(prepared);
        docker.close().await.unwrap();
        let (recipe, _) = docker.recipe(&function, Variant::Js, &mut Laps::begin()).await.unwrap();
        let tag = recipe.tag();
        docker.engine.api.remove_image(&tag, None::<RemoveImageOptions>, None).await.unwrap();
        assert_eq!(error.cause, Cause::DeadlineExceeded(Duration::from_secs(3)));
    }
}
