//! Tells the binary how it was built, for `run.json` and every row.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = std::env::var("RUSTC").expect("Cargo names the compiler");
    let version = Command::new(&rustc).arg("--version").output().expect("the compiler answers its version");
    let version = String::from_utf8_lossy(&version.stdout);
    println!("cargo:rustc-env=ISOLAB_RUSTC={}", version.trim());
    for (name, from) in [("PROFILE", "PROFILE"), ("OPT_LEVEL", "OPT_LEVEL"), ("TARGET", "TARGET")] {
        let value = std::env::var(from).expect("Cargo sets it for build scripts");
        println!("cargo:rustc-env=ISOLAB_{name}={value}");
    }
}
