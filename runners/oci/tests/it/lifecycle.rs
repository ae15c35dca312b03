//! How containers are confined, how they die, and that nothing of them stays.

use std::path::Path;

use isolab_core::{Cause, Executor as _, Variant};

use crate::support::{Lab, function, get, stop};

const RUNTIMES: [&str; 4] =
    ["oci:runtime=libcontainer", "oci:runtime=runc", "oci:runtime=crun", "oci:runtime=runsc"];

fn status(process: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn members(group: &Path) -> Vec<u32> {
    let list = std::fs::read_to_string(group.join("cgroup.procs")).unwrap();
    list.lines().map(|process| process.parse().unwrap()).collect()
}

#[tokio::test]
async fn each_runtime_answers_and_leaves_nothing_behind() {
    for spec in RUNTIMES {
        let Some(lab) = Lab::open(spec) else { continue };
        for variant in [Variant::Rust, Variant::Js] {
            let instance = lab.start(&function("hello"), variant).await.unwrap();
            assert!(!get(&*instance, "/?myName=World").await.unwrap().body().is_empty(), "{spec}");
            let outside = instance.outside();
            assert!(
                !outside.cgroups.is_empty() && outside.cgroups.len() == outside.around.len(),
                "{outside:?}"
            );
            let begun = std::time::Instant::now();
            stop(instance).await;
            assert!(outside.cgroups.iter().all(|group| !group.exists()), "{spec} {outside:?}");
            println!("{spec} {variant}: stopped in {:?}", begun.elapsed());
            if let Some(around) = outside.around.first() {
                assert_eq!(
                    std::fs::read_dir(around).unwrap().flatten().filter(|it| it.path().is_dir()).count(),
                    0
                );
            }
        }
        let folder = lab.oci.session_folder().to_owned();
        lab.oci.close().await.unwrap();
        assert!(!folder.exists(), "{spec}");
    }
}

#[tokio::test]
async fn each_runtime_starts_a_container_on_the_processor_of_a_measurement() {
    for spec in RUNTIMES {
        let Some(lab) = Lab::open_pinned(spec) else { continue };
        let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
        assert!(!get(&*instance, "/").await.unwrap().body().is_empty(), "{spec}");
        let outside = instance.outside();
        for process in outside.cgroups.iter().flat_map(|group| members(group)) {
            assert_eq!(status(process, "Cpus_allowed_list"), "0", "{spec}");
        }
        stop(instance).await;
        lab.oci.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_container_has_the_confinement_of_an_engines_container() {
    let Some(lab) = Lab::open("oci") else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    let outside = instance.outside();
    let [server] = members(&outside.cgroups[0])[..] else { panic!("one process: {outside:?}") };
    assert_eq!(status(server, "NoNewPrivs"), "1");
    assert_eq!(status(server, "Uid"), "65534 65534 65534 65534");
    assert_eq!((status(server, "CapEff"), status(server, "CapBnd")), ("0".repeat(16), "0".repeat(16)));
    for namespace in ["pid", "net", "ipc", "uts", "mnt"] {
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/{namespace}")).unwrap();
        assert_ne!(of(&server.to_string()), of("self"), "{namespace}");
    }
    let limit = ["memory.max", "memory.limit_in_bytes"].iter().find_map(|file| {
        outside.cgroups.iter().find_map(|group| std::fs::read_to_string(group.join(file)).ok())
    });
    assert_eq!(limit.unwrap().trim(), function("hello").limits().memory_bytes.to_string());
    stop(instance).await;
}

#[tokio::test]
async fn instances_of_a_function_share_a_network_only_if_they_are_to() {
    for (spec, shares) in [("oci:network=shared", true), ("oci:network=none", false)] {
        let Some(lab) = Lab::open(spec) else { return };
        let prepared = lab.prepare(&function("hello"), Variant::Rust).await.unwrap();
        let instances = [lab.start_of(&*prepared).await, lab.start_of(&*prepared).await];
        let networks = instances.each_ref().map(|instance| {
            let server = members(&instance.outside().cgroups[0])[0];
            std::fs::read_link(format!("/proc/{server}/ns/net")).unwrap()
        });
        assert_eq!(networks[0] == networks[1], shares, "{spec}");
        for instance in instances {
            stop(instance).await;
        }
    }
}

#[tokio::test]
async fn a_container_that_dies_says_why_and_takes_its_processes_along() {
    let Some(lab) = Lab::open("oci") else { return };
    let code = "export default { fetch() { console.error(\"farewell\"); process.exit(3); } };";
    let instance = lab.start(&lab.handler("dies", "", code), Variant::Js).await.unwrap();
    assert_eq!(get(&*instance, "/").await.unwrap_err(), Cause::Crashed("exit code 3: farewell".into()));
    stop(instance).await;
    let broken = lab.handler("broken", "", "throw new Error(\"no handler\");");
    let error = lab.start(&broken, Variant::Js).await.err().unwrap();
    assert!(error.to_string().contains("no handler"), "{error}");
}

#[tokio::test]
async fn an_instance_that_is_dropped_ends() {
    let Some(lab) = Lab::open("oci") else { return };
    let instance = lab.start(&function("hello"), Variant::Rust).await.unwrap();
    let group = instance.outside().cgroups[0].clone();
    let server = members(&group)[0];
    drop(instance);
    let begun = std::time::Instant::now();
    while Path::new(&format!("/proc/{server}")).exists() {
        assert!(begun.elapsed().as_secs() < 20, "process {server} goes on");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    lab.oci.close().await.unwrap();
    assert!(!group.parent().unwrap().exists(), "{}", group.display());
}
