//! Images: from a recipe to what the engine has under its tag.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bollard::query_parameters::{BuildImageOptions, ListImagesOptions, RemoveImageOptions};
use bytes::Bytes;
use futures_util::StreamExt;
use isolab_core::cache::{Cache, digest};

use crate::container::LABEL_FUNCTION;
use crate::engine::{Engine, EngineError, is_absent};

/// The kind of cache entry that remembers which image was built here.
const CACHE_KIND: &str = "docker-image";

/// How long an image that is just being built may be without its tag.
const TAGGING: Duration = Duration::from_mins(1);

/// What an image is made of.
pub(crate) struct Recipe {
    /// The repository below `isolab/`.
    pub(crate) name: String,
    /// Stands for everything in the image: images with the same one are the same.
    pub(crate) digest: String,
    /// Finds the files below `root/`.
    pub(crate) dockerfile: String,
    pub(crate) files: Vec<File>,
}

/// A file of an image.
pub(crate) struct File {
    /// The path in the image, from its root, without the first slash.
    pub(crate) path: String,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// A file of the host, read when the image is built.
    Host(PathBuf),
}

/// An image that the engine has.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) tag: String,
    pub(crate) bytes: u64,
    id: String,
}

impl Recipe {
    /// A recipe whose files are all at hand, named by their content.
    pub(crate) fn of_bytes(name: &str, dockerfile: String, files: Vec<(&str, Vec<u8>)>) -> Self {
        let parts = files.iter().flat_map(|(path, bytes)| [path.as_bytes(), bytes.as_slice()]);
        let digest = digest(std::iter::once(dockerfile.as_bytes()).chain(parts));
        let file =
            |(path, bytes): (&str, Vec<u8>)| File { path: path.to_owned(), content: Content::Bytes(bytes) };
        Self { name: repository(name), digest, dockerfile, files: files.into_iter().map(file).collect() }
    }

    pub(crate) fn tag(&self) -> String {
        format!("isolab/{}:{}", self.name, &self.digest[..12])
    }

    /// The tar archive that the engine builds from.
    fn context(&self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "Dockerfile", self.dockerfile.as_bytes())?;
        for File { path, content } in &self.files {
            let path = format!("root/{path}");
            match content {
                Content::Bytes(bytes) => append(&mut archive, &path, bytes)?,
                Content::Host(file) => append(&mut archive, &path, &fs::read(file)?)?,
            }
        }
        archive.into_inner()
    }
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    // Readable and executable for the container's user, whoever that is.
    header.set_mode(0o755);
    archive.append_data(&mut header, path, bytes)
}

/// A name as repositories may have it; the digest in the tag keeps apart what this
/// makes equal.
fn repository(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let plain = name.to_ascii_lowercase().replace(|letter| !is_plain(letter), "-");
    // Separators may stand neither at an end nor together.
    let words: Vec<_> = plain.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "function".into() } else { words.join("-") }
}

/// The image of a recipe that is no function's: built once and for all runs.
pub(crate) async fn base(engine: &Engine, recipe: &Recipe) -> Result<Image, EngineError> {
    match find(engine, &recipe.tag()).await? {
        Some(image) => Ok(image),
        None => build(engine, recipe).await,
    }
}

/// The image of a function, and whether it was found. It counts as found only if
/// `cache` knows it: an empty cache means that everything is made anew, although
/// engines share images between all their users.
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
                tracing::warn!(%error, "an image could not be noted, and will be built again");
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
    let refused = |reason: String| EngineError::Refused { action: "build an image", reason };
    let context = recipe.context().map_err(|error| refused(error.to_string()))?;
    let tag = recipe.tag();
    let options = BuildImageOptions {
        t: Some(tag.clone()),
        nocache: true,
        rm: true,
        forcerm: true,
        labels: Some(HashMap::from([(LABEL_FUNCTION.to_owned(), recipe.name.clone())])),
        ..BuildImageOptions::default()
    };
    let mut steps =
        engine.api.build_image(options, None, Some(bollard::body_full(Bytes::from(context)))).boxed();
    while let Some(step) = steps.next().await {
        step.map_err(engine.refused("build an image"))?;
    }
    find(engine, &tag).await?.ok_or_else(|| refused(format!("it was built, but there is no {tag}")))
}

/// Removes the images that newer ones have taken the tag from, where no container
/// needs them any more.
pub(crate) async fn sweep(engine: &Engine) -> Result<(), EngineError> {
    let filters = [("dangling", "true"), ("label", LABEL_FUNCTION)];
    let filters = filters.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let options = ListImagesOptions { filters: Some(HashMap::from(filters)), ..ListImagesOptions::default() };
    let listed = engine.api.list_images(Some(options)).await.map_err(engine.refused("list its images"))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    for image in listed {
        let age = now.saturating_sub(Duration::from_secs(image.created.unsigned_abs()));
        if age > TAGGING {
            remove_untagged(engine, &image.id).await;
        }
    }
    Ok(())
}

/// Removes an image, unless a container of another process still needs it: then the
/// next sweep does.
async fn remove_untagged(engine: &Engine, id: &str) {
    if let Err(error) = engine.api.remove_image(id, None::<RemoveImageOptions>, None).await {
        tracing::debug!(%error, id, "an older image stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(name: &str, dockerfile: &str, file: &[u8]) -> Recipe {
        Recipe::of_bytes(name, dockerfile.into(), vec![("server", file.to_vec())])
    }

    #[test]
    fn a_tag_stands_for_the_content() {
        let tag = recipe("hello-rust", "FROM scratch", b"1").tag();
        assert!(
            tag.starts_with("isolab/hello-rust:") && tag.len() == "isolab/hello-rust:".len() + 12,
            "{tag}"
        );
        assert_eq!(recipe("hello-rust", "FROM scratch", b"1").tag(), tag);
        assert_ne!(recipe("hello-rust", "FROM scratch", b"2").tag(), tag);
        assert_ne!(recipe("hello-rust", "FROM other", b"1").tag(), tag);
    }

    #[test]
    fn any_name_makes_a_repository() {
        for (name, plain) in [("My_Fn-rust", "my-fn-rust"), ("__", "function"), ("été-js", "t-js")] {
            assert_eq!(repository(name), plain);
        }
    }

    #[test]
    fn a_context_is_a_tar_archive_with_the_files_below_root() {
        let context = recipe("f", "FROM scratch", b"elf").context().unwrap();
        let mut archive = tar::Archive::new(context.as_slice());
        let paths =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        assert_eq!(paths.collect::<Vec<_>>(), ["Dockerfile", "root/server"]);
    }
}
