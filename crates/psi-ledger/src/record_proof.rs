//! One record with the proof that it is in a ledger, as a text: a [C2SP tlog-proof](https://c2sp.org/tlog-proof).
//!
//! The record is the extra data of the proof. So the text proves all of it to anyone who knows the key of the node.

use data_encoding::BASE64;
use psi_security::node_key::NodePublicKey;

use crate::{
    hash::TreeHash,
    head::{HeadRefusal, SignedHead, UnverifiedHead},
    log_name::LogName,
    record::{RECORD_BYTES_MAX, Record, RecordRefusal},
    tree::ProofRefusal,
};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Longest text of a proof: the record in base64, 48 hashes, a head, and the words around them.
pub const PROOF_BYTES_MAX: usize = RECORD_BYTES_MAX / 3 * 4 + 8 * 1_024;

/// A record of a ledger, proved.
#[derive(Clone, Debug)]
pub struct RecordProof {
    index: u64,
    leaf: Vec<u8>,
    record: Record,
    hashes: Vec<TreeHash>,
    head: SignedHead,
}

/// A proof of which nobody verified yet who signed its head.
#[derive(Clone, Debug)]
pub struct UnverifiedProof {
    index: u64,
    leaf: Vec<u8>,
    hashes: Vec<TreeHash>,
    head: UnverifiedHead,
}

/// Why a text proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordProofRefusal {
    /// Too long to be one.
    #[error("a proof of a record has at most {PROOF_BYTES_MAX} bytes, and this has {0}")]
    Length(usize),
    /// No tlog-proof of the form that is written here.
    #[error("the text is no proof of a record: {0}; take another copy of it")]
    Malformed(&'static str),
    /// Its head is none, or its node did not sign it.
    #[error(transparent)]
    Head(#[from] HeadRefusal),
    /// Its record is none.
    #[error(transparent)]
    Record(#[from] RecordRefusal),
    /// Its hashes do not lead from the record to the head.
    #[error("record {index}: {refusal}")]
    Proof {
        /// The record.
        index: u64,
        /// Why.
        refusal: ProofRefusal,
    },
}

impl RecordProof {
    /// The proof that `leaf` is the record at `index` of the ledger of `head`; `hashes` is its inclusion proof.
    ///
    /// # Errors
    /// [`RecordProofRefusal`]: it is not.
    pub fn new(index: u64, leaf: Vec<u8>, hashes: Vec<TreeHash>, head: SignedHead) -> Result<Self, RecordProofRefusal> {
        let refused = |refusal| RecordProofRefusal::Proof { index, refusal };
        head.head().tree.verify_inclusion(index, TreeHash::of_leaf(&leaf), &hashes).map_err(refused)?;
        let record = Record::decode(&leaf)?;
        Ok(Self { index, leaf, record, hashes, head })
    }

    /// Where the record is in its ledger.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The head that covers it.
    #[must_use]
    pub fn head(&self) -> &SignedHead {
        &self.head
    }

    /// The proof as text, for a file that ends in `.tlog-proof`.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.leaf, self.index, &self.hashes, &self.head.note())
    }
}

fn text_of(leaf: &[u8], index: u64, hashes: &[TreeHash], note: &str) -> String {
    let hashes: String = hashes.iter().map(|hash| BASE64.encode(hash.as_bytes()) + "\n").collect();
    format!("{FIRST_LINE}\nextra {}\nindex {index}\n{hashes}\n{note}", BASE64.encode(leaf))
}

impl UnverifiedProof {
    /// Reads a proof. Its ledger says whose key verifies it.
    ///
    /// # Errors
    /// [`RecordProofRefusal`]: it is none, or is written in another way than here.
    pub fn parse(text: &str) -> Result<Self, RecordProofRefusal> {
        let malformed = RecordProofRefusal::Malformed;
        if text.len() > PROOF_BYTES_MAX {
            return Err(RecordProofRefusal::Length(text.len()));
        }
        let (proof, note) = text.split_once("\n\n").ok_or(malformed("no empty line ends its hashes"))?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(malformed("it does not begin as tlog-proofs do"));
        }
        let extra = lines.next().and_then(|line| BASE64.decode(line.strip_prefix("extra ")?.as_bytes()).ok());
        let leaf = extra.ok_or(malformed("its second line is not `extra` and the record"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or(malformed("its third line is not `index` and a number"))?;
        let hash = |line: &str| BASE64.decode(line.as_bytes()).ok().and_then(|bytes| TreeHash::from_slice(&bytes));
        let hashes = lines.map(hash).collect::<Option<_>>().ok_or(malformed("a line of its hashes is none"))?;
        let read = Self { index, leaf, hashes, head: UnverifiedHead::parse(note)? };
        let is_canonical = text_of(&read.leaf, read.index, &read.hashes, note) == text;
        if is_canonical { Ok(read) } else { Err(malformed("a number in it is not written in the shortest way")) }
    }

    /// The ledger that it says it is of.
    #[must_use]
    pub fn log(&self) -> &LogName {
        &self.head.unverified().log
    }

    /// Verifies all of it, where this key signs the ledger.
    ///
    /// # Errors
    /// [`RecordProofRefusal`].
    pub fn verify(self, public_key: &NodePublicKey) -> Result<RecordProof, RecordProofRefusal> {
        RecordProof::new(self.index, self.leaf, self.hashes, self.head.verify(public_key)?)
    }
}
