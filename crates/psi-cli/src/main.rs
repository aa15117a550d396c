//! The binary `psi-field`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    psi_cli::run()
}
