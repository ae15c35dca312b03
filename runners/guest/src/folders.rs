//! The folders of the host that a function is granted.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use isolab_core::function::Folder;

use crate::session;

/// Folders of the root that the engine or the host has a place in. A folder that is mounted over one
/// of them would get files of the engine.
const RESERVED: [&str; 5] = ["dev", "etc", "proc", "run", "sys"];

/// Fails if a container cannot be given one of these folders, with the reason as a sentence without a full stop.
pub fn check(folders: &[Folder]) -> Result<(), String> {
    folders.iter().try_for_each(|folder| check_folder(folder, folders))
}

fn check_folder(folder: &Folder, all: &[Folder]) -> Result<(), String> {
    let at = &folder.at;
    if at.split('/').nth(1).is_some_and(|first| RESERVED.contains(&first)) {
        return Err(format!("`{at}` in a container belongs to the engine"));
    }
    // The engine would make the place of the inner folder in the outer one, on the host.
    let around =
        all.iter().find(|other| at.strip_prefix(&other.at).is_some_and(|rest| rest.starts_with('/')));
    if let Some(around) = around {
        return Err(format!("the folder at `{at}` lies inside of the one at `{}`", around.at));
    }
    let shown = folder.path.display();
    let metadata = folder.path.metadata().map_err(|error| format!("{shown}: {error}"))?;
    let needed = if folder.is_writable { READ | WRITE } else { READ };
    let (user, group) = session::user();
    if permissions(&metadata, user, group) & needed != needed {
        let change = if folder.is_writable { "write" } else { "read" };
        return Err(format!(
            "guests run as user {user}, which may not {change} the folder {shown}; change its mode"
        ));
    }
    // The lab's own user may rename all of its folders, and the check would refuse each of them.
    if user == nix::unistd::geteuid().as_raw() { Ok(()) } else { check_above(&folder.path, user, group) }
}

/// Fails if a container could put another folder in the place of this one: with a symbolic link there,
/// the engine would mount any folder of the host. Another function may be granted a folder above.
fn check_above(folder: &Path, user: u32, group: u32) -> Result<(), String> {
    let mut below = folder;
    while let Some(above) = below.parent() {
        let read = |path: &Path| path.metadata().map_err(|error| format!("{}: {error}", path.display()));
        let metadata = read(above)?;
        // In such a folder only the owners rename.
        let is_sticky = metadata.mode() & STICKY != 0 && metadata.uid() != user && read(below)?.uid() != user;
        if permissions(&metadata, user, group) & WRITE != 0 && !is_sticky {
            return Err(format!(
                "guests may rename {}, because they run as user {user}; change the mode of {}",
                below.display(),
                above.display()
            ));
        }
        below = above;
    }
    Ok(())
}

/// Fails if the user of the guests may not enter the folders around one of these, with the reason as a sentence without
/// a full stop. An engine that runs as root mounts folders that the user cannot reach.
pub fn check_reach(folders: &[Folder]) -> Result<(), String> {
    let (user, group) = session::user();
    for folder in folders {
        for around in folder.path.ancestors().skip(1) {
            let shown = around.display();
            let metadata = around.metadata().map_err(|error| format!("{shown}: {error}"))?;
            if permissions(&metadata, user, group) & ENTER == 0 {
                return Err(format!(
                    "guests run as user {user}, which may not enter {shown}; change its mode"
                ));
            }
        }
    }
    Ok(())
}

/// Bits of a mode: to list and to enter a folder, and to change its entries.
const READ: u32 = 0o5;
const WRITE: u32 = 0o2;
const ENTER: u32 = 0o1;
/// The bit of a folder in which everybody may write, but not rename what others own.
const STICKY: u32 = 0o1000;

/// The bits of a folder's mode that hold for a user.
fn permissions(folder: &Metadata, user: u32, group: u32) -> u32 {
    let shift = match folder {
        _ if folder.uid() == user => 6,
        _ if folder.gid() == group => 3,
        _ => 0,
    };
    (folder.mode() >> shift) & 0o7
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(path: &Path, is_writable: bool) -> Folder {
        Folder { path: path.to_owned(), at: "/data".into(), is_writable }
    }

    #[test]
    fn a_folder_that_the_containers_user_cannot_use_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: containers run as this user");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let refuses = |mode: u32, is_writable: bool| {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            check(&[folder(place.path(), is_writable)]).is_err()
        };
        let results = [(0o755, false), (0o777, true), (0o755, true), (0o770, false)]
            .map(|(mode, is_writable)| refuses(mode, is_writable));
        assert_eq!(results, [false, false, true, true]);
    }

    #[test]
    fn a_folder_that_the_user_cannot_reach_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: guests run as this user");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let reach = |mode: u32| {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            check_reach(&[folder(&inner, false)])
        };
        assert_eq!(reach(0o711), Ok(()));
        assert!(reach(0o700).unwrap_err().contains("may not enter"));
    }

    /// A function with a writable folder could put a link to any folder of the host into it.
    #[test]
    fn a_folder_that_a_container_could_replace_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: containers run as this user");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let refuses = |mode: u32| {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            check(&[folder(&inner, false)]).err()
        };
        assert_eq!([refuses(0o755), refuses(0o1777)], [None, None]);
        let reason = refuses(0o777).unwrap();
        assert!(
            reason.contains("may rename") && reason.contains(&*place.path().to_string_lossy()),
            "{reason}"
        );
    }
}
