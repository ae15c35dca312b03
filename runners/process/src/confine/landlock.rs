//! A Landlock ruleset (landlock(7)): a process reads the files of its server, and writes nowhere.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

use crate::artifact::Server;

/// The rules of one process.
pub(crate) type Ruleset = RulesetCreated;

/// Files and TCP: the kernel must have these. Linux has them since 6.7.
const REQUIRED: ABI = ABI::V4;
/// Signals and abstract sockets, since Linux 6.12: used where the kernel has them.
const WANTED: ABI = ABI::V6;

/// Fails with the reason if the kernel has no Landlock, or an older one.
pub(crate) fn check() -> Result<(), String> {
    create()
        .map(|_| ())
        .map_err(|error| format!("the kernel has no Landlock with rules for TCP (Linux 6.7): {error}"))
}

/// The rules for the processes of a server. They may read and execute its files and their libraries. No rule
/// grants TCP, so there is none.
pub(crate) fn ruleset(server: &Server) -> Result<Ruleset, String> {
    let readable = server.reads.iter().map(Path::new).chain(server.program.parent());
    let sink = AccessFs::ReadFile | AccessFs::WriteFile;
    create()
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(readable, AccessFs::from_read(REQUIRED))))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(["/dev/null"], sink)))
        .map_err(|error| format!("no Landlock ruleset can be made: {error}"))
}

fn create() -> Result<RulesetCreated, RulesetError> {
    landlock::Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .handle_access(AccessNet::from_all(REQUIRED))?
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(WANTED))?
        .create()
}

/// Puts the calling thread behind the rules.
pub(crate) fn enter(ruleset: Ruleset) -> io::Result<()> {
    // The kernel refuses only a thread that could gain privileges, and too many rulesets within each other.
    ruleset.restrict_self().map(|_| ()).map_err(|_| io::ErrorKind::PermissionDenied.into())
}
