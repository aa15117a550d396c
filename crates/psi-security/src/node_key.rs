//! A key that one node has, and what the cluster says of it.
//!
//! A node signs by its key what must be provably its own. A [`Voucher`] says whose key it is. Anyone who has the
//! certificate of the cluster's authority can verify one, without the cluster key.

use std::fmt;

use prost::Message;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{
    certificate::{Authority, AuthorityHash, TrustAnchors},
    text::{hex, is_name, list},
};

/// What vouchers are signed with. No certificate starts so.
const VOUCHER_CONTEXT: &str = "psi-field v1 voucher of a node key: ";

/// The key of a node: Ed25519, from 32 random bytes that the node keeps.
pub struct NodeKey(Ed25519KeyPair);

/// The public half of a node's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePublicKey([u8; 32]);

/// A signature of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSignature([u8; 64]);

/// That a public key is that of a node, by the word of a cluster key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voucher {
    /// The cluster.
    pub cluster: String,
    /// The node.
    pub node: String,
    /// Its key.
    pub public_key: NodePublicKey,
    /// The first second at which the node has it, since 1970.
    pub not_before_s: u64,
    /// By which authority it is signed.
    pub authority: AuthorityHash,
    signature: Vec<u8>,
}

/// A voucher of which nobody verified yet that an authority made it: for one who has no authority's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedVoucher(Voucher);

/// Why a voucher was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoucherRefusal {
    /// The bytes are no voucher.
    #[error("the bytes are no voucher of a node's key")]
    Malformed,
    /// It is for another cluster.
    #[error("the voucher of node `{node}` is for cluster `{shown}`, and this is `{wanted}`")]
    OtherCluster {
        /// The node.
        node: String,
        /// The voucher's cluster.
        shown: String,
        /// The cluster that was wanted.
        wanted: String,
    },
    /// None of the authorities signed it.
    #[error(
        "the voucher of node `{node}` is signed by authority {shown}, and accepted are {}; let the node renew it",
        list(.accepted)
    )]
    OtherAuthority {
        /// The node.
        node: String,
        /// By which authority it claims to be signed.
        shown: AuthorityHash,
        /// Those that are trusted.
        accepted: Vec<AuthorityHash>,
    },
    /// It names an authority that did not sign it.
    #[error("the voucher of node `{node}` claims to be signed by authority {authority} and is not: it was forged")]
    Forged {
        /// The node.
        node: String,
        /// By which authority it claims to be signed.
        authority: AuthorityHash,
    },
}

/// What is signed, and with the signature what is stored. Tags are never used for anything else.
#[derive(Clone, PartialEq, Message)]
struct VoucherMessage {
    #[prost(string, tag = "1")]
    cluster: String,
    #[prost(string, tag = "2")]
    node: String,
    #[prost(bytes = "vec", tag = "3")]
    public_key: Vec<u8>,
    #[prost(uint64, tag = "4")]
    not_before_s: u64,
    #[prost(bytes = "vec", tag = "5")]
    authority: Vec<u8>,
    /// Empty in what is signed.
    #[prost(bytes = "vec", tag = "6")]
    signature: Vec<u8>,
}

impl NodeKey {
    /// The key of 32 random bytes.
    ///
    /// # Panics
    /// Never: any 32 bytes are a key.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(bytes).expect("any 32 bytes are a key"))
    }

    /// Its public half.
    ///
    /// # Panics
    /// Never: public keys of Ed25519 have 32 bytes.
    #[must_use]
    pub fn public(&self) -> NodePublicKey {
        NodePublicKey(self.0.public_key().as_ref().try_into().expect("32 bytes"))
    }

    /// Signs a message. Each kind of message starts with bytes that no other kind starts with.
    ///
    /// # Panics
    /// Never: signatures of Ed25519 have 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> NodeSignature {
        NodeSignature(self.0.sign(message).as_ref().try_into().expect("64 bytes"))
    }
}

/// Only its public half.
impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.public())
    }
}

impl NodePublicKey {
    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the key's node signed this message.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &NodeSignature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature.0).is_ok()
    }
}

/// 64 hex digits.
impl fmt::Display for NodePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0))
    }
}

impl fmt::Debug for NodePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl NodeSignature {
    /// The signature of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Voucher {
    /// Vouches for the key of a node, in the name of an authority.
    #[must_use]
    pub fn issue(authority: &Authority, node: &str, public_key: NodePublicKey, not_before_s: u64) -> Self {
        let mut voucher = Self {
            cluster: authority.cluster().to_owned(),
            node: node.to_owned(),
            public_key,
            not_before_s,
            authority: authority.hash(),
            signature: Vec::new(),
        };
        voucher.signature = authority.sign(VOUCHER_CONTEXT, &voucher.signed_bytes());
        voucher
    }

    /// Its bytes, to keep and to send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        VoucherMessage { signature: self.signature.clone(), ..self.message() }.encode_to_vec()
    }

    /// Reads a voucher, and verifies that a trusted authority of the cluster made it.
    ///
    /// # Errors
    /// [`VoucherRefusal`].
    pub fn verify(anchors: &TrustAnchors, cluster: &str, bytes: &[u8]) -> Result<Self, VoucherRefusal> {
        UnverifiedVoucher::read(bytes)?.verify(anchors, cluster)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        self.message().encode_to_vec()
    }

    fn message(&self) -> VoucherMessage {
        VoucherMessage {
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            public_key: self.public_key.as_bytes().to_vec(),
            not_before_s: self.not_before_s,
            authority: self.authority.as_bytes().to_vec(),
            signature: Vec::new(),
        }
    }
}

