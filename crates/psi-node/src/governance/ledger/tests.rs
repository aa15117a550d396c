//! Which heads are believed. The heads are signed by keys of the tests, and shown as replicated state shows them.

use std::sync::Arc;

use psi_ledger::{
    CompactRange, Head, LogName, Record, SignedHead, TreeHash,
    record::{Actor, Body, Kind},
};
use psi_replica::{Clock, NodeId, Origin};
use psi_security::node_key::NodeKey;
use psi_state::LedgerHead;

use super::{
    auditor::LedgerAuditor,
    store::{LedgerStore, LogRow, NewRecords},
};
use crate::{
    node::{context::NodeContext, identity::Identity},
    settings::{Addresses, Settings},
};

/// A run whose ledger a test writes as it likes.
struct Run {
    log: LogName,
    key: NodeKey,
    leaves: Vec<Vec<u8>>,
}

impl Run {
    fn new(key: u8) -> Self {
        let run = Origin { node: NodeId::new("other").expect("a name"), incarnation: 7 };
        let log = LogName { cluster: Settings::new(run.node.clone()).cluster, run };
        Self { log, key: NodeKey::from_random(&[key; 32]), leaves: Vec::new() }
    }

    fn record(&mut self, text: &str) {
        let clock = Clock { wall_ms: 1_000 + self.leaves.len() as u64, counter: 0 };
        let body = Body::of(text.as_bytes().to_vec()).expect("short");
        let record = Record { clock, kind: Kind::OperatorAction, actor: Actor::Anyone, body, evidence: Vec::new() };
        self.leaves.push(record.encode().expect("a record"));
    }

    /// The head of the first records, as state shows it, and the records.
    fn shown(&self, size: usize, wall_ms: u64) -> LedgerHead {
        let mut range = CompactRange::default();
        self.leaves[..size].iter().for_each(|leaf| range.append(TreeHash::of_leaf(leaf)).expect("few"));
        let clock = Clock { wall_ms, counter: 0 };
        let head = Head { log: self.log.clone(), tree: range.head().expect("some"), clock };
        let signed = SignedHead::sign(head, &self.key);
        LedgerHead {
            clock,
            author: self.log.run.clone(),
            note: signed.note(),
            range: Vec::new().into(),
            public_key: self.key.public().as_bytes().to_vec().into(),
            voucher: Vec::new().into(),
            voter_key: Vec::new().into(),
        }
    }
}

/// A node alone, which asks nobody.
struct Auditor {
    context: Arc<NodeContext>,
    auditor: LedgerAuditor,
}

impl Auditor {
    fn new() -> Self {
        let settings = Settings { replication: false, ..Settings::new(NodeId::new("n").expect("a name")) };
        let nowhere = settings.grpc.listen;
        let addresses = Addresses { grpc: nowhere, http: nowhere, gossip: nowhere };
        let stored = (None, LedgerStore::in_memory());
        let context = Arc::new(NodeContext::new(settings, Identity::without_key(), addresses, stored));
        Self { auditor: LedgerAuditor::new(context.clone()), context }
    }

    /// Shows a head, with the records of it that state has.
    async fn show(&mut self, head: &LedgerHead, records: &[Vec<u8>]) {
        self.auditor.review_shown(head, records.to_vec()).await;
    }

    /// Records of the head that is believed, records that are held, and how many heads contradict it.
    fn held(&self, log: &LogName) -> (u64, u64, usize) {
        let row = self.context.ledger.store.log(log).expect("memory").expect("it was seen");
        (row.held.head().head().tree.size(), row.held.archive().end(), row.conflicts.len())
    }
}

#[tokio::test]
async fn a_head_that_goes_on_is_believed_and_its_records_are_kept() {
    let (mut run, mut node) = (Run::new(1), Auditor::new());
    for text in ["a", "b", "c", "d"] {
        run.record(text);
    }
    node.show(&run.shown(2, 10), &run.leaves[..2]).await;
    assert_eq!(node.held(&run.log), (2, 2, 0));
    node.show(&run.shown(4, 11), &run.leaves[2..]).await;
    assert_eq!(node.held(&run.log), (4, 4, 0));
    assert_eq!(node.context.ledger.store.leaf(&run.log, 3).expect("memory").as_ref(), run.leaves.last());
}

#[tokio::test]
async fn a_head_without_proof_is_not_believed_until_its_records_come() {
    let (mut run, mut node) = (Run::new(1), Auditor::new());
    for text in ["a", "b", "c", "d"] {
        run.record(text);
    }
    node.show(&run.shown(1, 10), &run.leaves[..1]).await;
    node.show(&run.shown(4, 11), &[]).await;
    assert_eq!(node.held(&run.log), (1, 1, 0));
    node.show(&run.shown(4, 11), &run.leaves[1..]).await;
    assert_eq!(node.held(&run.log), (4, 4, 0));
}

/// A node that rewrites its history: its own records and head fit each other, and not what was held.
#[tokio::test]
async fn a_rewritten_history_is_never_believed() {
    let (mut run, mut node) = (Run::new(1), Auditor::new());
    for text in ["a", "b", "c"] {
        run.record(text);
    }
    node.show(&run.shown(2, 10), &run.leaves[..2]).await;
    let mut other = Run::new(1);
    for text in ["a", "forged", "c"] {
        other.record(text);
    }
    node.show(&other.shown(3, 11), &other.leaves[2..]).await;
    node.show(&other.shown(3, 11), &other.leaves).await;
    assert_eq!(node.held(&run.log), (2, 2, 0), "it is not proved");
    node.show(&run.shown(3, 12), &run.leaves[2..]).await;
    assert_eq!(node.held(&run.log), (3, 3, 0));
}

