//! How a cluster's key is changed: files that are put in place of others, one step after the other.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    plan::{KeyChange, rng::Rng},
    world::identity::{KeyName, KeyRing},
};

/// A file that is put in place on some machines.
#[derive(Clone, Debug)]
pub(crate) struct KeyStep {
    pub(crate) file: KeyRing,
    /// `None`: on all.
    pub(crate) machines: Option<BTreeSet<usize>>,
    /// It cuts these machines off from the others.
    pub(crate) cuts: bool,
    /// How long it is left at that, once all have read the file.
    pub(crate) rests_ms: u64,
}

/// How far the operator has come with a change of the key.
#[derive(Debug, Default)]
pub(crate) struct KeyOperator {
    pub(crate) steps: VecDeque<KeyStep>,
    /// What is being done.
    pub(crate) current: Option<KeyStep>,
    /// All have read the file of the current step.
    pub(crate) rests: bool,
    /// The file that a machine is given that is new.
    pub(crate) file: KeyRing,
    /// A machine that gets each file late.
    pub(crate) late: Option<usize>,
    /// A machine that is restarted in one step, with as many left after it.
    pub(crate) restarted: Option<(usize, usize)>,
    /// A machine that takes no part.
    pub(crate) left_out: Option<usize>,
}

/// The files: the old key alone at first, and in the end the new one.
const ACCEPT: [KeyName; 2] = [KeyName::Old, KeyName::New];
const SEAL: [KeyName; 2] = [KeyName::New, KeyName::Old];
const NEW: [KeyName; 1] = [KeyName::New];

/// The steps of a change among machines, of which the operator takes `some` first where the order is wrong.
pub(crate) fn steps_of(
    change: KeyChange,
    some: &BTreeSet<usize>,
    others: &BTreeSet<usize>,
    rng: &mut Rng,
) -> Vec<KeyStep> {
    let on_all = |keys: &[KeyName], rng: &mut Rng| step(keys, None, rng.below(500));
    let in_order = |rng: &mut Rng| [on_all(&ACCEPT, rng), on_all(&SEAL, rng), on_all(&NEW, rng)];
    if change == KeyChange::InOrder {
        return in_order(rng).into();
    }
    let mut steps = Vec::new();
    if rng.chance(500) {
        steps.push(on_all(&ACCEPT, rng));
    }
    // For longer than it takes to declare a node dead.
    let rests_ms = rng.between(4_000, 7_000);
    steps.push(KeyStep { cuts: true, ..step(&NEW, Some(some), rests_ms) });
    match rng.below(3) {
        0 => {
            steps.push(step(&ACCEPT, Some(some), 500));
            steps.extend(in_order(rng));
        }
        1 => steps.extend([step(&SEAL, Some(others), 500), on_all(&NEW, rng)]),
        _ => steps.push(on_all(&NEW, rng)),
    }
    steps
}

fn step(keys: &[KeyName], machines: Option<&BTreeSet<usize>>, rests_ms: u64) -> KeyStep {
    KeyStep { file: KeyRing::new(keys), machines: machines.cloned(), cuts: false, rests_ms }
}
