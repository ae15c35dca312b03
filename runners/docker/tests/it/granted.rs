//! The grants of containers: outbound hosts, environment variables, arguments, folders.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Lab, PATIENCE, get, stop};
use isolab_core::function::Host;
use isolab_core::{Executor, Instance, Variant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A server that answers with the head and the body of the request, and counts its connections.
struct Origin {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream));
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Answers requests whose bodies have a length. A request for `/silence` has no answer, and one for
/// `/forged` an answer with the header of a refusal.
async fn answer(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        if head.contains(" /silence ") {
            return std::future::pending().await;
        }
        let forged = if head.contains(" /forged ") { "x-isolab-outbound: forged\r\n" } else { "" };
        let seen = format!("{head}{}", String::from_utf8_lossy(&body));
        let answer = format!("HTTP/1.1 201 Made\r\n{forged}content-length: {}\r\n\r\n{seen}", seen.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// A lab whose functions are granted the host `origin`, which is at this address.
async fn lab(spec: &str, origin: &Origin) -> Option<Lab> {
    let host = Host { name: "origin".into(), port: 80 };
    Lab::open_with(spec, [(host, origin.address)].into()).await
}

async fn text(instance: &dyn Instance, path: &'static str) -> String {
    let answer = tokio::time::timeout(PATIENCE, get(instance, path)).await.expect("it answers").unwrap();
    String::from_utf8(answer.body().to_vec()).unwrap()
}

const HOSTS: &str = "[grants]\nhosts = ['origin']\n[limits]\ndeadline_ms = 5000\n";

const FETCHES: &str = r#"
const paths = {
  "/get": () => fetch("http://origin/x?y=1#z", { headers: { "x-a": "b", host: "other", connection: "x-a" } }),
  "/post": () => fetch("http://ORIGIN:80/x", { method: "POST", body: "body" }),
  "/other": () => fetch("http://other/"),
  "/port": () => fetch("http://origin:81/"),
  "/https": () => fetch("https://origin/"),
  "/forged": () => fetch("http://origin/forged"),
  "/aborted": () => fetch("http://origin/silence", { signal: AbortSignal.timeout(50) }),
  "/many": async () => {
    const answers = await Promise.all(Array.from({ length: 500 }, () => fetch("http://origin/")));
    return new Response(String((await Promise.all(answers.map((answer) => answer.text()))).length));
  },
};
export default { async fetch(request) {
  try {
    const answer = await paths[new URL(request.url).pathname]();
    return new Response(`${answer.status} ${answer.headers.get("x-isolab-outbound")} ${await answer.text()}`);
  } catch (error) {
    return new Response(`${error.name}: ${error.message}`);
  }
} };
"#;

#[tokio::test]
async fn a_function_reaches_the_hosts_that_it_is_granted_and_no_others() {
    let origin = Origin::start().await;
    for spec in ["docker", "docker:network=none"] {
        let Some(mut lab) = lab(spec, &origin).await else { return };
        let function = lab.handler("fetches", HOSTS, FETCHES);
        let instance = lab.start(&function, Variant::Js).await.unwrap();
        let seen = text(&*instance, "/get").await;
        assert!(seen.starts_with("201 null GET /x?y=1 HTTP/1.1\r\n"), "{seen}");
        assert!(seen.contains("host: origin\r\n") && !seen.contains("other"), "{seen}");
        let seen = text(&*instance, "/post").await;
        assert!(seen.contains("content-length: 4\r\n") && seen.ends_with("\r\n\r\nbody"), "{seen}");
        for (path, host) in [("/other", "other:80"), ("/port", "origin:81")] {
            let refused = text(&*instance, path).await;
            let expected = format!("TypeError: the function is not granted the host `{host}`");
            assert!(refused.starts_with(&expected), "{refused}");
        }
        assert!(text(&*instance, "/https").await.contains("plain HTTP"));
        // An origin cannot speak for the host.
        assert!(text(&*instance, "/forged").await.starts_with("201 null GET /forged"));
        assert!(text(&*instance, "/aborted").await.starts_with("TimeoutError"));
        assert!(text(&*instance, "/many").await.starts_with("200 null 500"));
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_function_without_granted_hosts_reaches_none() {
    let origin = Origin::start().await;
    let Some(mut lab) = lab("docker", &origin).await else { return };
    let function = lab.handler("fetches-nothing", "", FETCHES);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let refused = text(&*instance, "/get").await;
    assert!(refused.starts_with("TypeError: the function is not granted the host `origin:80`"), "{refused}");
    stop(instance).await;
    assert_eq!(origin.connections(), 0);
}

/// Speaks to the host's socket without `fetch`.
const ATTACKS: &str = r#"
import { connect } from "node:net";
import { renameSync, rmSync } from "node:fs";
const path = process.env.ISOLAB_OUTBOUND;
const kept = [];
// The beginning of the host's answer to these bytes.
function say(bytes) {
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.write(bytes));
    socket.once("data", (data) => { resolve(decodeURIComponent(String(data))); socket.destroy(); });
    socket.once("error", (error) => resolve(error.code)).once("close", () => resolve("closed"));
  });
}
const paths = {
  "/connect": () => say("CONNECT origin:80 HTTP/1.1\r\nhost: origin:80\r\n\r\n"),
  "/origin-form": () => say("GET / HTTP/1.1\r\nhost: origin\r\n\r\n"),
  "/host": () => say("GET http://other/ HTTP/1.1\r\nhost: origin\r\n\r\n"),
  "/smuggle": () => say("GET http://origin/x HTTP/1.1\r\nhost: other\r\nconnection: host\r\n\r\n"),
  "/upgrade": () => say("GET http://origin/x HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"),
  "/head": () => say("GET http://origin/x HTTP/1.1\r\nx: " + "x".repeat(1 << 20)),
  "/garbage": () => say(Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167 + 13) % 256))),
  "/chunks": () => say("POST http://origin/x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
  // Asks on every connection that the host takes, and reads no answer.
  "/deaf": async () => {
    const asked = Array.from({ length: 256 }, () => new Promise((resolve) => {
      const socket = connect(path, () => socket.write("GET http://origin/x HTTP/1.1\r\n\r\n".repeat(100), () => resolve(1)));
      socket.pause().on("error", () => resolve(0));
      kept.push(socket);
    }));
    return (await Promise.all(asked)).reduce((sum, one) => sum + one, 0);
  },
  "/replace": () => [() => rmSync(path), () => renameSync(path, `${path}.old`)].map((attempt) => {
    try { attempt(); return "done"; } catch (error) { return error.code; }
  }).join(" "),
  "/crowd": async () => {
    const made = Array.from({ length: 10_000 }, () => new Promise((resolve) => {
      const socket = connect(path);
      kept.push(socket);
      socket.once("connect", () => resolve(1)).on("error", () => resolve(0));
    }));
    return (await Promise.all(made)).reduce((sum, one) => sum + one, 0);
  },
};
export default { async fetch(request) {
  return new Response(String(await paths[new URL(request.url).pathname]()));
} };
"#;

