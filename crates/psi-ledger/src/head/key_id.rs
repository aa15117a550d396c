//! How signed notes tell keys apart.

use data_encoding::{BASE64, HEXLOWER};
use psi_security::node_key::NodePublicKey;
use sha2::{Digest, Sha256};

use crate::log_name::LogName;

/// What C2SP calls signatures of Ed25519.
const ED25519: [u8; 1] = [1];

/// The id of a key that signs the heads of a ledger, as C2SP has it for any signed note.
pub(super) fn key_id(log: &LogName, key: &NodePublicKey) -> [u8; 4] {
    id_of_key(&log.to_string(), key)
}

fn id_of_key(name: &str, key: &NodePublicKey) -> [u8; 4] {
    let hash = Sha256::new_with_prefix(name).chain_update(b"\n").chain_update(ED25519).chain_update(key.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The key of a ledger as tools for signed notes take it: `NAME+ID+KEY`.
#[must_use]
pub fn verifier_key(log: &LogName, key: &NodePublicKey) -> String {
    let bytes = [&ED25519[..], key.as_bytes()].concat();
    format!("{log}+{}+{}", HEXLOWER.encode(&key_id(log, key)), BASE64.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the documentation of Go's package `sumdb/note`.
    #[test]
    fn ids_of_keys_are_those_of_other_implementations() {
        let encoded = BASE64.decode(b"ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let key = NodePublicKey::from_bytes(encoded[1..].try_into().unwrap());
        assert_eq!(HEXLOWER.encode(&id_of_key("PeterNeumann", &key)), "c74f20a3");
    }
}
