//! A ledger as a node holds it: which heads it takes, and which records.

use proptest::prelude::*;
use psi_ledger::{
    ArchiveRefusal, CompactRange, Head, HeldLog, LogName, Replacement, SignedHead, TreeHash, tree::prove_consistency,
};
use psi_replica::Clock;
use psi_security::node_key::NodeKey;

fn hashes(texts: &[u8]) -> Vec<TreeHash> {
    texts.iter().map(|text| TreeHash::of_leaf(&[*text])).collect()
}

fn head(leaves: &[TreeHash]) -> SignedHead {
    let mut range = CompactRange::default();
    leaves.iter().for_each(|leaf| range.append(*leaf).unwrap());
    let log = LogName::parse("psi-field/ledger/prod/n1/42").unwrap();
    let clock = Clock { wall_ms: leaves.len() as u64, counter: 0 };
    SignedHead::sign(Head { log, tree: range.head().unwrap(), clock }, &NodeKey::from_random(&[1; 32]))
}

proptest! {
    /// Whatever way a history takes, what is held is a beginning of it.
    #[test]
    fn a_history_is_followed_by_leaves_and_by_proofs(
        texts in prop::collection::vec(any::<u8>(), 2..40),
        cuts in prop::collection::vec((1_usize..40, any::<bool>()), 1..8),
    ) {
        let all = hashes(&texts);
        let mut cuts: Vec<_> = cuts.into_iter().map(|(size, by_proof)| (size.min(all.len()), by_proof)).collect();
        cuts.sort_unstable();
        let mut held = HeldLog::first_seen(head(&all[..cuts[0].0]));
        for (size, by_proof) in cuts {
            let (before, shown) = (held.head().head().tree.size(), head(&all[..size]));
            let archived = usize::try_from(held.archive().end()).unwrap();
            let replacement = if by_proof {
                let proof = prove_consistency(all.as_slice(), before, size as u64).unwrap();
                held.advance_by_proof(&shown, &proof)
            } else {
                held.archive_more(&all[archived..usize::try_from(before).unwrap()], &[]).unwrap();
                held.advance(&shown, &all[usize::try_from(before).unwrap()..]).0
            };
            let want = if before == size as u64 { Replacement::Same } else { Replacement::Extended };
            prop_assert_eq!(replacement, want);
            prop_assert_eq!(held.head().head().tree.size(), size as u64);
            prop_assert!(held.archive().end() <= size as u64);
        }
    }

    /// One leaf that differs among those that are held keeps every later head away.
    #[test]
    fn another_history_is_never_taken(texts in prop::collection::vec(any::<u8>(), 2..40), at in any::<prop::sample::Index>()) {
        let all = hashes(&texts);
        let size = 1 + at.index(all.len() - 1);
        let mut other = all.clone();
        other[at.index(size)] = TreeHash::of_leaf(b"forged");
        let mut held = HeldLog::first_seen(head(&all[..size]));
        held.archive_more(&all[..size], &[]).unwrap();
        let (shown, before) = (head(&other), held.clone());
        let proof = prove_consistency(other.as_slice(), size as u64, other.len() as u64).unwrap();
        prop_assert_ne!(held.advance(&shown, &other[size..]).0, Replacement::Extended);
        prop_assert_ne!(held.advance_by_proof(&shown, &proof), Replacement::Extended);
        prop_assert_eq!(held.head(), before.head());
        prop_assert_eq!(held.archive(), before.archive());
    }
}

#[test]
fn an_archive_takes_only_what_its_head_covers() {
    let (all, other) = (hashes(b"abcdef"), hashes(b"abXdef"));
    let mut held = HeldLog::first_seen(head(&all[..5]));
    assert_eq!(held.missing(), 5);
    assert_eq!(held.archive_more(&all, &[]), Err(ArchiveRefusal::BeyondHead { got: 6, size: 5 }));
    assert_eq!(held.archive_more(&other[..5], &[]), Err(ArchiveRefusal::OtherRoot));
    let proof = prove_consistency(all.as_slice(), 3, 5).unwrap();
    assert!(matches!(held.archive_more(&other[..3], &proof), Err(ArchiveRefusal::Proof(_))));
    assert!(matches!(held.archive_more(&all[..3], &[]), Err(ArchiveRefusal::Proof(_))));
    assert_eq!(held.archive_more(&all[..3], &proof), Ok(()));
    assert_eq!(held.archive_more(&all[3..5], &[]), Ok(()));
    assert_eq!(held.missing(), 0);
    assert!(HeldLog::restore(head(&all[..2]), held.archive().clone()).is_err(), "it goes beyond the head");
    assert!(HeldLog::restore(head(&other[..5]), held.archive().clone()).is_err(), "it has another root");
}
