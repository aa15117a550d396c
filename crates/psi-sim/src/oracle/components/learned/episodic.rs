//! Episodic memory: steps that were dense and continuous, or of middling error.

use crate::{
    oracle::{
        component::{Component, NoWrite, OwnRecords, Scope, Sights},
        components::guardian::looks_at,
        known::Knowledge,
        records::{Record, StepRecord},
        words::{OracleAnswer, OracleSpec},
    },
    report::markers::Marker,
};

/// Memories that are held at most, and how many go when there are more.
const MEMORIES: u64 = 4096;
const MEMORIES_GO: u64 = 409;

/// Episodic memories of several origins were interleaved: neither's all before the other's.
const INTERLEAVED: Marker = Marker::new("memories interleaved");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct EpisodicMemory;

/// A step that is remembered.
#[derive(Clone, Copy, Debug)]
pub struct EpisodicRecord;

impl Component for EpisodicMemory {
    const SCOPE: Scope = Scope::Epoch;
    const SIGHTS: &'static [Marker] = &[INTERLEAVED];
    type Write = NoWrite;
    type Record = EpisodicRecord;
    type Expectation = Option<usize>;

    fn record_step(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, EpisodicRecord>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<EpisodicRecord>>, String> {
        let spec = known.learning_spec().filter(|spec| is_memorable(spec, &step.what.answer));
        Ok(spec.filter(|_| looks_at(known, step)).map(|_| step.with(EpisodicRecord)))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, EpisodicRecord>, sights: &mut Sights) -> Option<usize> {
        known.learning_spec()?;
        let memories = own.in_order();
        if memories.windows(2).filter(|pair| pair[0].number != pair[1].number).count() > 1 {
            sights.insert(INTERLEAVED);
        }
        Some(memories_of(memories.len() as u64))
    }
}

fn is_memorable(spec: &OracleSpec, answer: &OracleAnswer) -> bool {
    let error = answer.prediction_error();
    let is_dense = answer.density() > spec.parameter("tau_psi") && answer.continuity() > spec.parameter("tau_c");
    is_dense || spec.parameter("pe_low") <= error && error <= spec.parameter("pe_high")
}

/// How many memories there are when so many were added one by one.
pub(in crate::oracle) fn memories_of(added: u64) -> usize {
    let mut held = 0;
    for _ in 0..added {
        held += 1;
        if held > MEMORIES {
            held -= MEMORIES_GO;
        }
    }
    usize::try_from(held).unwrap_or(usize::MAX)
}
