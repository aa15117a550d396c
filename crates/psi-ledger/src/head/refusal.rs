//! Why a head was refused.

use data_encoding::HEXLOWER;
use psi_security::node_key::NodePublicKey;

use super::key_id::key_id;
use crate::{
    log_name::{LogName, LogNameError},
    tree::SizeError,
};

/// Longest text of a head; those with the longest names have some 600 bytes.
pub const NOTE_BYTES_MAX: usize = 1_024;

/// Why a head was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadRefusal {
    /// Too long to be one.
    #[error("a head has at most {NOTE_BYTES_MAX} bytes of text, and this has {0}")]
    Length(usize),
    /// It is no checkpoint of the form that nodes write.
    #[error("the text is no head of a ledger: {0}; take another copy of it")]
    Malformed(&'static str),
    /// Its first line is no name of a ledger.
    #[error(transparent)]
    Log(#[from] LogNameError),
    /// It covers no records, or too many.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// It says itself that another key signed it.
    #[error(
        "the head of {log} names key {}, and the key of its node is {public_key} with id {}: the node changed its key, \
         or another wrote the head", HEXLOWER.encode(.shown), HEXLOWER.encode(&key_id(.log, .public_key))
    )]
    OtherKey {
        /// The ledger.
        log: LogName,
        /// The id of the key that it names.
        shown: [u8; 4],
        /// The key that was expected.
        public_key: NodePublicKey,
    },
    /// The signature is not of that key, or not of that text.
    #[error("the head of {log} is not signed by key {public_key}: its text or its signature was changed")]
    Forged {
        /// The ledger.
        log: LogName,
        /// The key that it names.
        public_key: NodePublicKey,
    },
}
