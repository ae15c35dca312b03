//! Removing the leftovers of runs.

use std::collections::{BTreeSet, HashMap};

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptions;
use futures_util::{StreamExt, TryStreamExt, stream};
use isolab_guest::session::{self, SessionName};

use crate::container::{self, LABEL_RUN, LABEL_SESSION};
use crate::engine::{self, Engine, EngineError};
use crate::{group, image};

/// Containers removed at the same time. The engine takes some 100 ms for each, and mostly
/// waits.
const AT_ONCE: usize = 8;

/// Removes every container of a run, and the containers and socket folders of processes
/// that are gone. Answers how many containers it removed.
///
/// # Errors
/// If no engine answers, or if it cannot remove a container.
pub async fn sweep(run_id: &str) -> Result<usize, EngineError> {
    let engine = Engine::connect(&engine::host()).await?;
    let is_meant = |labels: &HashMap<String, String>| {
        labels.get(LABEL_RUN).is_some_and(|run| run == run_id) || is_left_over(labels)
    };
    let removed = remove(&engine, is_meant).await?;
    group::remove(run_id);
    sweep_folders();
    Ok(removed)
}

/// Removes the leftovers of sessions whose process is gone.
pub(crate) async fn leftovers(engine: &Engine) -> Result<usize, EngineError> {
    sweep_folders();
    let removed = remove(engine, is_left_over).await?;
    image::sweep(engine).await?;
    Ok(removed)
}

fn sweep_folders() {
    if let Err(error) = session::sweep_folders() {
        tracing::warn!(%error, "the folders of earlier runs could not be listed");
    }
}

/// Removes the containers of a session.
pub(crate) async fn session(engine: &Engine, name: &SessionName) -> Result<usize, EngineError> {
    let name = name.to_string();
    remove(engine, |labels| labels.get(LABEL_SESSION) == Some(&name)).await
}

fn is_left_over(labels: &HashMap<String, String>) -> bool {
    let name = labels.get(LABEL_SESSION).and_then(|name| name.parse::<SessionName>().ok());
    name.is_some_and(|name| name.is_gone().unwrap_or(false))
}

async fn remove(
    engine: &Engine,
    is_meant: impl Fn(&HashMap<String, String>) -> bool,
) -> Result<usize, EngineError> {
    let filters = HashMap::from([("label".to_owned(), vec![LABEL_SESSION.to_owned()])]);
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    let listed = engine.api.list_containers(Some(options)).await;
    let listed = listed.map_err(engine.refused("list its containers"))?;
    let meant: Vec<ContainerSummary> =
        listed.into_iter().filter(|container| container.labels.as_ref().is_some_and(&is_meant)).collect();
    let ids: Vec<String> = meant.iter().filter_map(|container| container.id.clone()).collect();
    let removed = ids.len();
    let removals = stream::iter(ids).map(|id| {
        let engine = engine.clone();
        async move { container::remove(&engine, &id).await }
    });
    removals.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let runs: BTreeSet<_> =
        meant.iter().filter_map(|container| container.labels.as_ref()?.get(LABEL_RUN)).collect();
    for run in runs {
        group::remove(run);
    }
    Ok(removed)
}
