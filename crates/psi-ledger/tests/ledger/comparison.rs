//! The same trees, proofs and notes by another published implementation: Cloudflare's ports of Go's `sumdb/tlog` and
//! `sumdb/note`, the crates `tlog_tiles` and `signed_note`.

use crate::support::{TestRun, key, log, range_of};
use data_encoding::BASE64;
use psi_ledger::{
    SignedHead, TreeHash, TreeHead, UnverifiedHead,
    head::verifier_key,
    tree::{prove_consistency, prove_inclusion},
};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Error, Hash, HashReader};

const SIZES: u64 = 66;

/// Hashes as `tlog_tiles` stores them.
struct StoredHashes(Vec<Hash>);

impl HashReader for StoredHashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

fn leaves(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|index| format!("leaf {index}").into_bytes()).collect()
}

fn stored(leaves: &[Vec<u8>]) -> StoredHashes {
    let mut stored = StoredHashes(Vec::new());
    for (index, leaf) in (0..).zip(leaves) {
        let hashes = tlog_tiles::stored_hashes(index, leaf, &stored).unwrap();
        stored.0.extend(hashes);
    }
    stored
}

fn theirs(hash: TreeHash) -> Hash {
    Hash(*hash.as_bytes())
}

fn list(hashes: &[TreeHash]) -> Vec<Hash> {
    hashes.iter().copied().map(theirs).collect()
}

/// What both make of leaves.
struct Both {
    hashes: Vec<TreeHash>,
    stored: StoredHashes,
}

impl Both {
    fn new() -> Self {
        let leaves = leaves(SIZES);
        Self { hashes: leaves.iter().map(|leaf| TreeHash::of_leaf(leaf)).collect(), stored: stored(&leaves) }
    }

    fn head(&self, size: u64) -> TreeHead {
        range_of(&self.hashes[..usize::try_from(size).unwrap()]).head().unwrap()
    }
}

#[test]
fn roots_are_those_of_the_other_implementation() {
    let both = Both::new();
    for size in 1..=SIZES {
        assert_eq!(theirs(both.head(size).root()), tlog_tiles::tree_hash(size, &both.stored).unwrap(), "{size}");
    }
}

#[test]
fn inclusion_proofs_are_those_of_the_other_implementation() {
    let both = Both::new();
    for size in 1..=SIZES {
        let head = both.head(size);
        for index in 0..size {
            let proof = prove_inclusion(both.hashes.as_slice(), size, index).unwrap();
            assert_eq!(list(&proof), tlog_tiles::prove_record(size, index, &both.stored).unwrap(), "{index} {size}");
            let leaf = both.hashes[usize::try_from(index).unwrap()];
            let root = theirs(head.root());
            assert!(tlog_tiles::check_record(&list(&proof), size, root, index, theirs(leaf)).is_ok());
            assert_eq!(head.verify_inclusion(index, leaf, &proof), Ok(()), "{index} {size}");
            // Neither takes it for another record.
            let other = (index + 1) % (size + 1);
            let is_theirs = tlog_tiles::check_record(&list(&proof), size, root, other, theirs(leaf)).is_ok();
            assert_eq!(
                (head.verify_inclusion(other, leaf, &proof).is_ok(), is_theirs),
                (false, false),
                "{other} {size}"
            );
        }
    }
}

#[test]
fn consistency_proofs_are_those_of_the_other_implementation() {
    let both = Both::new();
    for newer in 1..=SIZES {
        for older in 1..=newer {
            let proof = prove_consistency(both.hashes.as_slice(), older, newer).unwrap();
            assert_eq!(list(&proof), tlog_tiles::prove_tree(newer, older, &both.stored).unwrap(), "{older} {newer}");
            let (old, new) = (both.head(older), both.head(newer));
            let (old_root, new_root) = (theirs(old.root()), theirs(new.root()));
            assert!(tlog_tiles::check_tree(&list(&proof), newer, new_root, older, old_root).is_ok());
            assert_eq!(new.verify_consistency(&old, &proof), Ok(()), "{older} {newer}");
            if older < newer {
                // Neither takes it for a proof of another history.
                let forged = TreeHead::new(older, TreeHash::of_leaf(b"forged")).unwrap();
                assert!(new.verify_consistency(&forged, &proof).is_err(), "{older} {newer}");
                let is_theirs = tlog_tiles::check_tree(&list(&proof), newer, new_root, older, theirs(forged.root()));
                assert!(is_theirs.is_err(), "{older} {newer}");
            }
        }
    }
}

/// Our key in the form that `signed_note` has: `PRIVATE+KEY+NAME+ID+KEY`.
fn signer(name: &str, seed: u8) -> StandardSigner {
    let public = [&[1][..], key(seed).public().as_bytes()].concat();
    let private = BASE64.encode(&[&[1][..], &[seed; 32]].concat());
    StandardSigner::new(&format!("PRIVATE+KEY+{name}+{:08x}+{private}", signed_note::key_id(name, &public))).unwrap()
}

fn head() -> SignedHead {
    let mut run = TestRun::begin(log("n1", 100), key(1), None, None);
    run.append(psi_ledger::record::Kind::FieldReset, crate::support::operator(), b"f".to_vec());
    run.head()
}

#[test]
fn heads_are_notes_and_checkpoints_to_the_other_implementation() {
    let head = head();
    let note = Note::from_bytes(head.note().as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&verifier_key(&head.head().log, &head.public_key())).unwrap();
    let (verified, others) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), others.len()), (1, 0));
    let checkpoint = Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), "psi-field/ledger/prod/n1/100");
    assert_eq!((checkpoint.size(), *checkpoint.hash()), (2, theirs(head.head().tree.root())));
    assert_eq!(checkpoint.extension(), "psi-field clock 100002.7\n");
}

#[test]
fn notes_of_the_other_implementation_are_heads() {
    let head = head();
    let tree = head.head().tree;
    let extension = "psi-field clock 100002.7\n";
    let text = Checkpoint::new("psi-field/ledger/prod/n1/100", tree.size(), theirs(tree.root()), extension).unwrap();
    let mut note = Note::new(&text.to_bytes(), &[]).unwrap();
    note.add_sigs(&[&signer("psi-field/ledger/prod/n1/100", 1)]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    assert_eq!(note, head.note());
    assert_eq!(UnverifiedHead::parse(&note).unwrap().verify(&key(1).public()), Ok(head));
}
