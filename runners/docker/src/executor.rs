//! The executor: an engine, its settings, and what it can be given.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use isolab_core::{
    Artifact, Cache, Cause, Environment, Error, Executor, Function, Laps, Phase, Prepared, Spec, Variant,
};

use crate::engine::{self, Engine};
use crate::image::{self, Image, Recipe};
use crate::node::Node;
use crate::prepared::{PreparedDocker, Shared};
use crate::session::Session;
use crate::settings::{Network, Settings};
use crate::{holder, native, sweep};

/// What the images are built for.
const ARCHITECTURE: &str = "x86_64";

/// Containers by a Docker Engine.
pub struct Docker {
    spec: Spec,
    settings: Settings,
    engine: Engine,
    session: Arc<Session>,
    cache: Cache,
    run_id: String,
    versions: Vec<(String, String)>,
}

impl Docker {
    /// Finds the engine (`DOCKER_HOST`, else the usual socket), checks that it can do
    /// what the spec asks for, and sweeps what earlier runs have left.
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
        let versions = check(&engine, &settings).await?;
        sweep::leftovers(&engine).await?;
        let session = Session::open().map_err(|error| {
            let place = std::env::temp_dir();
            Cause::Unavailable(format!("no folder for sockets can be made in {}: {error}", place.display()))
        })?;
        let (session, cache) = (Arc::new(session), environment.cache.clone());
        Ok(Self { spec, settings, engine, session, cache, run_id: environment.run_id.clone(), versions })
    }

    /// The recipe of a function's image, and the digest of what it is made from.
    async fn recipe(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<(Recipe, String), Cause> {
        let source = variant_source(function, variant).map_err(Cause::Artifact)?;
        if variant == Variant::Rust {
            return native::recipe(function.name(), source, laps);
        }
        let node = Node::find().map_err(|reason| Cause::Unavailable(reason.to_owned()))?;
        let base = image::base(&self.engine, &node.base()?).await?;
        laps.mark("base");
        node.recipe(function.name(), source, &base.tag)
    }

    async fn make(
        &self,
        function: &Function,
        variant: Variant,
        laps: &mut Laps,
    ) -> Result<PreparedDocker, Cause> {
        let (recipe, source_digest) = self.recipe(function, variant, laps).await?;
        let (image, cached) = image::of_function(&self.engine, &recipe, &self.cache).await?;
        laps.mark("image");
        let shared = Arc::new(Shared {
            engine: self.engine.clone(),
            session: Arc::clone(&self.session),
            settings: self.settings.clone(),
            spec: self.spec.to_string(),
            run_id: self.run_id.clone(),
            name: function.name().to_owned(),
            limits: function.limits(),
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
        variant_source(function, variant).map(|_| ())
    }

    fn versions(&self) -> Vec<(String, String)> {
        let node = Node::find().ok().map(|node| ("node".to_owned(), node.version.clone()));
        self.versions.iter().cloned().chain(node).collect()
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
        swept.map(|_| ()).map_err(|error| Error::new(Phase::Stop, &self.spec, "all functions", error.into()))
    }
}

/// What a variant is made from; a reason if this model cannot run it.
fn variant_source(function: &Function, variant: Variant) -> Result<&Path, String> {
    let source = function.source(variant).ok_or_else(|| format!("it has no variant `{variant}`"))?;
    match variant {
        Variant::Rust => Ok(source),
        Variant::Js => Node::find().map(|_| source).map_err(str::to_owned),
        Variant::Command => Err("a WASI command is no server that a container could run".into()),
    }
}

fn artifact(image: &Image, source_digest: String, cached: bool) -> Artifact {
    Artifact { kind: "image", source_digest, bytes: image.bytes, cached }
}

/// Checks what the spec needs of the engine; its versions and what else tells two
/// engines apart.
async fn check(engine: &Engine, settings: &Settings) -> Result<Vec<(String, String)>, Cause> {
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
    ];
    facts.extend(more.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))));
    Ok(facts)
}
