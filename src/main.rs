//! Arguments → command → exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloakroom::cli::run(std::env::args_os())
}
