//! Generates the messages of entry values from `proto/`; protox compiles them, so no protoc is needed.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let files = ["psi/state/v1/entry.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(files, [&root])?;
    prost_build::Config::new()
        .bytes(["."]) // entry values are shared, not copied
        .extern_path(".psi.replica.v1", "::psi_replica::proto")
        .compile_fds(descriptors)?;
    Ok(())
}
