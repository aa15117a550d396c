//! The latents that the next step is scored against.

use std::collections::BTreeMap;

use super::retention;
use crate::{
    oracle::{
        component::{Component, NoWrite, OwnRecords, Scope, Sights},
        components::interventions::CountedEvents,
        known::Knowledge,
        records::{Record, StepRecord},
    },
    report::markers::Marker,
};

/// As many latents were held as are retained.
const RETENTION_FULL: Marker = Marker::new("retention window full");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Latents;

/// A latent that an origin wrote.
#[derive(Clone, Copy, Debug)]
pub struct LatentRecord {
    /// Latents that the origin then held at most.
    retention: usize,
}

impl Component for Latents {
    const SCOPE: Scope = Scope::Epoch;
    const SIGHTS: &'static [Marker] = &[RETENTION_FULL];
    type Write = NoWrite;
    type Record = LatentRecord;
    type Expectation = Option<usize>;

    fn record_step(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, LatentRecord>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<LatentRecord>>, String> {
        Ok(known.learning_spec().map(|spec| step.with(LatentRecord { retention: retention(spec) })))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, LatentRecord>, sights: &mut Sights) -> Option<usize> {
        let spec = known.learning_spec()?;
        let dissolved = CountedEvents::of(known).dissolved();
        let alive = held(own).into_iter().filter(|latent| latent.is_after(dissolved.as_ref())).count();
        let latents = alive.min(retention(spec));
        if latents == retention(spec) && latents > 1 {
            sights.insert(RETENTION_FULL);
        }
        Some(latents)
    }
}

/// Latents that the origins hold: each the latest of its own, for all that others do.
fn held<'a>(own: &OwnRecords<'a, LatentRecord>) -> Vec<&'a Record<LatentRecord>> {
    let mut held: BTreeMap<usize, Vec<&Record<LatentRecord>>> = BTreeMap::new();
    for latent in own.in_order() {
        let of_origin = held.entry(latent.number).or_default();
        if of_origin.len() >= latent.what.retention {
            of_origin.remove(0);
        }
        of_origin.push(latent);
    }
    held.into_values().flatten().collect()
}
