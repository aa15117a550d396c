//! Why something could not be measured.

use tonic::Status;

use crate::client;

/// Why a row, or a whole group, could not be measured; the others are not touched by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BenchError(String);

impl BenchError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// What `node` answered.
    pub(crate) fn refused(node: &str, status: &Status) -> Self {
        Self(format!("{node}: {}", client::refusal_text(status)))
    }
}
