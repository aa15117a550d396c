//! Working memory: the most salient steps.

use std::collections::BTreeMap;

use super::capacity;
use crate::oracle::{
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    components::interventions::CountedEvents,
    known::Knowledge,
    records::{Record, StepRecord},
    words::OracleMoment,
};

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct WorkingMemory;

/// A step that may be kept.
#[derive(Clone, Debug)]
pub struct WorkingRecord {
    salience: f64,
    /// Vectors that the origin then held at most.
    capacity: usize,
    /// The latest nigredo by then.
    dissolved: Option<OracleMoment>,
}

impl Component for WorkingMemory {
    const SCOPE: Scope = Scope::Epoch;
    type Write = NoWrite;
    type Record = WorkingRecord;
    type Expectation = Option<usize>;

    fn record_step(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, WorkingRecord>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<WorkingRecord>>, String> {
        let answer = &step.what.answer;
        Ok(known.learning_spec().map(|spec| {
            let salience = f64::max(0.0, answer.density() - answer.prediction_error() / 2.0);
            let dissolved = CountedEvents::of(known).dissolved();
            step.with(WorkingRecord { salience, capacity: capacity(spec), dissolved })
        }))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, WorkingRecord>, _: &mut Sights) -> Option<usize> {
        let spec = known.learning_spec()?;
        let dissolved = CountedEvents::of(known).dissolved();
        let alive = held(own).into_iter().filter(|memory| memory.is_after(dissolved.as_ref())).count();
        Some(alive.min(capacity(spec)))
    }
}

/// What the origins hold in working memory: each the most salient of its own since what it knows to be dissolved.
fn held<'a>(own: &OwnRecords<'a, WorkingRecord>) -> Vec<&'a Record<WorkingRecord>> {
    let mut held: BTreeMap<usize, Vec<&Record<WorkingRecord>>> = BTreeMap::new();
    // The least salient gives way, of equals the newer.
    let gives_way = |one: &&Record<WorkingRecord>, other: &&Record<WorkingRecord>| {
        one.what.salience.total_cmp(&other.what.salience).then(other.clock.cmp(&one.clock))
    };
    for memory in own.in_order() {
        let of_origin = held.entry(memory.number).or_default();
        let gone = of_origin.iter_mut().find(|held| !held.is_after(memory.what.dissolved.as_ref()));
        if let Some(gone) = gone {
            *gone = memory;
        } else if of_origin.len() < memory.what.capacity {
            of_origin.push(memory);
        } else if let Some(least) = of_origin.iter_mut().min_by(|one, other| gives_way(one, other))
            && least.what.salience < memory.what.salience
        {
            *least = memory;
        }
    }
    held.into_values().flatten().collect()
}
