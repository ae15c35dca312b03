//! The content of an image: a folder of `docker/guests`, and the files that the executor adds.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolab_core::cache::digest;

/// The folders of `docker/guests` as they were when this crate was built.
pub(crate) static NATIVE: Folder = Folder {
    name: "native",
    files: &[("Dockerfile", include_bytes!("../../../docker/guests/native/Dockerfile"))],
};
pub(crate) static BASE: Folder = Folder {
    name: "base",
    files: &[("Dockerfile", include_bytes!("../../../docker/guests/base/Dockerfile"))],
};
pub(crate) static V8: Folder =
    Folder { name: "v8", files: &[("Dockerfile", include_bytes!("../../../docker/guests/v8/Dockerfile"))] };
pub(crate) static NODE: Folder = Folder {
    name: "node",
    files: &[
        ("Dockerfile", include_bytes!("../../../docker/guests/node/Dockerfile")),
        // Without it Node would take `handler.js` for CommonJS.
        ("package.json", include_bytes!("../../../docker/guests/node/package.json")),
        ("server.mjs", include_bytes!("../../../docker/guests/node/server.mjs")),
        ("bodies.mjs", include_bytes!("../../../docker/guests/node/bodies.mjs")),
        ("fetch.mjs", include_bytes!("../../../docker/guests/node/fetch.mjs")),
    ],
};
pub(crate) static HOLDER: Folder = Folder {
    name: "holder",
    files: &[("Dockerfile", include_bytes!("../../../docker/guests/holder/Dockerfile"))],
};

/// The `ARG` that names the image below.
pub(crate) const BASE_ARGUMENT: &str = "BASE";

/// A folder that the engine is given whole.
pub(crate) struct Folder {
    pub(crate) name: &'static str,
    pub(crate) files: &'static [(&'static str, &'static [u8])],
}

