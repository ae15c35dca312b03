//! A function's files in a folder that its processes can enter.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use isolab_core::Cause;

/// The bytes of a file that an artifact is made from.
///
/// # Errors
/// [`Cause::Artifact`] if it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    fs::read(path).map_err(|error| Cause::Artifact(format!("{} cannot be read: {error}", path.display())))
}

/// Writes files with their modes into a new folder that every user may enter.
///
/// # Errors
/// [`Cause::Internal`] if that is not possible.
pub fn lay_out(folder: &Path, files: &[(&str, &[u8], u32)]) -> Result<(), Cause> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    let opened = made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o711)));
    opened.and_then(|()| write(folder, files)).map_err(|error| {
        Cause::Internal(format!("the server cannot be laid out in {}: {error}", folder.display()))
    })
}

/// Writes files with their modes.
///
/// # Errors
/// If that is not possible.
pub fn write(folder: &Path, files: &[(&str, &[u8], u32)]) -> io::Result<()> {
    for (name, bytes, mode) in files {
        let path = folder.join(name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, Permissions::from_mode(*mode))?;
    }
    Ok(())
}
