//! The binary `isolab`; all of it is in the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    isolab::exit::report(isolab::cli::run(std::env::args_os()))
}
