//! That a node signs by another key than before, signed by the key before.

use prost::Message;
use psi_security::node_key::{NodeKey, NodePublicKey, NodeSignature};

use super::BodyRefusal;
use crate::{canonical, log_name::LogName, proto};

/// What a change of a node's key is signed with. No other message that node keys sign starts so.
const CONTEXT: &[u8] = b"psi-field v1 change of a node's key: ";
const WHAT: &str = "change of a node's key";

/// The change of a node's key. It stands in the ledger of the first run that signs by the new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChange {
    old_key: NodePublicKey,
    new_key: NodePublicKey,
    signature: NodeSignature,
}

impl KeyChange {
    /// Signs by the old key that `new_key` signs the heads of `log`.
    #[must_use]
    pub fn sign(log: &LogName, old: &NodeKey, new_key: NodePublicKey) -> Self {
        let old_key = old.public();
        Self { old_key, new_key, signature: old.sign(&signed_bytes(log, &old_key, &new_key)) }
    }

    /// The key before.
    #[must_use]
    pub fn old_key(&self) -> NodePublicKey {
        self.old_key
    }

    /// The key from this run on.
    #[must_use]
    pub fn new_key(&self) -> NodePublicKey {
        self.new_key
    }

    /// Its bytes, in the ledger `log`.
    #[must_use]
    pub fn encode(&self, log: &LogName) -> Vec<u8> {
        let signature = self.signature.as_bytes().to_vec();
        proto::KeyChange { signature, ..message(log, &self.old_key, &self.new_key) }.encode_to_vec()
    }

    /// Reads what a record of the ledger `log` says, and verifies that the old key signed it.
    ///
    /// # Errors
    /// [`BodyRefusal`].
    pub fn decode(bytes: &[u8], log: &LogName) -> Result<Self, BodyRefusal> {
        let read: proto::KeyChange = canonical::decode(bytes).ok_or(BodyRefusal::Malformed(WHAT))?;
        if read.log != log.to_string() {
            return Err(BodyRefusal::OtherLog { named: LogName::parse(&read.log)?.to_string(), log: log.to_string() });
        }
        let key = |bytes: Vec<u8>| bytes.try_into().map(NodePublicKey::from_bytes);
        let (Ok(old_key), Ok(new_key), Ok(signature)) =
            (key(read.old_key), key(read.new_key), <[u8; 64]>::try_from(read.signature))
        else {
            return Err(BodyRefusal::Malformed(WHAT));
        };
        if old_key == new_key {
            return Err(BodyRefusal::Malformed(WHAT));
        }
        let change = Self { old_key, new_key, signature: NodeSignature::from_bytes(signature) };
        if old_key.has_signed(&signed_bytes(log, &old_key, &new_key), &change.signature) {
            Ok(change)
        } else {
            Err(BodyRefusal::Forged { old_key: old_key.to_string(), new_key: new_key.to_string() })
        }
    }
}

fn message(log: &LogName, old_key: &NodePublicKey, new_key: &NodePublicKey) -> proto::KeyChange {
    let (old_key, new_key) = (old_key.as_bytes().to_vec(), new_key.as_bytes().to_vec());
    proto::KeyChange { log: log.to_string(), old_key, new_key, signature: Vec::new() }
}

fn signed_bytes(log: &LogName, old_key: &NodePublicKey, new_key: &NodePublicKey) -> Vec<u8> {
    [CONTEXT, message(log, old_key, new_key).encode_to_vec().as_slice()].concat()
}
