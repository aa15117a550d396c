//! Generates services and messages from `proto/`; protox compiles them, so no protoc is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let (calls, links) = (
        [
            "psi/v1/field.proto",
            "psi/v1/drift.proto",
            "psi/v1/version.proto",
            "psi/v1/cluster.proto",
            "psi/v1/ledger.proto",
            "psi/v1/lease.proto",
            "psi/v1/process.proto",
            "psi/v1/rollout.proto",
        ],
        ["psi/v1/replication.proto"],
    );
    println!("cargo::rerun-if-changed={}", root.display());
    // Reflection serves these.
    let descriptors = protox::compile(calls.into_iter().chain(links), [&root])?;
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;

    let configure = || tonic_prost_build::configure().extern_path(".psi.replica.v1", "::psi_replica::proto");
    configure().compile_fds(protox::compile(calls, [&root])?)?;
    // Frames are bounded before they are decoded.
    let links_out = out.join("links");
    fs::create_dir_all(&links_out)?;
    configure().codec_path("crate::LinkCodec").out_dir(links_out).compile_fds(protox::compile(links, [&root])?)?;
    Ok(())
}