#[tokio::test]
async fn a_hostile_container_gets_past_the_hosts_checks_nowhere() {
    let origin = Origin::start().await;
    let Some(mut lab) = lab("docker:network=none", &origin).await else { return };
    let function = lab.handler("attacks", HOSTS, ATTACKS);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    for path in ["/connect", "/origin-form", "/host"] {
        let answer = text(&*instance, path).await;
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains("x-isolab-outbound"),
            "{path}: {answer}"
        );
    }
    let answer = text(&*instance, "/head").await;
    // The host does not read the rest, so the guest may see a broken connection before the answer.
    assert!(answer.starts_with("HTTP/1.1 431 ") || ["EPIPE", "ECONNRESET"].contains(&&*answer), "{answer}");
    assert_eq!(origin.connections(), 0);
    // The URL alone names the host.
    let answer = text(&*instance, "/smuggle").await;
    assert!(answer.contains("host: origin\r\n") && !answer.contains("other"), "{answer}");
    let answer = text(&*instance, "/upgrade").await;
    assert!(answer.starts_with("HTTP/1.1 201 ") && !answer.contains("h2c"), "{answer}");
    assert_eq!(text(&*instance, "/replace").await, "EROFS EROFS");
    stop(instance).await;
}

/// A container that speaks no HTTP, or does not listen, harms itself alone: the host goes on with it and
/// with the next one.
#[tokio::test]
async fn a_container_that_sends_garbage_or_reads_no_answers_is_outlived() {
    let origin = Origin::start().await;
    let Some(mut lab) = lab("docker:network=none", &origin).await else { return };
    let (attacks, fetches) = (lab.handler("deaf", HOSTS, ATTACKS), lab.handler("after", HOSTS, FETCHES));
    let instance = lab.start(&attacks, Variant::Js).await.unwrap();
    let answer = text(&*instance, "/garbage").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") || ["EPIPE", "ECONNRESET"].contains(&&*answer), "{answer}");
    let answer = text(&*instance, "/chunks").await;
    assert!(answer.starts_with("HTTP/1.1 ") || answer == "closed", "{answer}");
    assert_eq!(text(&*instance, "/deaf").await, "256");
    let neighbour = lab.start(&fetches, Variant::Js).await.unwrap();
    assert!(text(&*neighbour, "/many").await.starts_with("200 null 500"));
    for instance in [instance, neighbour] {
        stop(instance).await;
    }
}

