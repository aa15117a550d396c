//! What holds of every tree and every record, not only of those that someone thought of.

use crate::support::{Sample, operator, range_of};
use std::sync::LazyLock;

use proptest::prelude::*;
use psi_ledger::{
    Record, TreeHash, TreeHead, UnverifiedHead, UnverifiedProof,
    body::ClusterCheckpoint,
    export::{TrustBasis, verify},
    record::{Actor, Body, Content, EVIDENCE_MAX, Evidence, Kind, RecordRefusal},
    tree::{CompactRange, LeafSource, MissingLeaf, SIZE_MAX, SizeError, prove_consistency, prove_inclusion},
};
use psi_replica::{Clock, NodeId};

fn leaves(count: usize) -> Vec<TreeHash> {
    (0..count as u64).map(|index| TreeHash::of_leaf(&index.to_be_bytes())).collect()
}

/// Many, made once.
fn many_leaves() -> &'static [TreeHash] {
    static LEAVES: LazyLock<Vec<TreeHash>> = LazyLock::new(|| leaves(5_000));
    &LEAVES
}

/// The hash of a tree as RFC 6962, section 2.1, defines it.
fn root_by_definition(leaves: &[TreeHash]) -> TreeHash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let left = leaves.len().next_power_of_two() / 2;
    TreeHash::of_children(&root_by_definition(&leaves[..left]), &root_by_definition(&leaves[left..]))
}

#[test]
fn a_range_that_grows_has_the_root_of_the_definition() {
    let leaves = leaves(300);
    let mut range = CompactRange::empty(0).unwrap();
    assert_eq!(range.head(), None);
    for (index, leaf) in leaves.iter().enumerate() {
        range.append(*leaf).unwrap();
        let size = index as u64 + 1;
        let head = TreeHead::new(size, root_by_definition(&leaves[..=index])).unwrap();
        assert_eq!(range.head(), Some(head));
        assert_eq!(range.hashes().len(), size.count_ones() as usize);
        assert_eq!(CompactRange::from_hashes(size, range.hashes().to_vec()), Ok(range.clone()));
        assert!(
            CompactRange::from_hashes(size + 1, range.hashes().to_vec()).is_err()
                || size.count_ones() == (size + 1).count_ones()
        );
    }
}

#[test]
fn ranges_that_are_merged_are_the_range_of_all() {
    let leaves = leaves(40);
    for begin in 0..leaves.len() {
        for middle in begin..leaves.len() {
            let part = |from: usize, to: usize| {
                let mut range = CompactRange::empty(from as u64).unwrap();
                leaves[from..to].iter().for_each(|leaf| range.append(*leaf).unwrap());
                range
            };
            let mut merged = part(begin, middle);
            merged.merge(&part(middle, leaves.len())).unwrap();
            assert_eq!(merged, part(begin, leaves.len()), "{begin} {middle}");
            assert_eq!(merged.head().is_some(), begin == 0);
            if middle > begin {
                let whole = part(begin, middle);
                let mut range = whole.clone();
                assert!(range.merge(&part(middle - 1, leaves.len())).is_err(), "they overlap");
                assert_eq!(range, whole);
            }
        }
    }
}

#[test]
fn a_ledger_that_is_full_refuses_further_records() {
    let mut full = CompactRange::from_hashes(SIZE_MAX, vec![TreeHash::of_leaf(b"all")]).unwrap();
    assert_eq!(full.append(TreeHash::of_leaf(b"more")), Err(SizeError(SIZE_MAX + 1)));
    assert_eq!(full.end(), SIZE_MAX);
    assert!(CompactRange::from_hashes(SIZE_MAX + 1, full.hashes().to_vec()).is_err());
    assert!(TreeHead::new(0, TreeHash::of_leaf(b"")).is_err());
    assert!(TreeHead::new(SIZE_MAX + 1, TreeHash::of_leaf(b"")).is_err());
}

/// A store that keeps the hashes of whole subtrees, and of which no leaf may be read for a proof over many.
struct SubtreeStore(Vec<TreeHash>);

impl LeafSource for SubtreeStore {
    type Error = MissingLeaf;

