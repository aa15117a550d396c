//! Generates the message of transitions from `proto/`; protox compiles it, so no protoc is needed.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    for file in ["psi/process/v1/process.proto", "psi/ledger/v1/ledger.proto"] {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let messages = protox::compile(["psi/process/v1/process.proto"], [&root])?;
    prost_build::Config::new().extern_path(".psi.ledger.v1", "::psi_ledger::proto").compile_fds(messages)?;
    Ok(())
}
