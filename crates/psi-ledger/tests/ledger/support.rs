//! Ledgers of a small cluster, with a record of every kind, as one file.

use std::sync::LazyLock;

use psi_ledger::{
    Head, LogName, Record, SignedHead, TreeHash,
    body::{ClusterCheckpoint, KeyChange, NamedHead, NamedRecord, RunStart},
    export::{ExportEncoder, RunPreface},
    record::{Actor, Body, Content, Evidence, Kind},
    tree::{CompactRange, prove_consistency},
};
use psi_replica::{Clock, NodeId};
use psi_security::{
    certificate::{Authority, TrustAnchors},
    key::ClusterKey,
    node_key::{NodeKey, Voucher},
    token::{Role, TokenId, TokenLabel},
};

pub(crate) fn log(node: &str, run: u64) -> LogName {
    LogName::parse(&format!("psi-field/ledger/prod/{node}/{run}")).unwrap()
}

pub(crate) fn key(byte: u8) -> NodeKey {
    NodeKey::from_random(&[byte; 32])
}

pub(crate) fn authority(byte: u8) -> Authority {
    Authority::derive(&ClusterKey::from_random([byte; 32]), "prod")
}

/// What an auditor has of the cluster.
pub(crate) fn anchors() -> &'static TrustAnchors {
    static ANCHORS: LazyLock<TrustAnchors> =
        LazyLock::new(|| TrustAnchors::from_certificates(&[authority(1).certificate_der().clone()]).unwrap());
    &ANCHORS
}

/// A run that keeps all of its ledger.
pub(crate) struct TestRun {
    pub(crate) log: LogName,
    pub(crate) key: NodeKey,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) long_bodies: Vec<Option<Vec<u8>>>,
}

impl TestRun {
    pub(crate) fn new(log: LogName, key: NodeKey) -> Self {
        Self { log, key, leaves: Vec::new(), long_bodies: Vec::new() }
    }

    pub(crate) fn begin(log: LogName, key: NodeKey, own: Option<&SignedHead>, shown: Option<&SignedHead>) -> Self {
        let (own, shown) = (own.map(NamedHead::from), shown.map(NamedHead::from));
        let start = RunStart { log: log.clone(), own, shown };
        let mut run = Self::new(log, key);
        run.append(Kind::RunStart, Actor::Node(run.log.run.node.clone()), start.encode());
        run
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock { wall_ms: self.log.run.incarnation * 1_000 + self.leaves.len() as u64, counter: 7 }
    }

    pub(crate) fn append(&mut self, kind: Kind, actor: Actor, body: Vec<u8>) -> u64 {
        self.append_with(kind, actor, body, Vec::new())
    }

    pub(crate) fn append_with(&mut self, kind: Kind, actor: Actor, body: Vec<u8>, evidence: Vec<Evidence>) -> u64 {
        let record = Record { clock: self.clock(), kind, actor, body: Body::of(body.clone()).unwrap(), evidence };
        self.long_bodies.push(matches!(record.body, Body::Long(_)).then_some(body));
        self.leaves.push(record.encode().unwrap());
        self.leaves.len() as u64 - 1
    }

    pub(crate) fn hashes(&self) -> Vec<TreeHash> {
        self.leaves.iter().map(|leaf| TreeHash::of_leaf(leaf)).collect()
    }

    pub(crate) fn named(&self, index: u64) -> NamedRecord {
        NamedRecord { log: self.log.clone(), index, leaf_hash: self.hashes()[usize::try_from(index).unwrap()] }
    }

    pub(crate) fn head(&self) -> SignedHead {
        self.head_of(self.leaves.len())
    }

    pub(crate) fn head_of(&self, size: usize) -> SignedHead {
        let tree = range_of(&self.hashes()[..size]).head().unwrap();
        SignedHead::sign(Head { log: self.log.clone(), tree, clock: self.clock() }, &self.key)
    }
}

pub(crate) fn range_of(hashes: &[TreeHash]) -> CompactRange {
    let mut range = CompactRange::empty(0).unwrap();
    hashes.iter().for_each(|hash| range.append(*hash).unwrap());
    range
}

pub(crate) fn operator() -> Actor {
    let token = TokenLabel { name: "alice at work".to_owned(), id: TokenId::from_random([7; 8]) };
    Actor::Token { token, role: Role::Operator }
}

/// The runs of a cluster: one node twice, the second time with another key, and another node.
pub(crate) struct Sample {
    pub(crate) runs: Vec<TestRun>,
}

