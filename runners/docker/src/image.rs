//! Images: building them from recipes, and finding them by their tags.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bollard::models::ImageSummary;
use bollard::query_parameters::{BuildImageOptions, ListImagesOptions, RemoveImageOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use isolab_core::cache::Cache;

use crate::container::{LABEL_BASE, LABEL_FUNCTION};
use crate::engine::{Engine, EngineError, is_absent};
use crate::recipe::{BASE_ARGUMENT, Recipe};

/// The kind of cache entry that holds the id of an image.
const CACHE_KIND: &str = "docker-image";

/// How long an image may be without a tag while it is built.
const TAGGING: Duration = Duration::from_mins(1);

/// An image that the engine has.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) tag: String,
    pub(crate) bytes: u64,
    id: String,
}

/// How long a base stays that a newer one has replaced. Another build of the lab may use it.
const REPLACED: Duration = Duration::from_hours(24);

/// The image of a recipe that does not belong to one function: built once for all runs.
pub(crate) async fn base(engine: &Engine, recipe: &Recipe) -> Result<Image, EngineError> {
    if let Some(image) = find(engine, &recipe.tag()).await? {
        return Ok(image);
    }
    let image = build(engine, recipe).await?;
    remove_replaced(engine, recipe).await?;
    Ok(image)
}

/// Removes the older bases of this name, with the images on top of them: each build of the lab
/// has a V8 server of its own, of more than 100 MB. Images that are in use stay.
async fn remove_replaced(engine: &Engine, recipe: &Recipe) -> Result<(), EngineError> {
    let current = recipe.tag();
    for image in list(engine, &[("reference", recipe.repository())]).await? {
        if age(image.created) < REPLACED || image.repo_tags.contains(&current) {
            continue;
        }
        for tag in &image.repo_tags {
            for above in list(engine, &[("label", format!("{LABEL_BASE}={tag}"))]).await? {
                remove(engine, &above.id).await;
            }
        }
        remove(engine, &image.id).await;
    }
    Ok(())
}

async fn list(engine: &Engine, filters: &[(&str, String)]) -> Result<Vec<ImageSummary>, EngineError> {
    let filters = filters.iter().map(|(name, value)| ((*name).to_owned(), vec![value.clone()])).collect();
    let options = ListImagesOptions { filters: Some(filters), ..ListImagesOptions::default() };
    engine.api.list_images(Some(options)).await.map_err(engine.refused("list its images"))
}

/// The age of an image that was made at this time, in seconds since 1970.
fn age(created: i64) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(created.unsigned_abs()))
}

/// The image of a function, and whether it was found. It counts as found only if `cache`
/// knows it: with an empty cache everything is built anew, although an engine shares its
/// images between all its users.
pub(crate) async fn of_function(
    engine: &Engine,
    recipe: &Recipe,
    cache: &Cache,
) -> Result<(Image, bool), EngineError> {
    let found = find(engine, &recipe.tag()).await?;
    let known = cache.load(CACHE_KIND, &recipe.digest);
    match found {
        Some(image) if known.as_deref() == Some(image.id.as_bytes()) => Ok((image, true)),
        found => {
            let image = build(engine, recipe).await?;
            if let Some(old) = found.filter(|old| old.id != image.id) {
                remove_untagged(engine, &old.id).await;
            }
            if let Err(error) = cache.store(CACHE_KIND, &recipe.digest, image.id.as_bytes()) {
                tracing::warn!(%error, "the id of an image could not be kept, so it will be built again");
            }
            Ok((image, false))
        }
    }
}

async fn find(engine: &Engine, tag: &str) -> Result<Option<Image>, EngineError> {
    match engine.api.inspect_image(tag).await {
        Ok(found) => Ok(Some(Image {
            tag: tag.to_owned(),
            bytes: found.size.unwrap_or_default().unsigned_abs(),
            id: found.id.unwrap_or_default(),
        })),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(engine.refused("inspect an image")(error)),
    }
}

