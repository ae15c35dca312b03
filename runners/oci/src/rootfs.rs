//! The root file system of a function's containers: the files that an image of `docker` would hold.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use isolab_core::cache::digest;
use isolab_core::guest::{self, Target};
use isolab_core::{Artifact, Cause, Function, Laps, Variant};
use isolab_guest::node::{self, Node};

use crate::config;
use crate::settings::Settings;

/// Where a container has Node, its server and its handler.
const NODE: &str = "/usr/bin/node";
const FUNCTION: &str = "/function";
const SERVER: &str = "/server";

/// A root file system with the command that runs in it.
#[derive(Debug)]
pub(crate) struct Rootfs {
    pub(crate) folder: PathBuf,
    pub(crate) command: Vec<String>,
    pub(crate) artifact: Artifact,
}

/// Builds the server of a variant, and lays it out in `folder`. `base` has the files of Node, once it was made.
pub(crate) fn make(
    function: &Function,
    (variant, source): (Variant, &Path),
    settings: Settings,
    (folder, base): (PathBuf, &Path),
    laps: &mut Laps,
) -> Result<Rootfs, Cause> {
    let failed = |error: io::Error| {
        Cause::Internal(format!("the root file system cannot be laid out in {}: {error}", folder.display()))
    };
    let (files, command) = if variant == Variant::Rust {
        let built = guest::build(source, Target::Server(settings.instructions))
            .map_err(|error| Cause::Artifact(error.to_string()))?;
        laps.mark("compile");
        (vec![(SERVER.to_owned(), read(&built)?)], vec![SERVER.to_owned()])
    } else {
        let node = Node::find().map_err(|reason| Cause::Unavailable(reason.to_owned()))?;
        lay_out_node(node, base).map_err(failed)?;
        laps.mark("base");
        let server = node::SERVER.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
        let files = [("handler.js", read(source)?)].into_iter().chain(server);
        let files = files.map(|(name, bytes)| (format!("{FUNCTION}/{name}"), bytes)).collect();
        (files, vec![NODE.to_owned(), format!("{FUNCTION}/{}", node::MAIN)])
    };
    let places = config::MOUNT_POINTS.iter().copied();
    let places = places.chain(function.grants().folders.iter().map(|granted| granted.at.as_str()));
    lay_out(&folder, (variant == Variant::Js).then_some(base), &files, places).map_err(failed)?;
    fill_tmp(&folder).map_err(failed)?;
    laps.mark("files");
    let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let source_digest = digest([files[0].1.as_slice()]);
    let artifact = Artifact { kind: "root file system", source_digest, bytes, cached: false };
    Ok(Rootfs { folder, command, artifact })
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    fs::read(path).map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", path.display())))
}

fn lay_out<'a>(
    folder: &Path,
    base: Option<&Path>,
    files: &[(String, Vec<u8>)],
    places: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    // Nobody enters it but by way of a container.
    make_folder(folder)?;
    if let Some(base) = base {
        link_all(base, folder)?;
    }
    for place in places {
        make_folder(&below(folder, place))?;
    }
    for (path, bytes) in files {
        let path = below(folder, path);
        path.parent().map_or(Ok(()), make_folder)?;
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// gVisor mounts a file system that can be written and filled over a `/tmp` that is missing or empty.
fn fill_tmp(folder: &Path) -> io::Result<()> {
    make_folder(&folder.join("tmp"))?;
    fs::write(folder.join("tmp/read-only"), [])
}

/// Copies Node with all that it loads into a folder, unless it is there. A copy costs memory of its own, as that in
/// an image does.
fn lay_out_node(node: &Node, folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let program = node.with_libraries()?;
    // Several functions may be prepared at once.
    let half = folder.with_extension(format!("{:?}", std::thread::current().id()));
    for file in &program.files {
        let copy = below(&half, file);
        copy.parent().map_or(Ok(()), make_folder)?;
        fs::copy(file, copy)?;
    }
    if program.path != Path::new(NODE) {
        let link = below(&half, NODE);
        link.parent().map_or(Ok(()), make_folder)?;
        symlink(&program.path, link)?;
    }
    match fs::rename(&half, folder) {
        Err(_) if folder.is_dir() => fs::remove_dir_all(half),
        renamed => renamed,
    }
}

/// Makes hard links of all files of a folder, and folders with the same names.
fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            make_folder(&target)?;
            link_all(&entry.path(), &target)?;
        } else {
            fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Makes a folder, and those above it, that every user may enter and list.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    folder.parent().map_or(Ok(()), make_folder)?;
    match DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        // No umask changes the mode.
        _ => fs::set_permissions(folder, Permissions::from_mode(0o755)),
    }
}

fn below(root: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    root.join(path.strip_prefix("/").unwrap_or(path))
}
