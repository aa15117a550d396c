//! Which version answers a key.

use proptest::prelude::*;
use psi_rollout::{Arm, KeyHash, Percent, RolloutId, StepKey};
use serde_json::Value;

fn percent(hundredths: u16) -> Percent {
    Percent::new(f64::from(hundredths) / 100.0).expect("a percentage")
}

/// Another implementation wrote these: `examples/python/assignment.py` reads them too.
#[test]
fn the_published_vectors_are_right() {
    let file: Value = serde_json::from_str(include_str!("../../../../proto/assignment.json")).expect("JSON");
    let vectors = file["vectors"].as_array().expect("a list");
    assert!(vectors.len() >= 20, "vectors were found");
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().expect(name).to_owned();
        let (rollout, key) = (RolloutId::new(&text("rollout")).expect("an id"), text("key"));
        let hash = KeyHash::new(&rollout, StepKey::new(&key).expect("a key"));
        assert_eq!(Some(u64::from(hash.number())), vector["number"].as_u64(), "{vector}");
        assert_eq!(Some(u64::from(hash.bucket())), vector["bucket"].as_u64(), "{vector}");
        for (at, arm) in vector["arms"].as_object().expect("arms") {
            let at = Percent::new(at.parse().expect("a number")).expect("a percentage");
            assert_eq!(Some(hash.arm(at).name()), arm.as_str(), "{vector} at {at}");
        }
    }
}

#[test]
fn shares_are_kept() {
    let rollout = RolloutId::new("shares").expect("an id");
    let hashes: Vec<_> = (0..100_000).map(|i| format!("user-{i}")).collect();
    let hashes: Vec<_> = hashes.iter().map(|key| KeyHash::new(&rollout, StepKey::new(key).expect("a key"))).collect();
    for (hundredths, want) in [(0, 0), (500, 5_000), (2_500, 25_000), (10_000, 100_000)] {
        let canary = hashes.iter().filter(|hash| hash.arm(percent(hundredths)) == Arm::Canary).count();
        // Five standard deviations are at most 800.
        assert!(canary.abs_diff(want) <= if hundredths % 10_000 == 0 { 0 } else { 800 }, "{canary} of {want}");
    }
    // Buckets know nothing of arms: each holds 1/64 of the canary's keys.
    let canary = hashes.iter().filter(|hash| hash.arm(percent(2_500)) == Arm::Canary);
    let mut buckets = [0_u32; 64];
    canary.for_each(|hash| buckets[usize::from(hash.bucket())] += 1);
    assert!(buckets.iter().all(|keys| keys.abs_diff(390) < 110), "{buckets:?}");
}

proptest! {
    #[test]
    fn more_percent_only_adds_keys(key in ".{1,40}", id in "[a-z0-9]{1,20}", a in 0..=10_000_u16, b in 0..=10_000_u16) {
        let rollout = RolloutId::new(&id).expect("an id");
        let hash = KeyHash::new(&rollout, StepKey::new(&key).expect("a key"));
        let (less, more) = (percent(a.min(b)), percent(a.max(b)));
        prop_assert!(hash.arm(less) == Arm::Champion || hash.arm(more) == Arm::Canary);
        prop_assert_eq!(hash.arm(Percent::ZERO), Arm::Champion);
        prop_assert_eq!(hash.arm(Percent::ALL), Arm::Canary);
        prop_assert_eq!(hash, KeyHash::new(&rollout, StepKey::new(&key).expect("a key")));
    }
}
