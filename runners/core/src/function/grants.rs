//! The things outside of its sandbox that a function may use: nothing, unless `function.toml` grants
//! it.
//!
//! ```toml
//! [grants]
//! hosts = ["origin:8080"]                 # outbound requests
//! env = { LANGUAGE = "en" }               # environment variables
//! args = ["--fast"]                       # arguments
//! folders = [{ path = "data", at = "/data", writable = true }]
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use http::uri::Authority;
use serde::Deserialize;

/// Everything that a function is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The hosts that the function may send HTTP requests to.
    pub hosts: Vec<Host>,
    /// Environment variables, by name.
    pub env: BTreeMap<String, String>,
    /// Arguments, without the program's name.
    pub args: Vec<String>,
    /// Folders of the host.
    pub folders: Vec<Folder>,
}

/// The port of `http` URLs that name none.
const HTTP_PORT: u16 = 80;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    /// A name or an address, in lower case.
    pub name: String,
    /// The TCP port.
    pub port: u16,
}

impl Host {
    /// The host of a URL's authority, port 80 if it has none.
    pub fn of(authority: &Authority) -> Self {
        let name = authority.host().to_ascii_lowercase();
        Self { name, port: authority.port_u16().unwrap_or(HTTP_PORT) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// A folder of the host that a function sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder on the host: absolute, without symbolic links.
    pub path: PathBuf,
    /// Where the function sees it: an absolute path.
    pub at: String,
    /// Whether the function may change it.
    pub is_writable: bool,
}

/// A kind of grant, for executors that cannot honour all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Outbound requests.
    Hosts,
    /// Environment variables.
    Env,
    /// Arguments.
    Args,
    /// Folders.
    Folders,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hosts => "outbound hosts",
            Self::Env => "environment variables",
            Self::Args => "arguments",
            Self::Folders => "folders",
        })
    }
}

impl Grants {
    /// Fails if the function is granted something that is not among these, with the reason as a
    /// sentence without a full stop.
    pub fn only(&self, honoured: &[Grant], executor: &str) -> Result<(), String> {
        let granted = [
            (Grant::Hosts, !self.hosts.is_empty()),
            (Grant::Env, !self.env.is_empty()),
            (Grant::Args, !self.args.is_empty()),
            (Grant::Folders, !self.folders.is_empty()),
        ];
        match granted.iter().find(|(grant, is_granted)| *is_granted && !honoured.contains(grant)) {
            Some((grant, _)) => {
                Err(format!("`{executor}` cannot grant {grant} to a function of this variant"))
            }
            None => Ok(()),
        }
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The table `grants` of `function.toml`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantsForm {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    folders: Vec<FolderForm>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderForm {
    path: PathBuf,
    at: String,
    #[serde(default)]
    writable: bool,
}

impl GrantsForm {
    /// The grants, checked. Paths are relative to the function's folder.
    pub(super) fn read(&self, folder: &Path) -> Result<Grants, String> {
        let hosts = self.hosts.iter().map(|text| host(text)).collect::<Result<_, _>>()?;
        let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
        if let Some(name) = self.env.keys().find(|name| !is_name(name)) {
            return Err(format!("grants.env: `{name}` is not the name of an environment variable"));
        }
        if self.env.values().chain(&self.args).any(|value| value.contains('\0')) {
            return Err("grants: values of `env` and `args` must not contain a zero byte".into());
        }
        let folders = self.folders.iter().map(|form| form.read(folder)).collect::<Result<Vec<_>, _>>()?;
        for (index, folder) in folders.iter().enumerate() {
            if folders[..index].iter().any(|other| other.at == folder.at) {
                return Err(format!("grants.folders: two folders have the place `{}`", folder.at));
            }
        }
        Ok(Grants { hosts, env: self.env.clone(), args: self.args.clone(), folders })
    }
}

fn host(text: &str) -> Result<Host, String> {
    let authority = text.parse::<Authority>().ok().filter(|authority| {
        !authority.host().is_empty() && !text.contains('@') && !text.ends_with(':') && !text.contains('*')
    });
    let authority = authority
        .ok_or_else(|| format!("grants.hosts: `{text}` is not a host, such as `name` or `name:8080`"))?;
    Ok(Host::of(&authority))
}

impl FolderForm {
    fn read(&self, function: &Path) -> Result<Folder, String> {
        let shown = self.path.display();
        let path = function.join(&self.path);
        let path = path.canonicalize().map_err(|error| format!("grants.folders: `{shown}`: {error}"))?;
        if !path.is_dir() {
            return Err(format!("grants.folders: `{shown}` is not a folder"));
        }
        let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', ':']);
        let is_place = self.at.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain));
        if !is_place {
            let at = &self.at;
            return Err(format!("grants.folders: `at` must be an absolute path such as `/data`, not `{at}`"));
        }
        Ok(Folder { path, at: self.at.clone(), is_writable: self.writable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Grants, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        toml::from_str::<GrantsForm>(text).map_err(|error| error.to_string())?.read(folder.path())
    }

    #[test]
    fn nothing_is_granted_by_default() {
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn grants_are_read() {
        let text = r#"
            hosts = ["Origin", "127.0.0.1:8080"]
            env = { A = "b" }
            args = ["c"]
            folders = [{ path = "data", at = "/in/here" }]
        "#;
        let grants = read(text).unwrap();
        let hosts: Vec<_> = grants.hosts.iter().map(Host::to_string).collect();
        assert_eq!(hosts, ["origin:80", "127.0.0.1:8080"]);
        assert_eq!((grants.env["A"].as_str(), grants.args.as_slice()), ("b", ["c".to_owned()].as_slice()));
        let folder = &grants.folders[0];
        assert!(folder.path.is_absolute() && folder.at == "/in/here" && !folder.is_writable);
        assert!(grants.only(&[Grant::Hosts, Grant::Env, Grant::Args, Grant::Folders], "x").is_ok());
        let refused = grants.only(&[Grant::Hosts, Grant::Env], "x").unwrap_err();
        assert_eq!(refused, "`x` cannot grant arguments to a function of this variant");
    }

    #[test]
    fn a_grant_that_names_nothing_is_refused() {
        for (text, reason) in [
            ("hosts = ['']", "is not a host"),
            ("hosts = ['*']", "is not a host"),
            ("hosts = ['user@host']", "is not a host"),
            ("hosts = ['host:']", "is not a host"),
            ("hosts = ['http://host/']", "is not a host"),
            ("env = { 'A=B' = '' }", "A=B"),
            ("folders = [{ path = 'absent', at = '/a' }]", "absent"),
            ("folders = [{ path = 'file', at = '/a' }]", "not a folder"),
            ("folders = [{ path = 'data', at = 'a' }]", "absolute path"),
            ("folders = [{ path = 'data', at = '/../a' }]", "absolute path"),
            ("folders = [{ path = 'data', at = '/' }]", "absolute path"),
            ("folders = [{ path = 'data', at = '/a' }, { path = '.', at = '/a' }]", "two folders"),
            ("files = []", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
