//! The transition that all origins correct together. Its numbers are not expected: for these replicas are held against
//! each other.

use std::collections::BTreeSet;

use super::corrects;
use crate::{
    oracle::{
        component::{Component, NoWrite, OwnRecords, Scope, Sights},
        components::windows::first_second,
        known::Knowledge,
        records::{Record, StepRecord},
    },
    report::markers::Marker,
};

/// Transitions of two origins were blended.
const BLENDED: Marker = Marker::new("transitions blended");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Transitions;

/// A correction by one origin.
#[derive(Clone, Copy, Debug)]
pub struct TransitionUpdate;

impl Component for Transitions {
    const SCOPE: Scope = Scope::Epoch;
    const SIGHTS: &'static [Marker] = &[BLENDED];
    type Write = NoWrite;
    type Record = TransitionUpdate;
    type Expectation = ();

    fn record_step(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, TransitionUpdate>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<TransitionUpdate>>, String> {
        Ok(corrects(known).then(|| step.with(TransitionUpdate)))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, TransitionUpdate>, sights: &mut Sights) {
        let since = first_second(known);
        let recent: BTreeSet<usize> =
            own.iter().filter(|update| update.second() >= since).map(|update| update.number).collect();
        if recent.len() > 1 {
            sights.insert(BLENDED);
        }
    }
}