    fn leaf_hash(&self, index: u64) -> Result<TreeHash, MissingLeaf> {
        self.0.as_slice().leaf_hash(index)
    }

    fn subtree_hash(&self, level: u32, index: u64) -> Result<TreeHash, MissingLeaf> {
        let begin = usize::try_from(index << level).unwrap();
        Ok(root_by_definition(&self.0[begin..begin + (1 << level)]))
    }
}

#[test]
fn proofs_are_the_same_from_leaves_and_from_subtrees() {
    let leaves = leaves(70);
    let store = SubtreeStore(leaves.clone());
    for size in 1..=70 {
        for index in 0..size {
            let proof = prove_inclusion(leaves.as_slice(), size, index);
            assert_eq!(prove_inclusion(&store, size, index), proof);
            assert_eq!(
                prove_consistency(&store, index + 1, size),
                prove_consistency(leaves.as_slice(), index + 1, size)
            );
        }
    }
    assert!(prove_inclusion(&store, 70, 70).is_err());
    assert!(prove_consistency(&store, 5, 4).is_err());
    assert!(prove_consistency(&store, 0, 4).is_err());
    assert!(prove_inclusion(leaves.as_slice(), 71, 3).is_err(), "a leaf is missing");
}

proptest! {
    #[test]
    fn proofs_hold_for_their_record_and_for_no_other(size in 1_u64..5_000, a in any::<u64>(), b in any::<u64>()) {
        let leaves = many_leaves();
        let (index, other) = (a % size, b % size);
        let head = range_of(&leaves[..usize::try_from(size).unwrap()]).head().unwrap();
        let proof = prove_inclusion(leaves, size, index).unwrap();
        let leaf = |index: u64| leaves[usize::try_from(index).unwrap()];
        prop_assert_eq!(head.verify_inclusion(index, leaf(index), &proof), Ok(()));
        prop_assert_eq!(head.verify_inclusion(other, leaf(index), &proof).is_ok(), other == index);
        prop_assert_eq!(head.verify_inclusion(index, leaf(other), &proof).is_ok(), other == index);
        prop_assert!(head.verify_inclusion(a.max(size), leaf(index), &proof).is_err());
    }

    #[test]
    fn a_proof_between_two_sizes_holds_for_these_histories_alone(
        older in 1_u64..3_000,
        added in 0_u64..2_000,
        at in any::<u64>(),
    ) {
        let (leaves, newer) = (many_leaves(), older + added);
        let head = |leaves: &[TreeHash], size: u64| range_of(&leaves[..usize::try_from(size).unwrap()]).head().unwrap();
        let proof = prove_consistency(leaves, older, newer).unwrap();
        let (old, new) = (head(leaves, older), head(leaves, newer));
        prop_assert_eq!(new.verify_consistency(&old, &proof), Ok(()));
        let mut rewritten = leaves.to_vec();
        rewritten[usize::try_from(at % older).unwrap()] = TreeHash::of_leaf(b"rewritten");
        let proof = prove_consistency(rewritten.as_slice(), older, newer).unwrap();
        prop_assert!(head(&rewritten, newer).verify_consistency(&old, &proof).is_err());
        prop_assert!(old.verify_consistency(&new, &proof).is_err() || added == 0);
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![proptest::sample::select(Kind::ALL), (1_000..i32::MAX).prop_map(Kind::Later)]
}

fn actors() -> impl Strategy<Value = Actor> {
    prop_oneof![Just(Actor::Anyone), Just(Actor::Node(NodeId::new("n-1").unwrap())), Just(operator())]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    ("[a-zé/ ]{1,20}", any::<Vec<u8>>()).prop_map(|(name, bytes)| Evidence::new(&name, Content::of(&bytes)).unwrap())
}

prop_compose! {
    fn records()(
        wall_ms in any::<u64>(),
        counter in any::<u32>(),
        kind in kinds(),
        actor in actors(),
        body in proptest::collection::vec(any::<u8>(), 0..2_000),
        evidence in proptest::collection::vec(evidence(), 0..5),
    ) -> Record {
        Record { clock: Clock { wall_ms, counter }, kind, actor, body: Body::of(body).unwrap(), evidence }
    }
}

proptest! {
    #[test]
    fn a_record_has_one_encoding(record in records(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let bytes = record.encode().unwrap();
        prop_assert_eq!(Record::decode(&bytes), Ok(record.clone()));
        let mut damaged = bytes.clone();
        if !damaged.is_empty() {
            damaged[at.index(bytes.len())] = byte;
        }
        if let Ok(other) = Record::decode(&damaged) {
            prop_assert_eq!(other.encode(), Ok(damaged.clone()));
            prop_assert_eq!(other == record, damaged == bytes);
        }
    }

    #[test]
    fn whatever_is_read_is_written_in_the_same_bytes(bytes in any::<Vec<u8>>()) {
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode(), Ok(bytes.clone()));
        }
        if let Ok(checkpoint) = ClusterCheckpoint::decode(&bytes) {
            prop_assert_eq!(&checkpoint.encode(), &bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(UnverifiedHead::parse(&text).is_err() && UnverifiedProof::parse(&text).is_err());
        prop_assert!(verify(&bytes, &TrustBasis::default()).is_err());
    }

    #[test]
    fn a_file_that_is_damaged_anyhow_is_refused(
        damage in proptest::collection::vec((0..6_u8, any::<u16>(), any::<u16>(), any::<u8>()), 1..4),
    ) {
        static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| Sample::new().export());
        let mut bytes = WHOLE.clone();
        for (way, at, count, byte) in damage {
            let at = usize::from(at) % bytes.len().max(1);
            let to = (at + usize::from(count) % 200).min(bytes.len());
            match way {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), byte),
                2 => bytes.extend_from_within(at.min(to)..to),
                3 => drop(bytes.drain(at.min(to)..to)),
                4 => bytes[at.min(to)..to].fill(byte),
                _ => bytes[at.min(to)..to].reverse(),
            }
        }
        prop_assert_eq!(verify(&bytes, &TrustBasis::default()).is_ok(), bytes == *WHOLE);
    }
}

