//! A cache returns what it stored, and refuses everything else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use super::*;

/// A cache with a key of its own, both in a folder that goes with it.
struct Lab {
    folder: tempfile::TempDir,
    cache: Cache,
}

const KIND: &str = "module";

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::with_key(folder.path().join("cache"), folder.path().join("state/key"));
        Self { folder, cache }
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("state/key")
    }

    /// The same cache, opened by a process that has not read the key yet.
    fn again(&self) -> Cache {
        Cache::with_key(self.cache.dir(), self.key())
    }

    fn stored(&self, digest: &str, bytes: &[u8]) -> PathBuf {
        self.cache.store(KIND, digest, bytes).unwrap();
        self.cache.path(KIND, digest)
    }

    fn refuses_its_key(&self, reason: &str) {
        let error = self.again().store(KIND, "a", b"bytes").unwrap_err();
        assert!(matches!(error, CacheError::Key(_)), "{error}");
        let (text, key) = (error.to_string(), self.key().display().to_string());
        assert!(text.contains(reason) && text.contains(&key) && text.contains("XDG_STATE_HOME"), "{text}");
    }
}

#[test]
fn an_entry_is_found_again_by_kind_and_digest() {
    let Lab { cache, .. } = &Lab::new();
    let key = digest([b"a".as_slice(), b"b"]);
    assert_eq!(cache.load(KIND, &key), None);
    cache.store(KIND, &key, b"bytes").unwrap();
    assert_eq!(cache.load(KIND, &key).as_deref(), Some(b"bytes".as_slice()));
    assert_eq!(cache.load("snapshot", &key), None);
}

#[test]
fn the_digest_separates_its_parts() {
    assert_ne!(digest([b"ab".as_slice(), b"c"]), digest([b"a".as_slice(), b"bc"]));
}

#[test]
fn a_damaged_or_truncated_entry_is_refused_and_can_be_stored_again() {
    let lab = Lab::new();
    let path = lab.stored("a", b"bytes");
    let whole = fs::read(&path).unwrap();
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(lab.cache.load(KIND, "a"), None, "byte {index} was changed");
        fs::write(&path, &whole[..index]).unwrap();
        assert_eq!(lab.cache.load(KIND, "a"), None, "{index} bytes were left");
    }
    lab.stored("a", b"bytes");
    assert_eq!(lab.cache.load(KIND, "a").as_deref(), Some(b"bytes".as_slice()));
}

/// A writer of the folder can compute the digest without the key, or with another key.
#[test]
fn a_forged_entry_is_refused() {
    let lab = Lab::new();
    let path = lab.stored("a", b"honest");
    let parts = || [KIND.as_bytes(), b"a".as_slice(), b"forged"];
    let seals = [
        blake3::hash(b"forged"),
        hash(blake3::Hasher::new(), parts()),
        hash(blake3::Hasher::new_keyed(&[0; key::LEN]), parts()),
    ];
    for forged in seals {
        fs::write(&path, [forged.as_bytes().as_slice(), b"forged"].concat()).unwrap();
        assert_eq!(lab.cache.load(KIND, "a"), None);
    }
}

#[test]
fn an_entry_does_not_stand_in_for_another() {
    let lab = Lab::new();
    let path = lab.stored("a", b"bytes");
    fs::copy(&path, lab.cache.path(KIND, "b")).unwrap();
    assert_eq!(lab.cache.load(KIND, "b"), None);
    fs::create_dir(lab.cache.dir().join("snapshot")).unwrap();
    fs::copy(&path, lab.cache.path("snapshot", "a")).unwrap();
    assert_eq!(lab.cache.load("snapshot", "a"), None);
}

#[test]
fn a_link_a_pipe_or_a_folder_is_not_read() {
    let lab = Lab::new();
    let entry = lab.stored("a", b"bytes");
    let linked = lab.cache.path(KIND, "b");
    symlink(&entry, &linked).unwrap();
    assert_eq!(lab.cache.load(KIND, "b"), None);
    lab.stored("b", b"own");
    assert_eq!(lab.cache.load(KIND, "b").as_deref(), Some(b"own".as_slice()));
    assert_eq!(lab.cache.load(KIND, "a").as_deref(), Some(b"bytes".as_slice()));

    let pipe = lab.cache.path(KIND, "c");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(lab.cache.load(KIND, "c"), None);
    fs::create_dir(lab.cache.path(KIND, "d")).unwrap();
    assert_eq!(lab.cache.load(KIND, "d"), None);
}

#[test]
fn processes_of_one_user_share_a_key_that_others_cannot_read() {
    let lab = Lab::new();
    lab.stored("a", b"bytes");
    assert_eq!(lab.again().load(KIND, "a").as_deref(), Some(b"bytes".as_slice()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&lab.key()), mode(lab.key().parent().unwrap())), (0o600, 0o700));
    let other = Cache::with_key(lab.cache.dir(), lab.folder.path().join("other/key"));
    other.store(KIND, "b", b"bytes").unwrap();
    assert_eq!((other.load(KIND, "a"), lab.cache.load(KIND, "b")), (None, None));
}

