//! Steps that resets and drops have discarded, as far as their origins have said.

use std::collections::BTreeMap;

use crate::oracle::{
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    known::Knowledge,
    words::OracleOrigin,
};

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Tombstones;

impl Component for Tombstones {
    const SCOPE: Scope = Scope::Epoch;
    type Write = NoWrite;
    type Record = NoWrite;
    type Expectation = u64;

    /// An origin says how many of its steps a reset left behind when it takes note of the new epoch, which it does by a
    /// spec of its own.
    fn expect(known: &Knowledge<'_>, _: &OwnRecords<'_, NoWrite>, _: &mut Sights) -> u64 {
        let mut reached: BTreeMap<&OracleOrigin, u64> = BTreeMap::new();
        for spec in known.all_specs() {
            let epoch = reached.entry(&spec.origin).or_default();
            *epoch = spec.epoch.max(*epoch);
        }
        known.all_steps().filter(|step| reached.get(&step.origin).is_some_and(|at| step.epoch < *at)).count() as u64
    }
}
