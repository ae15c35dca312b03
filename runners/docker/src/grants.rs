//! The things outside of its container that a function is granted.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bollard::models::{Mount, MountBindOptions, MountType};
use isolab_core::Variant;
use isolab_core::function::{Folder, Grant, Grants};
use isolab_guest::{environment, session};

use crate::settings::{Javascript, Network, Settings};

/// Folders of the root that the engine or the host has a place in. A folder that is mounted over one
/// of them would get files of the engine.
const RESERVED: [&str; 5] = ["dev", "etc", "proc", "run", "sys"];

/// The reason for those that the V8 server cannot honour.
const BEYOND_V8: &str = "the web API of a handler in V8 has none; `docker:javascript=node` grants them";

/// Fails if a container cannot honour a grant, with the reason as a sentence without a full stop.
pub(crate) fn check(grants: &Grants, variant: Variant, settings: &Settings) -> Result<(), String> {
    match (variant, settings.javascript) {
        (Variant::Command, _) => grants.only(&[], crate::NAME),
        (Variant::Js, Javascript::V8) => {
            let honoured = grants.only(&[Grant::Hosts, Grant::Env], "docker:javascript=v8");
            honoured.map_err(|reason| format!("{reason}: {BEYOND_V8}"))
        }
        (Variant::Rust | Variant::Js, _) => Ok(()),
    }?;
    if !grants.hosts.is_empty() && settings.network == Network::Bridge {
        return Err("`docker:network=bridge` gives an instance every host, and cannot grant only some".into());
    }
    environment::check(grants)?;
    grants.folders.iter().try_for_each(|folder| check_folder(folder, &grants.folders))
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
            "containers run as user {user}, which may not {change} the folder {shown}; change its mode"
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
                "containers may rename {}, because they run as user {user}; change the mode of {}",
                below.display(),
                above.display()
            ));
        }
        below = above;
    }
    Ok(())
}

/// Bits of a mode: to list and to enter a folder, and to change its entries.
const READ: u32 = 0o5;
const WRITE: u32 = 0o2;
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

/// The folders. The guest sees nothing that is mounted inside of them on the host.
pub(crate) fn mounts(grants: &Grants) -> impl Iterator<Item = Mount> {
    grants.folders.iter().map(|folder| Mount {
        typ: Some(MountType::BIND),
        source: Some(folder.path.to_string_lossy().into_owned()),
        target: Some(folder.at.clone()),
        read_only: Some(!folder.is_writable),
        bind_options: Some(MountBindOptions { non_recursive: Some(true), ..MountBindOptions::default() }),
        ..Mount::default()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use isolab_core::Spec;
    use isolab_core::function::Host;

    use super::*;

    fn settings(spec: &str) -> Settings {
        Settings::of(&Spec::parse(spec).unwrap().resolve(crate::SETTINGS).unwrap())
    }

    fn folder(path: &Path, at: &str, is_writable: bool) -> Folder {
        Folder { path: path.to_owned(), at: at.into(), is_writable }
    }

    fn refused(grants: &Grants, variant: Variant, spec: &str) -> String {
        check(grants, variant, &settings(spec)).unwrap_err()
    }

    #[test]
    fn a_grant_that_a_container_cannot_honour_is_refused_with_the_reason() {
        let host = Host { name: "origin".into(), port: 80 };
        let hosts = Grants { hosts: vec![host], ..Grants::default() };
        assert_eq!(check(&hosts, Variant::Js, &settings("docker")), Ok(()));
        assert!(refused(&hosts, Variant::Js, "docker:network=bridge").contains("every host"));
        assert_eq!(check(&hosts, Variant::Rust, &settings("docker")), Ok(()));
        assert!(refused(&hosts, Variant::Rust, "docker:network=bridge").contains("every host"));
        let v8 = "docker:javascript=v8";
        assert_eq!(check(&hosts, Variant::Js, &settings(v8)), Ok(()));
        assert!(refused(&hosts, Variant::Js, "docker:javascript=v8,network=bridge").contains("every host"));
        let args = Grants { args: vec!["--fast".into()], ..Grants::default() };
        let folders = Grants { folders: vec![folder(Path::new("/"), "/data", false)], ..Grants::default() };
        for (grants, kind) in [(args, "arguments"), (folders, "folders")] {
            let reason = refused(&grants, Variant::Js, v8);
            assert!(
                reason.contains(kind) && reason.contains("`docker:javascript=node` grants them"),
                "{reason}"
            );
            // The setting is of the variant `js` alone.
            assert_eq!(
                check(&grants, Variant::Rust, &settings(v8)).err().filter(|it| it.contains("V8")),
                None
            );
        }
        for name in ["PORT", "ISOLAB_SOCKET"] {
            let env = BTreeMap::from([(name.to_owned(), String::new())]);
            let grants = Grants { env, ..Grants::default() };
            assert!(refused(&grants, Variant::Js, "docker").contains(name));
        }
    }

    #[test]
    fn a_folder_that_would_let_the_engine_write_to_the_host_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
        let granted = |folders: &[(&str, bool)]| Grants {
            folders: folders.iter().map(|(at, writable)| folder(place.path(), at, *writable)).collect(),
            ..Grants::default()
        };
        let both = [("/data", false), ("/database", true)];
        assert_eq!(check(&granted(&both), Variant::Rust, &settings("docker")), Ok(()));
        for at in ["/run", "/run/isolab", "/etc", "/proc/self", "/dev/x", "/sys"] {
            assert!(refused(&granted(&[(at, false)]), Variant::Js, "docker").contains("the engine"), "{at}");
        }
        let nested = [("/data/x", false), ("/data", false)];
        assert!(refused(&granted(&nested), Variant::Js, "docker").contains("inside of"));
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
            let grants =
                Grants { folders: vec![folder(place.path(), "/data", is_writable)], ..Grants::default() };
            check(&grants, Variant::Js, &settings("docker")).is_err()
        };
        let results = [(0o755, false), (0o777, true), (0o755, true), (0o770, false)]
            .map(|(mode, is_writable)| refuses(mode, is_writable));
        assert_eq!(results, [false, false, true, true]);
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
        let grants = Grants { folders: vec![folder(&inner, "/data", false)], ..Grants::default() };
        let refuses = |mode: u32| {
            fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
            check(&grants, Variant::Js, &settings("docker")).err()
        };
        assert_eq!([refuses(0o755), refuses(0o1777)], [None, None]);
        let reason = refuses(0o777).unwrap();
        assert!(
            reason.contains("may rename") && reason.contains(&*place.path().to_string_lossy()),
            "{reason}"
        );
    }
}