#[tokio::test]
async fn a_crowd_of_outbound_connections_waits_in_the_container() {
    let origin = Origin::start().await;
    let Some(mut lab) = lab("docker:network=none", &origin).await else { return };
    let toml = format!("{HOSTS}memory_bytes = 268435456\n");
    let function = lab.handler("crowds-out", &toml, ATTACKS);
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let made: usize = text(&*instance, "/crowd").await.parse().unwrap();
    stop(instance).await;
    // The host takes 256. Others wait in the kernel, and Linux lets one more in than it is told.
    assert!(made <= 256 + 257, "{made} connections were made");
    assert_eq!(origin.connections(), 0);
}

const TELLS: &str = r#"
import { readFileSync, writeFileSync } from "node:fs";
function attempt(action) { try { return action(); } catch (error) { return error.code; } }
export default { fetch(_request, env) {
  return Response.json([
    env, process.env.LANGUAGE, process.argv.slice(2),
    attempt(() => readFileSync("/in/text", "utf8")),
    attempt(() => writeFileSync("/in/new", "x")),
    attempt(() => { writeFileSync("/out/new", "made"); return "written"; }),
  ]);
} };
"#;

#[tokio::test]
async fn environment_arguments_and_folders_are_those_of_the_grants() {
    let Some(mut lab) = Lab::open("docker").await else { return };
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let [input, output] = ["in", "out"].map(|name| place.path().join(name));
    for (folder, mode) in [(&input, 0o755), (&output, 0o777)] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    }
    fs::write(input.join("text"), "read").unwrap();
    let toml = format!(
        "[grants]\nenv = {{ LANGUAGE = 'a \"b\"\\\\n=c' }}\nargs = ['--fast', 'a b']\nfolders = [\n\
         {{ path = '{}', at = '/in' }},\n{{ path = '{}', at = '/out', writable = true }},\n]\n",
        input.display(),
        output.display()
    );
    let function = lab.handler("tells", &toml, TELLS);
    assert_eq!(lab.docker.supports(&function, Variant::Js), Ok(()));
    let instance = lab.start(&function, Variant::Js).await.unwrap();
    let told = text(&*instance, "/").await;
    stop(instance).await;
    let value = r#"a \"b\"\\\\n=c"#;
    let expected =
        format!(r#"[{{"LANGUAGE":"{value}"}},"{value}",["--fast","a b"],"read","EROFS","written"]"#);
    assert_eq!(told, expected);
    assert_eq!(fs::read_to_string(output.join("new")).unwrap(), "made");
    assert_eq!(fs::read_dir(&input).unwrap().count(), 1);
}
