//! Snapshots in the cache, and objects that a snapshot cannot hold.

use std::fs;
use std::path::{Path, PathBuf};

use isolab_v8::V8;

use crate::support::{answer, get, handler, invoke, open, prepare, start, stop, try_open};

/// A handler that counts its requests, and answers with a letter and the count.
fn count(letter: char) -> String {
    format!("let count = 0; export default {{ fetch() {{ return new Response(`{letter}${{++count}}`) }} }}")
}

/// The first answer of a handler, and whether its snapshot was found.
async fn first_answer(executor: &V8, folder: &Path, source: &str) -> (String, bool) {
    let prepared = prepare(executor, &handler(folder, "", source)).await.unwrap();
    let instance = start(&*prepared).await;
    let body = invoke(&*instance, get("/")).await.unwrap().into_body();
    stop(instance).await;
    (String::from_utf8(body.to_vec()).unwrap(), prepared.artifact().cached)
}

/// The files that the executor keeps snapshots in.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("cache/v8-snapshot")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_snapshot_is_made_once_and_again_if_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let function = handler(folder.path(), "", &count('a'));
    let executor = open("v8", folder.path());
    let first = prepare(&executor, &function).await.unwrap();
    assert!(!first.artifact().cached);
    let second = prepare(&open("v8", folder.path()), &function).await.unwrap();
    assert!(second.artifact().cached);
    assert_eq!(second.artifact().source_digest, first.artifact().source_digest);

    let [entry] = entries(folder.path()).try_into().expect("one entry");
    let mut bytes = fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&entry, bytes).unwrap();
    let third = prepare(&executor, &function).await.unwrap();
    assert!(!third.artifact().cached);
    for prepared in [first, second, third] {
        let instance = start(&*prepared).await;
        assert_eq!(invoke(&*instance, get("/")).await.unwrap().body(), "a1");
        stop(instance).await;
    }
}

/// A writer of the cache folder can put a snapshot under another name, with a checksum of
/// their own or with the seal of another entry.
#[tokio::test]
async fn a_forged_snapshot_is_refused_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let executor = open("v8", folder.path());
    assert_eq!(first_answer(&executor, folder.path(), &count('f')).await, ("f1".into(), false));
    let [foreign] = entries(folder.path()).try_into().expect("one entry");
    assert_eq!(first_answer(&executor, folder.path(), &count('h')).await, ("h1".into(), false));
    let honest = entries(folder.path()).into_iter().find(|entry| *entry != foreign).expect("two entries");
    let sealed = fs::read(&foreign).unwrap();
    let snapshot = &sealed[blake3::OUT_LEN..];
    let half = &sealed[..sealed.len() / 2];
    for forged in [&[blake3::hash(snapshot).as_bytes(), snapshot].concat(), &sealed, &half.to_vec()] {
        fs::write(&honest, forged).unwrap();
        assert_eq!(first_answer(&executor, folder.path(), &count('h')).await, ("h1".into(), false));
        assert_eq!(first_answer(&executor, folder.path(), &count('h')).await, ("h1".into(), true));
    }
}

#[tokio::test]
async fn intl_works_in_requests_but_not_in_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let request =
        "export default { fetch() { return new Response(new Intl.NumberFormat('en').format(1e3)) } }";
    let module = "const f = new Intl.NumberFormat('en'); export default { fetch() { return new Response(f.format(1e3)) } }";
    for (spec, source) in [("v8", request), ("v8:snapshot=off", request), ("v8:snapshot=off", module)] {
        let executor = open(spec, folder.path());
        assert_eq!(first_answer(&executor, folder.path(), source).await.0, "1,000");
    }
    let error = answer("", module, get("/")).await.unwrap_err();
    assert!(error.to_string().contains("within fetch, or v8:snapshot=off"), "{error}");
}

#[tokio::test]
async fn instances_of_one_snapshot_draw_different_random_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let source = "export default { fetch() { return new Response(`${Math.random()}`) } }";
    let executor = open("v8", folder.path());
    let first = first_answer(&executor, folder.path(), source).await.0;
    let second = first_answer(&executor, folder.path(), source).await.0;
    assert_ne!(first, second);
}

#[tokio::test]
async fn compiled_code_is_made_once_and_again_if_it_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let function = handler(folder.path(), "", &count('c'));
    let spec = "v8:snapshot=off,codecache=on";
    let plain = prepare(&open("v8:snapshot=off", folder.path()), &function).await.unwrap();
    let first = prepare(&open(spec, folder.path()), &function).await.unwrap();
    assert_eq!((first.artifact().kind, first.artifact().cached), ("source and code", false));
    assert_eq!(first.artifact().source_digest, plain.artifact().source_digest);
    assert!(first.artifact().bytes > plain.artifact().bytes + 1000);
    let second = prepare(&open(spec, folder.path()), &function).await.unwrap();
    assert!(second.artifact().cached);

    let entries: Vec<_> = fs::read_dir(folder.path().join("cache/v8-code")).unwrap().collect();
    let [entry] = entries.try_into().expect("one entry");
    let path = entry.unwrap().path();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let third = prepare(&open(spec, folder.path()), &function).await.unwrap();
    assert!(!third.artifact().cached);
    for prepared in [plain, first, second, third] {
        let instance = start(&*prepared).await;
        assert_eq!(invoke(&*instance, get("/")).await.unwrap().body(), "c1");
        stop(instance).await;
    }
}

#[test]
fn compiled_code_beside_a_snapshot_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = try_open("v8:codecache=on", folder.path()) else { panic!("a snapshot needs no code") };
    assert!(error.to_string().contains("needs `snapshot=off`"), "{error}");
}