#[tokio::test]
async fn heads_that_contradict_are_kept_and_the_first_is_believed() {
    let (mut run, mut node) = (Run::new(1), Auditor::new());
    let (mut fork, mut other_key) = (Run::new(1), Run::new(2));
    for text in ["a", "b"] {
        run.record(text);
        other_key.record(text);
    }
    for text in ["a", "forged"] {
        fork.record(text);
    }
    node.show(&run.shown(2, 10), &run.leaves).await;
    node.show(&fork.shown(2, 11), &fork.leaves).await;
    assert_eq!(node.held(&run.log), (2, 2, 1), "two roots of one size");
    node.show(&other_key.shown(2, 12), &other_key.leaves).await;
    assert_eq!(node.held(&run.log), (2, 2, 2), "another key");
    node.show(&run.shown(1, 13), &run.leaves[..1]).await;
    assert_eq!(node.held(&run.log), (2, 2, 3), "smaller, and signed later");
    node.show(&fork.shown(2, 11), &fork.leaves).await;
    assert_eq!(node.held(&run.log), (2, 2, 3), "each is kept once");
    node.show(&run.shown(1, 9), &run.leaves[..1]).await;
    assert_eq!(node.held(&run.log), (2, 2, 3), "one that was overtaken on the way is nothing");
    let row = node.context.ledger.store.log(&run.log).expect("memory").expect("there");
    assert_eq!(row.held.head().note(), run.shown(2, 10).note);
}

#[tokio::test]
async fn a_head_that_nobody_signed_is_not_looked_at() {
    let (mut run, mut node) = (Run::new(1), Auditor::new());
    run.record("a");
    let mut forged = run.shown(1, 10);
    forged.public_key = NodeKey::from_random(&[3; 32]).public().as_bytes().to_vec().into();
    node.show(&forged, &run.leaves).await;
    let mut foreign = run.shown(1, 10);
    foreign.author.incarnation += 1;
    node.show(&foreign, &run.leaves).await;
    assert!(node.context.ledger.store.logs().expect("memory").is_empty());
}

/// A store with a log of some records, closed; and what stands in it.
fn closed_store(directory: &std::path::Path) -> Run {
    let (store, aside) = LedgerStore::open(directory).expect("an empty directory");
    assert_eq!(aside, None);
    let mut run = Run::new(1);
    (0..40).for_each(|number| run.record(&format!("record {number}")));
    let shown = super::writer::verified(&run.shown(40, 10)).expect("signed");
    let mut range = CompactRange::default();
    run.leaves.iter().for_each(|leaf| range.append(TreeHash::of_leaf(leaf)).expect("few"));
    let held = psi_ledger::HeldLog::restore(shown, range).expect("it fits");
    let row = LogRow { held, voucher: Vec::new(), conflicts: Vec::new() };
    store
        .write(&run.log, &row, &NewRecords { first: 0, leaves: &run.leaves, bodies: &[], transitions: &[] })
        .expect("room");
    run
}

/// Wherever a byte is changed or the file cut, the store holds what it held, or is set aside whole.
#[test]
fn a_damaged_file_is_noticed_wherever_it_is_damaged() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = closed_store(directory.path());
    let good = std::fs::read(directory.path().join("ledger.redb")).expect("there");
    let mut set_aside = 0;
    let places = (0..good.len()).step_by(good.len() / 150);
    let damaged = places.flat_map(|place| {
        let (mut flipped, mut cut) = (good.clone(), good.clone());
        flipped[place] ^= 0x40;
        cut.truncate(place);
        [flipped, cut]
    });
    for bytes in damaged {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ledger.redb"), bytes).expect("room");
        let (store, aside) = LedgerStore::open(directory.path()).expect("it opens, empty or not");
        let logs = store.logs().expect("readable");
        match aside {
            Some(_) => {
                set_aside += 1;
                assert!(logs.is_empty());
                assert!(directory.path().join("ledger.redb.damaged-1").exists());
            }
            None if logs.is_empty() => {}
            None => {
                let leaves = store.leaves(&run.log, 0, (100, usize::MAX)).expect("readable");
                assert_eq!(leaves, run.leaves);
            }
        }
    }
    assert!(set_aside > 20, "{set_aside} were set aside");
}

/// A copy may lack votes that the original gave since.
#[test]
fn a_copy_of_a_store_votes_by_another_key() {
    let (directory, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let key = |directory: &std::path::Path| {
        let (store, aside) = LedgerStore::open(directory).expect("it opens");
        assert_eq!(aside, None);
        store.voter_key().expect("a key")
    };
    let first = key(directory.path());
    assert_eq!(key(directory.path()), first, "it is kept");
    std::fs::copy(directory.path().join("ledger.redb"), other.path().join("ledger.redb")).expect("room");
    let copied = key(other.path());
    assert_ne!(copied, first);
    assert_eq!(key(other.path()), copied, "it is kept, too");
    assert_eq!(key(directory.path()), first);
}
