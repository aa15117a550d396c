//! Generates the messages of voters and proposers from `proto/`; protox compiles them, so no protoc is needed.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let file = "psi/quorum/v1/quorum.proto";
    println!("cargo::rerun-if-changed={}", root.join(file).display());
    prost_build::compile_fds(protox::compile([file], [&root])?)?;
    Ok(())
}
