//! Bad input is refused before anything is measured.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::support::{finish, isolab, run};

/// The command line must end with this exit code, and all of these words on stderr.
fn refused(line: &str, code: i32, words: &[&str]) {
    let finished = run(line.split(' '));
    assert_eq!(finished.code, Some(code), "{line}: {finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{line}: no `{word}` in {}", finished.stderr);
    }
    let causes = finished.stderr.matches("os error").count();
    assert!(causes <= 1, "{line}: the cause stands {causes} times in {}", finished.stderr);
    assert_eq!(finished.stdout, "", "{line}");
}

/// An executor says so when it is opened.
#[test]
#[cfg(all(feature = "v8", feature = "wasm"))]
fn settings_that_exclude_each_other_are_refused_with_the_reason() {
    for (specs, reason) in [
        ("wasm:compiler=pulley,target=baseline", "leave out `target`"),
        ("v8:codecache=on", "needs `snapshot=off`"),
        ("v8,v8:jit=off", "serve it in a process of its own"),
        ("v8:jit=off,v8", "serve it in a process of its own"),
    ] {
        refused(&format!("serve --listen 127.0.0.1:0 --executor {specs}"), 1, &["cannot run", reason]);
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one_and_a_list() {
    for command in ["bench", "serve"] {
        refused(
            &format!("{command} --executor wasn"),
            2,
            &["did you mean `wasm`?", "wasm, v8, docker, oci, process, workerd, deno, direct"],
        );
        refused(&format!("{command} --executor wasm:compilr=winch"), 2, &["did you mean `compiler`?"]);
        refused(&format!("{command} --executor wasm:compiler=gcc"), 2, &["cranelift, winch"]);
        refused(
            &format!("{command} --executor wasm:compiler=which"),
            2,
            &["did you mean `winch`?", "cranelift, winch"],
        );
        refused(
            &format!("{command} --variant ruts"),
            2,
            &["did you mean `rust`?", "there are: rust, js, module, command"],
        );
        refused(&format!("{command} --reuse sometimes"), 2, &["`fresh`, `warm` or `reuse:N`"]);
    }
    refused("bench --function helo", 2, &["did you mean `hello`?", "blake3", "fibonacci", "json"]);
    refused("--executor v9", 2, &["did you mean `v8`?"]);
    refused("invoke direct helo", 2, &["did you mean `hello`?"]);
    refused("invoke dirct hello", 2, &["did you mean `direct`?"]);
}

#[test]
fn an_option_that_makes_no_sense_is_refused() {
    refused("bench --executor direct,direct", 2, &["named twice"]);
    refused("bench --executor direct: --function hello", 2, &["nothing follows the colon"]);
    refused("bench --function hello,hello", 2, &["named twice"]);
    refused("bench --function ./nowhere", 2, &["./nowhere"]);
    refused("bench --variant command --executor direct", 2, &["none of the functions"]);
    refused("bench --quick --full", 2, &["--full"]);
    refused("bench --seed many", 2, &["many"]);
    refused(
        "bench --only memroy --executor direct",
        2,
        &["`memroy`", "did you mean `memory`?", "startup, confinement, memory, density"],
    );
    refused("bench --resume /nowhere", 2, &["/nowhere", "cannot be resumed"]);
    refused("bench --resume /nowhere --quick", 2, &["--quick"]);
    refused("report", 2, &["<RUN>"]);
    refused("report /nowhere --print pdf", 2, &["markdown, html, csv, json"]);
    refused("report /nowhere --print markdwon", 2, &["did you mean `markdown`?"]);
    refused("report /nowhere --smallest-percent=-1", 2, &["percentage"]);
    refused("reproduce --run /nowhere --quick", 2, &["--quick"]);
    refused("reproduce --quick --full", 2, &["--full"]);
    refused("reproduce --claim runc-strat", 2, &["did you mean `runc-start`?"]);
    refused("reproduce --claim firecracker-start", 1, &["hardware virtualisation"]);
    for bounds in ["0", "many", "-1", "100000000"] {
        refused(&format!("serve --instances={bounds}"), 2, &["--instances", bounds, "from 1 to"]);
    }
    for command in ["serve", "invoke direct hello"] {
        for size in ["0", "64", "0MiB", "64MB", "5GiB"] {
            refused(&format!("{command} --memory {size}"), 2, &["--memory", size]);
        }
        for time in ["0s", "5", "25h"] {
            refused(&format!("{command} --deadline {time}"), 2, &["--deadline", time]);
        }
    }
    refused("serve --listen here", 2, &["here", "127.0.0.1:8080"]);
    refused("serve --workers 0 --executor direct", 2, &["at least 1"]);
    refused("serve --functions /nowhere --executor direct", 2, &["/nowhere"]);
    refused("invoke direct hello --variant js", 2, &["cannot run"]);
    refused("invoke direct hello --query myName", 2, &["`K=V`"]);
    refused("load localhost:80", 2, &["http://"]);
    refused("load https://localhost/", 2, &["http://"]);
    refused("load http://localhost/ --duration 5", 2, &["500ms"]);
    refused("load http://localhost/ --connections 0", 2, &["0"]);
    for rate in ["0", "-5", "many", "1.5"] {
        refused(&format!("load http://localhost/ --rate={rate}"), 2, &["--rate", rate, "from 1 to"]);
    }
    refused("load http://localhost/ --rate 5 --arrivals sometimes", 2, &["constant, poisson"]);
    refused("load http://localhost/ --seed 5", 2, &["--rate"]);
}

#[test]
fn an_unusable_output_folder_is_refused_before_measuring() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("file"), "").unwrap();
    let line = |out: &str| format!("--executor direct --function hello --out {out}");
    refused(&line("/proc/run"), 2, &["--out", "/proc/run"]);
    refused(&line(&parent.path().join("file/run").display().to_string()), 2, &["--out"]);
    refused(&line(&parent.path().display().to_string()), 2, &["not empty"]);
    let cache = parent.path().join("file/cache");
    refused(&format!("--executor direct --function hello --cache {}", cache.display()), 2, &["cache"]);
}

#[test]
fn the_error_for_a_port_in_use_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let line = format!("serve --executor direct --listen {address}");
    refused(&line, 1, &[&address.to_string(), "in use", "port 0"]);
}

#[test]
fn without_an_engine_docker_is_refused_at_once() {
    let begun = Instant::now();
    for command in ["bench", "serve"] {
        let mut asked = isolab();
        asked.args([command, "--executor", "docker", "--function", "hello"]);
        if command == "serve" {
            asked = isolab();
            asked.args(["serve", "--executor", "docker"]);
        }
        let finished = finish(asked.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("docker") && finished.stderr.contains("cannot run"), "{finished:?}");
        assert_eq!(finished.stdout, "");
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
}

#[test]
fn a_server_that_is_not_there_cannot_be_loaded() {
    // A port that is taken, and at which nobody listens.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = closed.local_addr().unwrap();
    for rate in ["", " --rate 10"] {
        let line = format!("load http://{address}/ --duration 100ms{rate}");
        refused(&line, 2, &["does not answer", "no connection", &address.to_string()]);
    }
}
