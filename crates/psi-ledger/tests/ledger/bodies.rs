//! What the ledger's own records say: starts of runs, changes of keys, checkpoints.

use psi_ledger::{
    body::{BodyRefusal, CheckpointRefusal, ClusterCheckpoint, KeyChange, NamedHead, RunStart},
    record::Kind,
    tree::ProofRefusal,
};

use crate::support::{TestRun, checkpoint, key, log, operator, other_values};

fn run(node: &str, seed: u8, records: u64) -> TestRun {
    let mut run = TestRun::begin(log(node, 100), key(seed), None, None);
    for number in 1..records {
        run.append(Kind::FieldReset, operator(), number.to_string().into_bytes());
    }
    run
}

#[test]
fn a_start_names_the_heads_before_it_and_shows_a_rewind() {
    let (before, log) = (run("n1", 1, 6), log("n1", 200));
    let head = |size| Some(NamedHead::from(&before.head_of(size)));
    let forked = || head(6).map(|head| NamedHead { tree: head.tree, ..NamedHead::from(&run("n1", 1, 6).head()) });
    for (own, shown, rewind) in [
        (None, None, false),
        (head(6), None, false),
        (head(6), head(6), false),
        (head(6), head(4), false),
        (head(4), head(6), true),
        (None, head(1), true),
        (forked(), head(6), false),
    ] {
        let start = RunStart { log: log.clone(), own, shown };
        assert_eq!(start.shows_rewind(), rewind, "{start:?}");
        assert_eq!(RunStart::decode(&start.encode(), &log), Ok(start));
    }
    let mut other = run("n1", 1, 5);
    other.append(Kind::FieldRemoval, operator(), Vec::new());
    let start = RunStart { log, own: Some((&other.head()).into()), shown: head(6) };
    assert!(start.shows_rewind(), "it remembers another history");
}

#[test]
fn a_start_is_of_its_own_run_and_node() {
    let log = log("n1", 200);
    let start = RunStart { log: log.clone(), own: None, shown: None };
    let elsewhere = crate::support::log("n1", 201);
    assert!(matches!(RunStart::decode(&start.encode(), &elsewhere), Err(BodyRefusal::OtherLog { .. })));
    let of_another = Some(NamedHead::from(&run("n2", 1, 1).head()));
    let of_itself = Some(NamedHead { log: log.clone(), ..NamedHead::from(&run("n1", 1, 1).head()) });
    for own in [of_another, of_itself] {
        let start = RunStart { log: log.clone(), own, shown: None };
        assert!(matches!(RunStart::decode(&start.encode(), &log), Err(BodyRefusal::Malformed(_))));
    }
}

#[test]
fn a_change_of_key_is_signed_by_the_old_one() {
    let log = log("n1", 200);
    let change = KeyChange::sign(&log, &key(1), key(2).public());
    let bytes = change.encode(&log);
    assert_eq!(KeyChange::decode(&bytes, &log), Ok(change));
    assert_eq!((change.old_key(), change.new_key()), (key(1).public(), key(2).public()));
    for at in 0..bytes.len() {
        for value in other_values(bytes[at]) {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert!(KeyChange::decode(&changed, &log).is_err(), "byte {at} to {value}");
        }
    }
    let elsewhere = crate::support::log("n1", 201);
    assert!(matches!(KeyChange::decode(&bytes, &elsewhere), Err(BodyRefusal::OtherLog { .. })));
    assert!(matches!(KeyChange::decode(&change.encode(&elsewhere), &elsewhere), Err(BodyRefusal::Forged { .. })));
    let none = KeyChange::sign(&log, &key(1), key(1).public());
    assert!(KeyChange::decode(&none.encode(&log), &log).is_err(), "it changes nothing");
}

/// Two runs, with a checkpoint of them when they were smaller.
struct Pair {
    runs: [TestRun; 2],
    earlier: ClusterCheckpoint,
}

impl Pair {
    fn new() -> Self {
        let runs = [run("n1", 1, 9), run("n2", 2, 12)];
        let heads = [runs[0].head_of(3), runs[1].head_of(5)];
        Self { earlier: checkpoint(&[&runs[0], &runs[1]], &heads, &[]), runs }
    }

    fn refusal(&self, heads: &[psi_ledger::SignedHead]) -> Option<CheckpointRefusal> {
        let name = self.runs[0].named(2);
        let prove = |log: &psi_ledger::LogName, older, newer| {
            let run = self.runs.iter().find(|run| run.log == *log)?;
            psi_ledger::tree::prove_consistency(run.hashes().as_slice(), older, newer).ok()
        };
        ClusterCheckpoint::new(heads, &[(name, &self.earlier)], prove).err()
    }
}