#[test]
fn limits_of_records_are_named() {
    let whole = |body, kind, evidence| Record { clock: Clock::default(), kind, actor: Actor::Anyone, body, evidence };
    let piece = || Evidence::new("e", Content::of(b"")).unwrap();
    let inline = |bytes| Body::Inline(vec![0; bytes]);
    let long = |size| Body::Long(Content { size, ..Content::of(b"") });
    for (record, want) in [
        (whole(inline(1_025), Kind::FieldReset, vec![]), RecordRefusal::InlineBody(1_025)),
        (whole(long(1_024), Kind::FieldReset, vec![]), RecordRefusal::LongBody(1_024)),
        (whole(long((16 << 20) + 1), Kind::FieldReset, vec![]), RecordRefusal::LongBody((16 << 20) + 1)),
        (whole(inline(0), Kind::Later(0), vec![]), RecordRefusal::Kind(0)),
        (whole(inline(0), Kind::Later(-4), vec![]), RecordRefusal::Kind(-4)),
        (whole(inline(0), Kind::Later(1), vec![]), RecordRefusal::LaterKind(1)),
        (whole(inline(0), Kind::FieldReset, vec![piece(); EVIDENCE_MAX + 1]), RecordRefusal::EvidenceCount(65)),
    ] {
        assert_eq!(record.encode(), Err(want));
    }
    let name = "x".repeat(128);
    let evidence = vec![Evidence::new(&name, Content { size: u64::MAX, ..Content::of(b"") }).unwrap(); EVIDENCE_MAX];
    let actor = Actor::Node(NodeId::new(&"n".repeat(64)).unwrap());
    let clock = Clock { wall_ms: u64::MAX, counter: u32::MAX };
    let greatest = Record { clock, kind: Kind::Later(i32::MAX), actor, body: inline(1_024), evidence };
    let bytes = greatest.encode().unwrap();
    assert_eq!(Record::decode(&bytes), Ok(greatest), "{} bytes", bytes.len());
    for bad in ["", "a\nb", &"x".repeat(129)] {
        assert!(matches!(Evidence::new(bad, Content::of(b"")), Err(RecordRefusal::EvidenceName(_))), "{bad:?}");
    }
}
