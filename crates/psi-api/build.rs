//! Generates services and messages from `proto/`; protox compiles them, so no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let files = ["psi/v1/field.proto", "psi/v1/cluster.proto", "psi/v1/replication.proto"];
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(files, [&root])?;
    // Reflection serves these.
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().extern_path(".psi.replica.v1", "::psi_replica::proto").compile_fds(descriptors)?;
    Ok(())
}