async fn build(engine: &Engine, recipe: &Recipe) -> Result<Image, EngineError> {
    let failed = |reason: String| EngineError::Build { recipe: recipe.place(), reason };
    let context = recipe.context().map_err(|error| failed(error.to_string()))?;
    let tag = recipe.tag();
    let options = BuildImageOptions {
        t: Some(tag.clone()),
        nocache: true,
        rm: true,
        forcerm: true,
        buildargs: Some(
            recipe.arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ),
        labels: Some(labels(recipe)),
        ..BuildImageOptions::default()
    };
    let body = bollard::body_full(Bytes::from(context));
    let mut steps = engine.api.build_image(options, None, Some(body)).boxed();
    let mut newest = None;
    while let Some(step) = steps.next().await {
        match step {
            Ok(step) => newest = step.stream.as_deref().and_then(layer).or(newest),
            Err(error) => {
                // The steps before this one have left images without a tag.
                if let Some(id) = newest {
                    remove_untagged(engine, &id).await;
                }
                return Err(match engine.refused("build an image")(error) {
                    EngineError::Refused { reason, .. } => failed(reason),
                    other => other,
                });
            }
        }
    }
    find(engine, &tag).await?.ok_or_else(|| failed(format!("it was built, but there is no {tag}")))
}

/// The labels of an image: its function, and the image below it.
fn labels(recipe: &Recipe) -> HashMap<String, String> {
    let base = recipe.arguments.iter().find(|(name, _)| *name == BASE_ARGUMENT);
    let base = base.map(|(_, tag)| (LABEL_BASE.to_owned(), tag.clone()));
    [(LABEL_FUNCTION.to_owned(), recipe.name.clone())].into_iter().chain(base).collect()
}

/// The id of the image that a step of a build has made, from a line of the engine's output.
fn layer(line: &str) -> Option<String> {
    let id = line.trim().strip_prefix("---> ")?;
    id.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| id.to_owned())
}

/// Removes the images that have lost their tag to newer ones, unless a container needs
/// them.
pub(crate) async fn sweep(engine: &Engine) -> Result<(), EngineError> {
    let filters = [("dangling", "true".to_owned()), ("label", LABEL_FUNCTION.to_owned())];
    for image in list(engine, &filters).await? {
        if age(image.created) > TAGGING {
            remove_untagged(engine, &image.id).await;
        }
    }
    Ok(())
}

/// Removes an image that has no tag, with those below it. One that a container of another
/// process still needs is left to the next sweep.
async fn remove_untagged(engine: &Engine, id: &str) {
    let has_tag =
        engine.api.inspect_image(id).await.map(|image| !image.repo_tags.unwrap_or_default().is_empty());
    if !has_tag.unwrap_or(true) {
        remove(engine, id).await;
    }
}

/// Removes an image, unless it is in use.
async fn remove(engine: &Engine, id: &str) {
    if let Err(error) = engine.api.remove_image(id, None::<RemoveImageOptions>, None).await {
        tracing::debug!(%error, id, "an older image stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::recipe::Folder;

    static BROKEN: Folder = Folder {
        name: "broken",
        files: &[("Dockerfile", b"FROM scratch\nLABEL isolab.broken=1\nCOPY server /\nCOPY absent /\n")],
    };

    /// Images of [`BROKEN`], those without a tag included.
    async fn left(engine: &Engine) -> usize {
        let filters = HashMap::from([("label".to_owned(), vec!["isolab.broken=1".to_owned()])]);
        let options = ListImagesOptions { all: true, filters: Some(filters), ..ListImagesOptions::default() };
        engine.api.list_images(Some(options)).await.unwrap().len()
    }

    #[tokio::test]
    async fn a_recipe_that_does_not_build_says_what_to_do_and_leaves_nothing() {
        let Ok(engine) = Engine::connect(&engine::host()).await else {
            eprintln!("skipped: no engine answers");
            return;
        };
        let recipe = Recipe::with_file(&BROKEN, "broken", Vec::new(), "server", b"elf".to_vec());
        let error = build(&engine, &recipe).await.unwrap_err();
        let text = error.to_string();
        for word in ["docker/guests/broken", "absent", "mend"] {
            assert!(text.contains(word), "{text}");
        }
        assert_eq!(left(&engine).await, 0);
    }

    #[test]
    fn the_images_of_steps_are_found_in_the_output() {
        assert_eq!(layer(" ---> 0123456789ab\n"), Some("0123456789ab".into()));
        for line in ["Step 1/2 : FROM scratch", " ---> Using cache", " --->", " ---> Running in 0123456789ab"]
        {
            assert_eq!(layer(line), None, "{line}");
        }
    }
}