/// The content of an image.
pub(crate) struct Recipe {
    /// The repository below `isolab/`.
    pub(crate) name: String,
    /// Stands for everything in the image: images with the same one are the same.
    pub(crate) digest: String,
    /// The values of the Dockerfile's `ARG`s.
    pub(crate) arguments: Vec<(&'static str, String)>,
    folder: &'static Folder,
    added: Vec<Added>,
}

/// A file that the executor adds to the folder.
pub(crate) struct Added {
    /// The path in the folder.
    pub(crate) path: String,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// A file of the host, read when the image is built.
    Host(PathBuf),
    /// The output of a program of the host, which runs when the image is built.
    Output {
        program: PathBuf,
        arguments: Vec<OsString>,
    },
    /// A symbolic link that leads to this path of the image.
    Link(PathBuf),
}

impl Recipe {
    /// A recipe that is known by the folder, its arguments, and `identity`, which stands
    /// for what is added.
    pub(crate) fn new(
        folder: &'static Folder,
        name: &str,
        arguments: Vec<(&'static str, String)>,
        identity: &[&[u8]],
        added: Vec<Added>,
    ) -> Self {
        let mut parts: Vec<&[u8]> = Vec::new();
        parts.extend(folder.files.iter().flat_map(|(path, bytes)| [path.as_bytes(), bytes]));
        parts.extend(arguments.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
        parts.extend(identity);
        let digest = digest(parts);
        Self { name: repository(name), digest, arguments, folder, added }
    }

    /// A recipe to which one file is added, by whose content it is known.
    pub(crate) fn with_file(
        folder: &'static Folder,
        name: &str,
        arguments: Vec<(&'static str, String)>,
        path: &str,
        bytes: Vec<u8>,
    ) -> Self {
        let mut recipe = Self::new(folder, name, arguments, &[path.as_bytes(), &bytes], Vec::new());
        recipe.added.push(Added { path: path.to_owned(), content: Content::Bytes(bytes) });
        recipe
    }

    pub(crate) fn tag(&self) -> String {
        format!("{}:{}", self.repository(), &self.digest[..12])
    }

    /// The tag's part that does not change with the content.
    pub(crate) fn repository(&self) -> String {
        format!("isolab/{}", self.name)
    }

    /// The folder's place in the lab's repository.
    pub(crate) fn place(&self) -> String {
        format!("docker/guests/{}", self.folder.name)
    }

    /// The tar archive that the engine builds from.
    pub(crate) fn context(&self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in self.folder.files {
            append(&mut archive, path, bytes)?;
        }
        for Added { path, content } in &self.added {
            match content {
                Content::Bytes(bytes) => append(&mut archive, path, bytes)?,
                Content::Host(file) => append(&mut archive, path, &fs::read(file)?)?,
                Content::Output { program, arguments } => {
                    append(&mut archive, path, &output(program, arguments)?)?;
                }
                Content::Link(target) => {
                    let mut header = header(tar::EntryType::Symlink, 0);
                    archive.append_link(&mut header, path, target)?;
                }
            }
        }
        archive.into_inner()
    }
}

/// The output of a program. If it fails, the error is its last words.
fn output(program: &Path, arguments: &[OsString]) -> io::Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header(tar::EntryType::Regular, bytes.len() as u64), path, bytes)
}

fn header(kind: tar::EntryType, bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes);
    // Any user of the container may read and execute.
    header.set_mode(0o755);
    header
}

/// A name that repositories may have; the digest in the tag keeps apart the names that
/// this makes equal.
fn repository(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let plain = name.to_ascii_lowercase().replace(|letter| !is_plain(letter), "-");
    // Separators may stand neither at an end nor together.
    let words: Vec<_> = plain.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "function".into() } else { words.join("-") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    static CHANGED: Folder = Folder { name: "native", files: &[("Dockerfile", b"FROM scratch\n")] };

    fn recipe(folder: &'static Folder, name: &str, server: &[u8]) -> Recipe {
        Recipe::with_file(folder, name, Vec::new(), "server", server.to_vec())
    }

    #[test]
    fn the_folders_are_those_of_the_repository() {
        let guests = isolab_core::guest::workspace().join("docker/guests");
        let files = |folder: PathBuf| -> BTreeMap<String, Vec<u8>> {
            let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
            let file = |entry: fs::DirEntry| {
                (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
            };
            entries.map(file).collect()
        };
        let mut names: Vec<_> = fs::read_dir(&guests)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let folders = [&BASE, &HOLDER, &NATIVE, &NODE, &V8];
        assert_eq!(names, folders.map(|folder| folder.name));
        for folder in folders {
            let embedded = folder.files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
            assert_eq!(embedded.collect::<BTreeMap<_, _>>(), files(guests.join(folder.name)));
        }
    }

    #[test]
    fn a_tag_changes_with_the_recipe_its_arguments_and_the_artifact() {
        let tag = recipe(&NATIVE, "hello-rust", b"1").tag();
        assert!(
            tag.starts_with("isolab/hello-rust:") && tag.len() == "isolab/hello-rust:".len() + 12,
            "{tag}"
        );
        assert_eq!(recipe(&NATIVE, "hello-rust", b"1").tag(), tag);
        let with_argument =
            Recipe::with_file(&NATIVE, "hello-rust", vec![("BASE", "a".into())], "server", b"1".to_vec());
        let others =
            [recipe(&NATIVE, "hello-rust", b"2"), recipe(&CHANGED, "hello-rust", b"1"), with_argument];
        for other in others {
            assert_ne!(other.tag(), tag);
        }
    }

    #[test]
    fn any_name_makes_a_repository() {
        for (name, plain) in [("My_Fn-rust", "my-fn-rust"), ("__", "function"), ("été-js", "t-js")] {
            assert_eq!(repository(name), plain);
        }
    }

    #[test]
    fn a_context_is_the_folder_with_the_artifact() {
        let context = recipe(&NATIVE, "f", b"elf").context().unwrap();
        let mut archive = tar::Archive::new(context.as_slice());
        let paths =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        assert_eq!(paths.collect::<Vec<_>>(), ["Dockerfile", "server"]);
    }
}
