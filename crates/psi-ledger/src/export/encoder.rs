//! Writes an export, part by part, so that it need not be in memory as a whole.

use psi_replica::ClusterName;
use psi_security::node_key::NodePublicKey;
use sha2::{Digest, Sha256};

use super::format::{ABOUT, FORMAT, PART_TAG};
use crate::{
    hash::TreeHash,
    head::SignedHead,
    log_name::LogName,
    proto::{self, part},
    tree::CompactRange,
};

/// Writes an export. Each call appends to `out`, which may be written to the file and cleared between calls.
///
/// The order is: vouchers by their bytes; runs by their ledgers, each followed by its records in order (a long body
/// after its record), and by one head, which covers all of them.
#[derive(Debug)]
pub struct ExportEncoder {
    digest: Sha256,
    parts: u64,
}

/// What stands in an export before the records of a run.
#[derive(Clone, Debug)]
pub struct RunPreface<'a> {
    /// Its ledger.
    pub log: &'a LogName,
    /// The key that signs its heads.
    pub public_key: NodePublicKey,
    /// The records that are not in the file, if its older ones were not kept; else an empty range.
    pub before: &'a CompactRange,
    /// The hashes of all records that are in the file.
    pub leaf_hashes: &'a [TreeHash],
}

impl ExportEncoder {
    /// Begins an export of the ledgers of a cluster.
    #[must_use]
    pub fn begin(cluster: &ClusterName, out: &mut Vec<u8>) -> Self {
        let mut encoder = Self { digest: Sha256::new(), parts: 0 };
        let preamble = proto::Preamble { about: ABOUT.to_owned(), format: FORMAT, cluster: cluster.to_string() };
        encoder.part(part::Part::Preamble(preamble), out);
        encoder
    }

    /// Adds a voucher for the key of a run that follows.
    pub fn voucher(&mut self, voucher: &[u8], out: &mut Vec<u8>) {
        self.part(part::Part::Voucher(voucher.to_vec()), out);
    }

    /// Begins a run.
    pub fn run(&mut self, preface: &RunPreface<'_>, out: &mut Vec<u8>) {
        let RunPreface { log, public_key, before, leaf_hashes } = preface;
        let run = proto::Run {
            log: log.to_string(),
            public_key: public_key.as_bytes().to_vec(),
            first: before.end(),
            before: TreeHash::list_to_bytes(before.hashes()),
            leaf_hashes: TreeHash::list_to_bytes(leaf_hashes),
        };
        self.part(part::Part::Run(run), out);
    }

    /// Adds a record of the run, with its body if that is long.
    pub fn record(&mut self, leaf: &[u8], long_body: Option<&[u8]>, out: &mut Vec<u8>) {
        self.part(part::Part::Record(leaf.to_vec()), out);
        if let Some(body) = long_body {
            self.part(part::Part::Body(body.to_vec()), out);
        }
    }

    /// Ends a run with the head that covers all of its records.
    pub fn head(&mut self, head: &SignedHead, out: &mut Vec<u8>) {
        self.part(part::Part::Head(head.note()), out);
    }

    /// Ends the file.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let sha256 = self.digest.finalize_reset().to_vec();
        let trailer = proto::Trailer { parts: self.parts, sha256 };
        self.part(part::Part::Trailer(trailer), out);
    }

    fn part(&mut self, part: part::Part, out: &mut Vec<u8>) {
        let begin = out.len();
        prost::encoding::message::encode(PART_TAG, &proto::Part { part: Some(part) }, out);
        self.digest.update(&out[begin..]);
        self.parts += 1;
    }
}