/// Makes a checkpoint of heads that runs show.
pub(crate) fn checkpoint(
    runs: &[&TestRun],
    heads: &[SignedHead],
    predecessors: &[(NamedRecord, &ClusterCheckpoint)],
) -> ClusterCheckpoint {
    let prove = |log: &LogName, older, newer| {
        let run = runs.iter().find(|run| run.log == *log)?;
        prove_consistency(run.hashes().as_slice(), older, newer).ok()
    };
    ClusterCheckpoint::new(heads, predecessors, prove).unwrap()
}

impl Sample {
    pub(crate) fn new() -> Self {
        let node = |name| Actor::Node(NodeId::new(name).unwrap());
        let mut first = TestRun::begin(log("n1", 100), key(1), None, None);
        for kind in Kind::ALL {
            let is_own = [Kind::RunStart, Kind::ClusterCheckpoint, Kind::KeyChange].contains(kind);
            if !is_own {
                first.append(*kind, operator(), format!("{kind} of field f").into_bytes());
            }
        }
        first.append(Kind::AuthorityRefusal, Actor::Anyone, Vec::new());
        first.append(Kind::Later(9_999), node("n1"), b"what a later version says".to_vec());

        let mut other = TestRun::begin(log("n2", 150), key(3), None, None);
        let heads = [first.head_of(5), other.head()];
        let earliest = checkpoint(&[&first, &other], &heads, &[]);
        let at = other.append(Kind::ClusterCheckpoint, node("n2"), earliest.encode());
        let earliest_name = other.named(at);
        let plan = Evidence::new("plan of March.md", Content::of(b"a plan")).unwrap();
        let log_file = Evidence::new("run/log.txt", Content::of(b"a log")).unwrap();
        other.append_with(Kind::SpecChange, operator(), vec![b'x'; 1_500], vec![plan, log_file]);

        let last = first.head();
        let mut second = TestRun::begin(log("n1", 200), key(2), Some(&last), Some(&last));
        let change = KeyChange::sign(&second.log, &key(1), key(2).public());
        second.append(Kind::KeyChange, node("n1"), change.encode(&second.log));
        let heads = [first.head(), second.head(), other.head()];
        let middle = checkpoint(&[&first, &second, &other], &heads, &[(earliest_name, &earliest)]);
        let at = second.append(Kind::ClusterCheckpoint, node("n1"), middle.encode());
        let middle_name = second.named(at);

        let heads = [second.head(), other.head()];
        let latest = checkpoint(&[&second, &other], &heads, &[(middle_name, &middle)]);
        other.append(Kind::ClusterCheckpoint, node("n2"), latest.encode());
        Self { runs: vec![first, second, other] }
    }

    /// The file.
    pub(crate) fn export(&self) -> Vec<u8> {
        let mut vouchers: Vec<_> = self.runs.iter().map(voucher_of).collect();
        vouchers.sort();
        let mut out = Vec::new();
        let mut encoder = ExportEncoder::begin(&self.runs[0].log.cluster, &mut out);
        vouchers.iter().for_each(|voucher| encoder.voucher(voucher, &mut out));
        for run in &self.runs {
            export_run(&mut encoder, run, 0, &mut out);
        }
        encoder.finish(&mut out);
        out
    }
}

pub(crate) fn voucher_of(run: &TestRun) -> Vec<u8> {
    Voucher::issue(&authority(1), run.log.run.node.as_str(), run.key.public(), 5).to_bytes()
}

/// Writes the records of a run from `first` on.
pub(crate) fn export_run(encoder: &mut ExportEncoder, run: &TestRun, first: usize, out: &mut Vec<u8>) {
    let hashes = run.hashes();
    let before = range_of(&hashes[..first]);
    let preface =
        RunPreface { log: &run.log, public_key: run.key.public(), before: &before, leaf_hashes: &hashes[first..] };
    encoder.run(&preface, out);
    for (leaf, body) in run.leaves.iter().zip(&run.long_bodies).skip(first) {
        encoder.record(leaf, body.as_deref(), out);
    }
    encoder.head(&run.head(), out);
}

/// A file of some runs, without vouchers.
pub(crate) fn export_of(runs: &[&TestRun]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ExportEncoder::begin(&runs[0].log.cluster, &mut out);
    runs.iter().for_each(|run| export_run(&mut encoder, run, 0, &mut out));
    encoder.finish(&mut out);
    out
}

/// Three other values of a byte.
pub(crate) fn other_values(byte: u8) -> [u8; 3] {
    [byte ^ 1, byte ^ 0x80, !byte]
}
