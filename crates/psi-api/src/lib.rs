//! The gRPC surface: services and messages generated from `proto/psi/v1`, conversions to the types of the inner
//! crates, and errors with a cause that a program can read. No sockets.

mod codec;
mod convert;
mod error;
mod reasons;

/// Generated from `proto/psi/v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    unreachable_pub,
    reason = "generated; documented in the proto files"
)]
pub mod v1 {
    tonic::include_proto!("psi.v1");
    include!(concat!(env!("OUT_DIR"), "/links/psi.v1.rs"));
}

/// All proto files, compiled, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

pub use codec::LinkCodec;
pub use convert::{
    agreement, arm_outcomes, drift::report as drift_report, field, guardian, percent, state, step, timestamp, version,
    version_of,
};
pub use error::{Cause, DOMAIN, cause_of};
pub use psi_replica::proto as replica;
pub use reasons::{REASONS, Reason, Surface, http_status};
