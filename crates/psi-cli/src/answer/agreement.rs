//! Whether nodes hold the same.

use data_encoding::HEXLOWER;
use psi_api::v1;
use serde::Serialize;

/// Frontier hash and digest, in hexadecimal; empty where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Agreement {
    pub(crate) frontier_hash: String,
    pub(crate) digest: String,
}

impl From<v1::Agreement> for Agreement {
    fn from(from: v1::Agreement) -> Self {
        let v1::Agreement { frontier_hash, digest } = from;
        Self { frontier_hash: HEXLOWER.encode(&frontier_hash), digest: HEXLOWER.encode(&digest) }
    }
}