#[test]
fn a_checkpoint_goes_on_from_those_before_it() {
    let pair = Pair::new();
    let [a, b] = &pair.runs;
    let name = a.named(2);
    let later = checkpoint(&[a, b], &[b.head(), a.head()], &[(name.clone(), &pair.earlier)]);
    let read = ClusterCheckpoint::decode(&later.encode()).unwrap();
    assert_eq!(read.encode(), later.encode());
    assert_eq!(read.predecessors(), std::slice::from_ref(&name));
    assert_eq!(read.verify_follows(&pair.earlier), Ok(()));
    let keys = |log: &psi_ledger::LogName| pair.runs.iter().find(|run| run.log == *log).map(|run| run.key.public());
    assert_eq!(read.verify_signatures(keys), Ok(vec![a.head(), b.head()]), "by ledger");
    assert_eq!(read.verify_signatures(|_| None).err(), Some(CheckpointRefusal::NoKey(a.log.clone())));
    assert!(matches!(read.verify_signatures(|_| Some(key(9).public())), Err(CheckpointRefusal::Head(_))));

    let closing = checkpoint(&[a, b], &[b.head()], &[(name, &pair.earlier)]);
    assert_eq!((closing.closed(), closing.heads().len()), ([a.log.clone()].as_slice(), 1));
    assert_eq!(
        pair.earlier.verify_follows(&read).err(),
        Some(CheckpointRefusal::Smaller { log: a.log.clone(), older: 9, newer: 3 })
    );
}

#[test]
fn heads_that_do_not_go_on_are_not_listed() {
    let pair = Pair::new();
    let [a, b] = &pair.runs;
    let mut forked = run("n1", 1, 2);
    (2..9).for_each(|_| {
        forked.append(Kind::FieldRemoval, operator(), Vec::new());
    });
    let log = || a.log.clone();
    assert_eq!(pair.refusal(&[a.head(), b.head()]), None);
    assert_eq!(pair.refusal(&[a.head_of(3), b.head()]), None, "unchanged");
    assert_eq!(
        pair.refusal(&[a.head_of(2), b.head()]),
        Some(CheckpointRefusal::Smaller { log: log(), older: 3, newer: 2 })
    );
    assert_eq!(pair.refusal(&[forked.head_of(3), b.head()]), Some(CheckpointRefusal::Fork { log: log(), older: 3 }));
    let refusal = ProofRefusal::Root { size: 9 };
    assert_eq!(
        pair.refusal(&[forked.head(), b.head()]),
        Some(CheckpointRefusal::Proof { log: log(), older: 3, refusal })
    );
    let unknown = ClusterCheckpoint::new(&[a.head(), b.head()], &[(a.named(2), &pair.earlier)], |_, _, _| None);
    assert_eq!(unknown.err(), Some(CheckpointRefusal::NoProof { log: log(), older: 3, newer: 9 }));
}

#[test]
fn a_checkpoint_that_follows_one_history_does_not_follow_another() {
    let pair = Pair::new();
    let [a, b] = &pair.runs;
    let later = checkpoint(&[a, b], &[a.head(), b.head()], &[(a.named(2), &pair.earlier)]);
    let mut forked = run("n1", 1, 2);
    forked.append(Kind::FieldRemoval, operator(), Vec::new());
    let other = checkpoint(&[&forked, b], &[forked.head(), b.head_of(5)], &[]);
    assert_eq!(later.verify_follows(&other), Err(CheckpointRefusal::Fork { log: a.log.clone(), older: 3 }));
    let same_size = checkpoint(&[a, b], &[a.head_of(3), b.head()], &[(a.named(2), &pair.earlier)]);
    assert_eq!(same_size.verify_follows(&other), Err(CheckpointRefusal::Fork { log: a.log.clone(), older: 3 }));
}

#[test]
fn what_a_predecessor_lists_may_not_be_left_out() {
    let pair = Pair::new();
    let [a, b] = &pair.runs;
    let later = checkpoint(&[a, b], &[a.head(), b.head()], &[]);
    let wants = CheckpointRefusal::NoProof { log: a.log.clone(), older: 3, newer: 9 };
    assert_eq!(later.verify_follows(&pair.earlier), Err(wants), "it names no predecessor");
    let only = checkpoint(&[a, b], &[b.head_of(5)], &[]);
    assert_eq!(only.verify_follows(&pair.earlier), Err(CheckpointRefusal::Missing(a.log.clone())));
}

/// Names of predecessors are free here. In a ledger the record's hash binds them.
#[test]
fn no_byte_of_the_heads_and_proofs_of_a_checkpoint_is_free_to_change() {
    let pair = Pair::new();
    let [a, b] = &pair.runs;
    let later = checkpoint(&[a, b], &[a.head(), b.head()], &[(a.named(2), &pair.earlier)]);
    let bytes = later.encode();
    let keys = |log: &psi_ledger::LogName| pair.runs.iter().find(|run| run.log == *log).map(|run| run.key.public());
    let is_accepted = |bytes: &[u8]| {
        let read = ClusterCheckpoint::decode(bytes).ok()?;
        read.verify_signatures(keys).ok()?;
        read.verify_follows(&pair.earlier).ok()
    };
    assert!(is_accepted(&bytes).is_some());
    let predecessors = bytes.len() - 2 - 29 - 2 - 34; // The last field: a log, an index, a hash.
    let free = predecessors - 8..bytes.len();
    for at in 0..free.start {
        for value in other_values(bytes[at]) {
            let mut changed = bytes.clone();
            changed[at] = value;
            assert!(is_accepted(&changed).is_none(), "byte {at} of {} to {value}", bytes.len());
        }
    }
}
