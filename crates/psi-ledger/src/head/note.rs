//! A signed head as text, and how it is verified.

use std::fmt;

use data_encoding::BASE64;
use psi_replica::Clock;
use psi_security::node_key::{NodeKey, NodePublicKey, NodeSignature};

use super::{
    key_id::key_id,
    refusal::{HeadRefusal, NOTE_BYTES_MAX},
};
use crate::{hash::TreeHash, log_name::LogName, tree::TreeHead};

/// What the line with the clock begins with, and a line with a signature.
const CLOCK_PREFIX: &str = "psi-field clock ";
const SIGNATURE_PREFIX: &str = "— ";

/// How far a ledger has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The ledger.
    pub log: LogName,
    /// Its records.
    pub tree: TreeHead,
    /// When the node signed it, by the clock that stamps its records.
    pub clock: Clock,
}

/// A head that the holder of a key signed, which was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedHead {
    head: Head,
    public_key: NodePublicKey,
    signature: NodeSignature,
}

/// A head of which nobody knows yet who signed it.
#[derive(Clone, Debug)]
pub struct UnverifiedHead {
    head: Head,
    key_id: [u8; 4],
    signature: NodeSignature,
}

impl SignedHead {
    /// Signs a head. All records that it covers must be on disk before.
    #[must_use]
    pub fn sign(head: Head, key: &NodeKey) -> Self {
        let signature = key.sign(text_of(&head).as_bytes());
        Self { head, public_key: key.public(), signature }
    }

    /// What was signed.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Whose signature it is.
    #[must_use]
    pub fn public_key(&self) -> NodePublicKey {
        self.public_key
    }

    /// The head as text.
    #[must_use]
    pub fn note(&self) -> String {
        signed_text(&self.head, key_id(&self.head.log, &self.public_key), &self.signature)
    }
}

impl fmt::Debug for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHead")
            .field("head", &self.head)
            .field("public_key", &self.public_key)
            .finish_non_exhaustive()
    }
}

/// What is signed of a head.
fn text_of(head: &Head) -> String {
    let Head { log, tree, clock: Clock { wall_ms, counter } } = head;
    let root = BASE64.encode(tree.root().as_bytes());
    format!("{log}\n{}\n{root}\n{CLOCK_PREFIX}{wall_ms}.{counter}\n", tree.size())
}

fn signed_text(head: &Head, key_id: [u8; 4], signature: &NodeSignature) -> String {
    let signature = BASE64.encode(&[&key_id[..], signature.as_bytes()].concat());
    format!("{}\n{SIGNATURE_PREFIX}{} {signature}\n", text_of(head), head.log)
}

impl UnverifiedHead {
    /// Reads a head. Its name says whose key verifies it.
    ///
    /// # Errors
    /// [`HeadRefusal`]: it is none, or is written in another way than nodes write it.
    pub fn parse(text: &str) -> Result<Self, HeadRefusal> {
        if text.len() > NOTE_BYTES_MAX {
            return Err(HeadRefusal::Length(text.len()));
        }
        let lines: Vec<&str> = text.split('\n').collect();
        let [log, size, root, clock, "", signature, ""] = lines[..] else {
            return Err(HeadRefusal::Malformed("it has other lines than a head has"));
        };
        let log = LogName::parse(log)?;
        let size = size.parse().map_err(|_| HeadRefusal::Malformed("its second line is no number of records"))?;
        let root = decode(root).ok_or(HeadRefusal::Malformed("its third line is no hash"))?;
        let clock = read_clock(clock).ok_or(HeadRefusal::Malformed("its fourth line is no clock"))?;
        let (key_id, signature) =
            read_signature(signature, &log).ok_or(HeadRefusal::Malformed("its last line is no signature of it"))?;
        let head = Head { log, tree: TreeHead::new(size, TreeHash::from_bytes(root))?, clock };
        let read = Self { head, key_id, signature };
        if read.note() == text {
            Ok(read)
        } else {
            Err(HeadRefusal::Malformed("a number in it is not written in the shortest way"))
        }
    }

    /// What it says, and nobody has verified.
    #[must_use]
    pub fn unverified(&self) -> &Head {
        &self.head
    }

    /// The head as text.
    #[must_use]
    pub fn note(&self) -> String {
        signed_text(&self.head, self.key_id, &self.signature)
    }

    /// Verifies that this key signed it.
    ///
    /// # Errors
    /// [`HeadRefusal::OtherKey`], [`HeadRefusal::Forged`].
    pub fn verify(self, public_key: &NodePublicKey) -> Result<SignedHead, HeadRefusal> {
        let Self { head, key_id: shown, signature } = self;
        let (log, public_key) = (head.log.clone(), *public_key);
        if shown != key_id(&log, &public_key) {
            return Err(HeadRefusal::OtherKey { log, shown, public_key });
        }
        if public_key.has_signed(text_of(&head).as_bytes(), &signature) {
            Ok(SignedHead { head, public_key, signature })
        } else {
            Err(HeadRefusal::Forged { log, public_key })
        }
    }
}

impl From<&SignedHead> for UnverifiedHead {
    fn from(signed: &SignedHead) -> Self {
        let SignedHead { head, public_key, signature } = signed;
        Self { head: head.clone(), key_id: key_id(&head.log, public_key), signature: *signature }
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn read_clock(line: &str) -> Option<Clock> {
    let (wall_ms, counter) = line.strip_prefix(CLOCK_PREFIX)?.split_once('.')?;
    Some(Clock { wall_ms: wall_ms.parse().ok()?, counter: counter.parse().ok()? })
}

fn read_signature(line: &str, log: &LogName) -> Option<([u8; 4], NodeSignature)> {
    let text = line.strip_prefix(SIGNATURE_PREFIX)?.strip_prefix(log.to_string().as_str())?.strip_prefix(' ')?;
    let bytes: [u8; 68] = decode(text)?;
    let (key_id, signature) = bytes.split_first_chunk()?;
    Some((*key_id, NodeSignature::from_bytes(signature.try_into().ok()?)))
}
