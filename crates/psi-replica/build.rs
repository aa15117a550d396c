//! Generates the messages of links and snapshots from `proto/`; protox compiles them, so no protoc is needed.

use std::{env, error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let files = ["psi/replica/v1/link.proto", "psi/replica/v1/snapshot.proto", "psi/replica/v1/checkpoint.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(files, [&root])?;
    prost_build::Config::new()
        .bytes(["."]) // entry values are shared, not copied
        .compile_fds(descriptors)?;
    Ok(())
}
