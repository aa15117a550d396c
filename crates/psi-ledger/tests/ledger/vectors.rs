//! Published test vectors of RFC 6962 trees: `tests/vectors` is from github.com/transparency-dev/merkle (Apache-2.0),
//! at the commit that the files name. Of each proof a verifier must say whether it holds.

use data_encoding::BASE64;
use psi_ledger::{
    TreeHash, TreeHead,
    tree::{CompactRange, LeafSource, prove_consistency, prove_inclusion},
};
use serde_json::Value;

/// The leaves of the vectors' tree, in hex, as transparency-dev/merkle has them in `testonly/constants.go`.
const LEAVES: [&[u8]; 8] =
    [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", b"PQRSTUVW", b"`abcdefghijklmno"];

fn vectors(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn number(vector: &Value, key: &str) -> u64 {
    vector[key].as_u64().unwrap()
}

/// A hash, or none where the vector has other bytes in its place.
fn hash(value: &Value) -> Option<TreeHash> {
    let bytes = BASE64.decode(value.as_str()?.as_bytes()).ok()?;
    bytes.try_into().ok().map(TreeHash::from_bytes)
}

fn proof(vector: &Value) -> Option<Vec<TreeHash>> {
    vector["proof"].as_array().unwrap().iter().map(hash).collect()
}

fn inclusion_holds(vector: &Value) -> Option<()> {
    let head = TreeHead::new(number(vector, "treeSize"), hash(&vector["root"])?).ok()?;
    head.verify_inclusion(number(vector, "leafIdx"), hash(&vector["leafHash"])?, &proof(vector)?).ok()
}

fn consistency_holds(vector: &Value) -> Option<()> {
    let older = TreeHead::new(number(vector, "size1"), hash(&vector["root1"])?).ok()?;
    let newer = TreeHead::new(number(vector, "size2"), hash(&vector["root2"])?).ok()?;
    newer.verify_consistency(&older, &proof(vector)?).ok()
}

fn check(vectors: &[Value], holds: impl Fn(&Value) -> Option<()>) {
    let mut whole = 0;
    for vector in vectors {
        let want = !vector["wantErr"].as_bool().unwrap();
        // Roots of one record that are no hashes at all, but equal: no head has such a root here.
        let is_no_hash = ["root1", "root"].iter().any(|key| !vector[*key].is_null() && hash(&vector[*key]).is_none());
        assert_eq!(holds(vector).is_some(), want && !is_no_hash, "{}", vector["file"]);
        whole += usize::from(want);
    }
    assert_eq!((vectors.len(), whole), (98, 6), "all vectors, and those that hold");
}

#[test]
fn inclusion_proofs_hold_as_published() {
    check(&vectors(include_str!("vectors/inclusion.json")), inclusion_holds);
}

#[test]
fn consistency_proofs_hold_as_published() {
    check(&vectors(include_str!("vectors/consistency.json")), consistency_holds);
}

#[test]
fn proofs_are_made_as_published() {
    let leaves: Vec<_> = LEAVES.iter().map(|leaf| TreeHash::of_leaf(leaf)).collect();
    let source = leaves.as_slice();
    let root_of = |size: u64| {
        let mut range = CompactRange::empty(0).unwrap();
        (0..size).for_each(|index| range.append(source.leaf_hash(index).unwrap()).unwrap());
        range.head().unwrap().root()
    };
    let mut made = 0;
    for vector in vectors(include_str!("vectors/inclusion.json")) {
        if vector["desc"] == "happy path" {
            let (index, size) = (number(&vector, "leafIdx"), number(&vector, "treeSize"));
            assert_eq!(Some(root_of(size)), hash(&vector["root"]), "{}", vector["file"]);
            assert_eq!(prove_inclusion(source, size, index).ok(), proof(&vector), "{}", vector["file"]);
            made += 1;
        }
    }
    for vector in vectors(include_str!("vectors/consistency.json")) {
        if vector["desc"] == "happy path" {
            let (older, newer) = (number(&vector, "size1"), number(&vector, "size2"));
            assert_eq!(Some(root_of(older)), hash(&vector["root1"]), "{}", vector["file"]);
            assert_eq!(prove_consistency(source, older, newer).ok(), proof(&vector), "{}", vector["file"]);
            made += 1;
        }
    }
    assert_eq!(made, 10, "each way of the vectors");
}

/// The hash of nothing as a leaf: RFC 6962 says SHA-256 of a byte 0.
#[test]
fn leaves_and_nodes_are_hashed_apart() {
    let empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(TreeHash::of_leaf(b"").to_string(), empty);
    let (left, right) = (TreeHash::of_leaf(b""), TreeHash::of_leaf(b"\x00"));
    let children = [left.as_bytes().as_slice(), right.as_bytes()].concat();
    assert_ne!(TreeHash::of_leaf(&children), TreeHash::of_children(&left, &right));
    assert_eq!(
        TreeHash::of_children(&left, &right).to_string(),
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    );
}
