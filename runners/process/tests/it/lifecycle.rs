//! How processes are confined, how they die, and that nothing of them stays.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use isolab_core::{Cause, Executor as _, Instance, Laps, Prepared, Variant};

use crate::support::{Lab, function, get, get_text, is_running, stop, until_gone};

fn id(instance: &dyn Instance) -> u32 {
    instance.outside().helpers[0]
}

fn status(process: u32, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_process_is_nobody_and_gains_no_privileges() {
    let lab = Lab::open("process");
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    let id = id(&*instance);
    assert_eq!(status(id, "NoNewPrivs").as_deref(), Some("1"));
    if nix::unistd::geteuid().is_root() {
        assert_eq!(status(id, "Uid").as_deref(), Some("65534 65534 65534 65534"));
        assert_eq!(status(id, "Groups").as_deref(), Some(""));
        assert_eq!(status(id, "CapEff").as_deref(), Some("0000000000000000"));
    }
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten().collect();
    let targets: Vec<_> = open.iter().filter_map(|fd| std::fs::read_link(fd.path()).ok()).collect();
    let is_own = |target: &Path| {
        let text = target.to_string_lossy();
        ["/dev/null", "pipe:", "socket:", "anon_inode:"].iter().any(|prefix| text.starts_with(prefix))
    };
    assert!(targets.iter().all(|target| is_own(target)), "{targets:?}");
    stop(instance).await;
    assert!(!is_running(id));
}

#[tokio::test]
async fn a_process_ends_with_the_processes_that_it_has_started() {
    let lab = Lab::open("process");
    let code = "import { spawn } from \"node:child_process\";
        export default { fetch() { return new Response(String(spawn(\"sleep\", [\"1000\"]).pid)); } };";
    let function = lab.handler("spawns", "", code);
    for is_stopped in [true, false] {
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let answer = get(&*instance, "/").await.unwrap();
        let child: u32 = std::str::from_utf8(answer.body()).unwrap().parse().unwrap();
        let id = id(&*instance);
        assert!(is_running(id) && is_running(child));
        if is_stopped {
            stop(instance).await;
        } else {
            drop(instance);
        }
        until_gone(id).await;
        until_gone(child).await;
    }
}

/// Its number may belong to another process when the instance is stopped.
#[tokio::test]
async fn a_process_that_ends_by_itself_takes_its_processes_along_at_once() {
    let lab = Lab::open("process");
    let code = "import { spawn } from \"node:child_process\";
        let child;
        export default { fetch() {
            if (child) process.exit(1);
            child = spawn(\"sleep\", [\"1000\"], { stdio: \"ignore\" });
            return new Response(String(child.pid));
        } };";
    let instance = lab.start(&lab.handler("leaves", "", code), Variant::Js).await.unwrap();
    let answer = get(&*instance, "/").await.unwrap();
    let child: u32 = std::str::from_utf8(answer.body()).unwrap().parse().unwrap();
    assert!(matches!(get(&*instance, "/").await.unwrap_err(), Cause::Crashed(_)));
    until_gone(child).await;
    stop(instance).await;
}

#[tokio::test]
async fn the_error_of_a_process_that_dies_has_its_last_words() {
    let lab = Lab::open("process");
    let code = "export default { fetch() { console.error(\"farewell\"); process.exit(3); } };";
    let instance = lab.start(&lab.handler("dies", "", code), Variant::Js).await.unwrap();
    assert_eq!(get(&*instance, "/").await.unwrap_err(), Cause::Crashed("exit code 3: farewell".into()));
    stop(instance).await;
    let broken = lab.handler("broken", "", "throw new Error(\"no handler\");");
    let error = lab.start(&broken, Variant::Js).await.err().unwrap();
    assert!(error.to_string().contains("no handler"), "{error}");
}

/// More than a pipe holds.
#[tokio::test]
async fn a_process_that_writes_to_stderr_is_not_held_up() {
    let lab = Lab::open("process");
    let code = "import { writeSync } from \"node:fs\";
        export default { fetch() { writeSync(2, \"x\".repeat(1 << 20)); return new Response(\"ok\"); } };";
    let instance = lab.start(&lab.handler("talks", "", code), Variant::Js).await.unwrap();
    assert_eq!(get(&*instance, "/").await.unwrap().body(), "ok");
    stop(instance).await;
}

#[tokio::test]
async fn functions_are_refused_folders_and_variables_of_the_server() {
    let lab = Lab::open("process");
    let refused = |toml: &str| {
        let function = lab.handler("granted", toml, "export default { fetch() {} };");
        lab.process.supports(&function, Variant::Js).unwrap_err()
    };
    let folder = refused("[grants]\nfolders = [{ path = \"/tmp\", at = \"/data\" }]");
    assert!(folder.contains("none at another path"), "{folder}");
    let variable = refused("[grants]\nenv = { ISOLAB_SOCKET = \"/x\" }");
    assert!(variable.contains("`ISOLAB_SOCKET`"), "{variable}");
}

/// The folder is at the place that the grant names, and the host's own path is not there.
#[tokio::test]
async fn bubblewrap_shows_a_granted_folder_and_none_besides() {
    let lab = Lab::open("process:confine=bubblewrap");
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["read", "write"] {
        std::fs::create_dir(place.path().join(name)).unwrap();
        let mode = std::fs::Permissions::from_mode(if name == "write" { 0o777 } else { 0o755 });
        std::fs::set_permissions(place.path().join(name), mode).unwrap();
        std::fs::write(place.path().join(name).join("file"), name).unwrap();
    }
    let toml = format!(
        "[grants]\nfolders = [{{ path = \"{0}/read\", at = \"/data/in\" }}, \
         {{ path = \"{0}/write\", at = \"/data/out\", writable = true }}]",
        place.path().display()
    );
    let code = r#"
        import { existsSync, readFileSync, writeFileSync } from "node:fs";
        const writes = (path) => { try { writeFileSync(path, "new"); return true; } catch { return false; } };
        export default { fetch(request) {
            const host = new URL(request.url).searchParams.get("host");
            return Response.json([readFileSync("/data/in/file", "utf8"), writes("/data/in/new"),
                writes("/data/out/new"), existsSync(host)]);
        } };"#;
    let instance = lab.start(&lab.handler("folders", &toml, code), Variant::Js).await.unwrap();
    let asked = format!("/?host={}", place.path().display());
    assert_eq!(get_text(&*instance, &asked).await.unwrap(), r#"["read",false,true,false]"#);
    stop(instance).await;
    assert_eq!(std::fs::read_to_string(place.path().join("write/new")).unwrap(), "new");
    let own = "[grants]\nfolders = [{ path = \"/opt\", at = \"/usr/data\" }]";
    let refused = lab.process.supports(&lab.handler("own", own, code), Variant::Js).unwrap_err();
    assert!(refused.contains("belongs to the server"), "{refused}");
}

#[tokio::test]
async fn a_stranger_on_the_host_is_not_taken_for_the_process() {
    let lab = Lab::open("process");
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    let environ = std::fs::read(format!("/proc/{}/environ", id(&*instance))).unwrap();
    let environ = String::from_utf8(environ).unwrap();
    let path = environ.split('\0').find_map(|variable| variable.strip_prefix("ISOLAB_SOCKET=")).unwrap();
    let mut stranger = std::os::unix::net::UnixStream::connect(path).unwrap();
    std::io::Write::write_all(&mut stranger, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    let answer = get(&*instance, "/?myName=World").await.unwrap();
    assert!(!answer.body().is_empty());
    stop(instance).await;
}

/// The function's whole state is in its folder, which goes with the executor.
#[tokio::test]
async fn nothing_stays_in_the_folder_for_sockets() {
    let lab = Lab::open("process");
    let function = function("hello");
    let prepared = lab.process.prepare(&function, Variant::Rust, &mut Laps::begin()).await.unwrap();
    let instance = start(&*prepared).await;
    let program = std::fs::read_link(format!("/proc/{}/exe", id(&*instance))).unwrap();
    assert!(program.is_file());
    stop(instance).await;
    lab.process.close().await.unwrap();
    assert!(!program.parent().unwrap().parent().unwrap().exists());
}

async fn start(prepared: &dyn Prepared) -> Box<dyn Instance> {
    prepared.start(&mut Laps::begin()).await.unwrap()
}