impl UnverifiedVoucher {
    /// Reads a voucher. Only what is written as vouchers are, with names that errors can show.
    ///
    /// # Errors
    /// [`VoucherRefusal::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, VoucherRefusal> {
        Self::try_read(bytes).ok_or(VoucherRefusal::Malformed)
    }

    fn try_read(bytes: &[u8]) -> Option<Self> {
        let message = VoucherMessage::decode(bytes).ok()?;
        let voucher = Voucher {
            cluster: message.cluster,
            node: message.node,
            public_key: NodePublicKey(message.public_key.try_into().ok()?),
            not_before_s: message.not_before_s,
            authority: AuthorityHash::from_bytes(message.authority.try_into().ok()?),
            signature: message.signature,
        };
        let is_sound = is_name(&voucher.cluster) && is_name(&voucher.node) && voucher.to_bytes() == bytes;
        is_sound.then_some(Self(voucher))
    }

    /// What it says, and nobody has verified.
    #[must_use]
    pub fn unverified(&self) -> &Voucher {
        &self.0
    }

    /// Verifies that a trusted authority of the cluster made it.
    ///
    /// # Errors
    /// [`VoucherRefusal`].
    pub fn verify(self, anchors: &TrustAnchors, cluster: &str) -> Result<Voucher, VoucherRefusal> {
        let Self(voucher) = self;
        let (node, authority) = (voucher.node.clone(), voucher.authority);
        if voucher.cluster != cluster {
            return Err(VoucherRefusal::OtherCluster { node, shown: voucher.cluster, wanted: cluster.to_owned() });
        }
        if !anchors.hashes().contains(&authority) {
            let accepted = anchors.hashes().to_vec();
            return Err(VoucherRefusal::OtherAuthority { node, shown: authority, accepted });
        }
        if anchors.has_signed(authority, VOUCHER_CONTEXT, &voucher.signed_bytes(), &voucher.signature) {
            Ok(voucher)
        } else {
            Err(VoucherRefusal::Forged { node, authority })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ClusterKey;

    fn authority(key: u8) -> Authority {
        Authority::derive(&ClusterKey::from_random([key; 32]), "prod")
    }

    /// What someone without the cluster key knows.
    fn anchors(keys: &[u8]) -> TrustAnchors {
        let certificates: Vec<_> = keys.iter().map(|key| authority(*key).certificate_der().clone()).collect();
        TrustAnchors::from_certificates(&certificates).unwrap()
    }

    fn node_key() -> NodeKey {
        NodeKey::from_random(&[9; 32])
    }

    #[test]
    fn a_node_signs_and_others_verify() {
        let (key, other) = (node_key(), NodeKey::from_random(&[8; 32]));
        let signature = key.sign(b"head");
        assert!(key.public().has_signed(b"head", &signature));
        assert!(!key.public().has_signed(b"heap", &signature));
        assert!(!other.public().has_signed(b"head", &signature));
        assert_eq!(key.sign(b"head"), signature, "the same each time");
        assert_eq!(NodeSignature::from_bytes(*signature.as_bytes()), signature);
        assert_eq!(NodePublicKey::from_bytes(*key.public().as_bytes()), key.public());
        assert_eq!(format!("{key:?}"), format!("NodeKey({})", key.public()));
    }

    #[test]
    fn a_voucher_is_accepted_by_those_who_trust_its_authority() {
        let voucher = Voucher::issue(&authority(1), "n1", node_key().public(), 5);
        let bytes = voucher.to_bytes();
        assert_eq!(Voucher::verify(&anchors(&[2, 1]), "prod", &bytes), Ok(voucher));
        let node = || "n1".to_owned();
        let (shown, accepted) = (authority(1).hash(), vec![authority(2).hash()]);
        assert_eq!(
            Voucher::verify(&anchors(&[2]), "prod", &bytes),
            Err(VoucherRefusal::OtherAuthority { node: node(), shown, accepted })
        );
        assert_eq!(
            Voucher::verify(&anchors(&[1]), "test", &bytes),
            Err(VoucherRefusal::OtherCluster { node: node(), shown: "prod".to_owned(), wanted: "test".to_owned() })
        );
    }

    #[test]
    fn no_flipped_bit_of_a_voucher_is_accepted() {
        let bytes = Voucher::issue(&authority(1), "n1", node_key().public(), 5).to_bytes();
        for at in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            assert!(Voucher::verify(&anchors(&[1]), "prod", &bytes).is_err(), "bit {at}");
        }
        assert_eq!(Voucher::verify(&anchors(&[1]), "prod", b""), Err(VoucherRefusal::Malformed));
    }

    #[test]
    fn a_voucher_for_another_is_forged() {
        let voucher = Voucher::issue(&authority(1), "n1", node_key().public(), 5);
        let forged = Voucher { node: "n2".to_owned(), ..voucher.clone() };
        let by_another = Voucher { authority: authority(2).hash(), ..voucher };
        for (forged, node, authority) in [(forged, "n2", authority(1).hash()), (by_another, "n1", authority(2).hash())]
        {
            let refusal = Voucher::verify(&anchors(&[1, 2]), "prod", &forged.to_bytes());
            assert_eq!(refusal, Err(VoucherRefusal::Forged { node: node.to_owned(), authority }));
        }
    }

    #[test]
    fn a_voucher_with_names_that_no_line_can_show_is_malformed() {
        let voucher = Voucher::issue(&authority(1), "\u{1b}[2J", node_key().public(), 5);
        assert_eq!(Voucher::verify(&anchors(&[1]), "prod", &voucher.to_bytes()), Err(VoucherRefusal::Malformed));
    }
}
