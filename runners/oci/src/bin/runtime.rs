//! The embedded runtime as a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    isolab_oci::embedded::main(std::env::args_os().skip(1)).into()
}