#[test]
fn threads_that_race_for_the_key_read_the_same_one() {
    for _ in 0..20 {
        let lab = Lab::new();
        let all = std::sync::Barrier::new(8);
        std::thread::scope(|threads| {
            for index in 0..8 {
                let (lab, all) = (&lab, &all);
                threads.spawn(move || {
                    let cache = lab.again();
                    all.wait();
                    cache.store(KIND, &index.to_string(), b"bytes").unwrap();
                });
            }
        });
        for index in 0..8 {
            assert_eq!(lab.again().load(KIND, &index.to_string()).as_deref(), Some(b"bytes".as_slice()));
        }
        assert_eq!(fs::read_dir(lab.key().parent().unwrap()).unwrap().count(), 1, "a temporary file is left");
    }
}

/// The variable that names the folder of the lab to a child process.
const CHILD: &str = "ISOLAB_TEST_CACHE_FOLDER";

#[test]
fn processes_that_race_for_the_key_read_the_same_one() {
    let cache = |folder: &Path| Cache::with_key(folder.join("cache"), folder.join("state/key"));
    if let Some(folder) = std::env::var_os(CHILD) {
        cache(folder.as_ref()).store(KIND, &std::process::id().to_string(), b"bytes").unwrap();
        return;
    }
    let name = "cache::tests::processes_that_race_for_the_key_read_the_same_one";
    let folder = tempfile::tempdir().unwrap();
    let start = |_| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", name]).env(CHILD, folder.path()).stdout(std::process::Stdio::null());
        child.spawn().unwrap()
    };
    let children: Vec<_> = (0..8).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
        let stored = cache(folder.path()).load(KIND, &child.id().to_string());
        assert_eq!(stored.as_deref(), Some(b"bytes".as_slice()));
    }
}

#[test]
fn a_key_that_cannot_be_trusted_is_refused_with_its_path() {
    let lab = Lab::new();
    lab.stored("a", b"bytes");
    let key = lab.key();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        lab.refuses_its_key("other users");
        assert_eq!(lab.again().load(KIND, "a"), None);
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(lab.again().load(KIND, "a").is_some());
    for len in [0, key::LEN - 1, key::LEN + 1] {
        fs::write(&key, vec![7; len]).unwrap();
        lab.refuses_its_key("length");
    }
    fs::rename(&key, lab.folder.path().join("elsewhere")).unwrap();
    symlink(lab.folder.path().join("elsewhere"), &key).unwrap();
    lab.refuses_its_key("symbolic link");
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    lab.refuses_its_key("regular file");
    fs::remove_dir(&key).unwrap();
    fs::remove_dir(key.parent().unwrap()).unwrap();
    fs::write(key.parent().unwrap(), "a file where the folder should be").unwrap();
    lab.refuses_its_key("cannot be used");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_with_the_entrys_path() {
    let lab = Lab::new();
    fs::write(lab.cache.dir(), "a file where the folder should be").unwrap();
    let error = lab.cache.store(KIND, "a", b"bytes").unwrap_err();
    assert!(matches!(error, CacheError::Write { .. }), "{error}");
    assert!(error.to_string().contains("cache/module/a"), "{error}");
}

/// Pretends that an entry was used some time ago.
fn used_before(path: &Path, hours: u64) {
    let time = SystemTime::now() - Duration::from_secs(hours * 3600);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn pruning_removes_the_entries_that_were_used_least_recently() {
    let lab = Lab::new();
    let entries = ["a", "b", "c", "d"].map(|digest| lab.stored(digest, &[0; 1000]));
    for (entry, hours) in entries.iter().zip([4, 3, 2, 1]) {
        used_before(entry, hours);
    }
    assert!(lab.cache.load(KIND, "a").is_some(), "now it is the last that was used");
    assert_eq!(lab.cache.prune(10_000).unwrap(), 0);
    // Two entries and their seals fit into nine tenths of the limit.
    assert!(lab.cache.prune(2_500).unwrap() > 2_000);
    assert_eq!(entries.map(|entry| entry.exists()), [true, false, false, true]);
}

#[test]
fn pruning_removes_what_nobody_finished_and_nothing_outside() {
    let lab = Lab::new();
    let entry = lab.stored("a", &[0; 1000]);
    let unfinished = entry.with_file_name(".tmp123");
    fs::write(&unfinished, [0; 5000]).unwrap();
    used_before(&unfinished, 24);
    let outside = lab.folder.path().join("outside");
    fs::write(&outside, [0; 5000]).unwrap();
    symlink(&outside, entry.with_file_name("link")).unwrap();
    lab.cache.prune(2_000).unwrap();
    assert!(entry.exists() && outside.exists() && !unfinished.exists());
    assert_eq!(Cache::with_key(lab.folder.path().join("none"), lab.key()).prune(0).unwrap(), 0);
}
