//! The things outside of its container that a function is granted.

use bollard::models::{Mount, MountBindOptions, MountType};
use isolab_core::Variant;
use isolab_core::function::Grants;
use isolab_guest::javascript::Javascript;
use isolab_guest::{environment, folders, v8};

use crate::settings::{Network, Settings};

/// Fails if a container cannot honour a grant, with the reason as a sentence without a full stop.
pub(crate) fn check(grants: &Grants, variant: Variant, settings: &Settings) -> Result<(), String> {
    match (variant, settings.javascript) {
        (Variant::Module | Variant::Command, _) => grants.only(&[], crate::NAME),
        (Variant::Js, Javascript::V8) => v8::check(grants, crate::NAME),
        (Variant::Rust | Variant::Js, _) => Ok(()),
    }?;
    if !grants.hosts.is_empty() && settings.network == Network::Bridge {
        return Err("`docker:network=bridge` gives an instance every host, and cannot grant only some".into());
    }
    environment::check(grants)?;
    folders::check(&grants.folders)
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
    use std::path::Path;

    use isolab_core::Spec;
    use isolab_core::function::{Folder, Host};

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
}
