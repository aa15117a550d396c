//! Which writes somebody knows of.

use std::collections::BTreeMap;

use super::{ModelClock, ModelFrontier, ModelOrigin, Record};

/// Writes up to a version of each origin; of the origin whose horizon it is, those before a clock.
#[derive(Clone, Debug)]
pub(super) struct Horizon {
    /// By the origins' numbers.
    versions: Vec<u64>,
    own: Option<(usize, ModelClock)>,
}

impl Horizon {
    /// All that a frontier covers.
    pub(super) fn of(frontier: &ModelFrontier, numbers: &BTreeMap<ModelOrigin, usize>) -> Self {
        let mut versions = vec![0; numbers.len()];
        for (origin, version) in frontier {
            if let Some(held) = numbers.get(origin).and_then(|number| versions.get_mut(*number)) {
                *held = *version;
            }
        }
        Self { versions, own: None }
    }

    /// What an origin knew before it wrote at `clock`: what it had seen of others, and all of its own.
    pub(super) fn before(
        seen: &ModelFrontier,
        numbers: &BTreeMap<ModelOrigin, usize>,
        origin: usize,
        clock: ModelClock,
    ) -> Self {
        Self { own: Some((origin, clock)), ..Self::of(seen, numbers) }
    }

    /// The same of others, and what the origin wrote before `clock`.
    pub(super) fn up_to(&self, clock: ModelClock) -> Self {
        Self { versions: self.versions.clone(), own: self.own.map(|(origin, _)| (origin, clock)) }
    }

    pub(super) fn covers<T>(&self, record: &Record<T>) -> bool {
        match self.own {
            Some((origin, clock)) if origin == record.number => record.clock < clock,
            _ => self.versions.get(record.number).is_some_and(|version| record.version <= *version),
        }
    }
}
