//! Generates the messages of records and exports from `proto/`; protox compiles them, so no protoc is needed.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let file = "psi/ledger/v1/ledger.proto";
    println!("cargo::rerun-if-changed={}", root.join(file).display());
    prost_build::compile_fds(protox::compile([file], [&root])?)?;
    Ok(())
}
