//! Which writes somebody knows of.

use std::collections::BTreeMap;

use super::{
    records::Record,
    words::{OracleClock, OracleFrontier, OracleOrigin},
};

/// Writes up to a version of each origin; of the origin whose horizon it is, those before a clock.
#[derive(Clone, Debug)]
pub(super) struct Horizon {
    /// By the origins' numbers.
    versions: Vec<u64>,
    own: Option<(usize, OracleClock)>,
}

impl Horizon {
    /// All that a frontier covers.
    pub(super) fn of(frontier: &OracleFrontier, numbers: &BTreeMap<OracleOrigin, usize>) -> Self {
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
        seen: &OracleFrontier,
        numbers: &BTreeMap<OracleOrigin, usize>,
        origin: usize,
        clock: OracleClock,
    ) -> Self {
        Self { own: Some((origin, clock)), ..Self::of(seen, numbers) }
    }

    pub(super) fn covers<T>(&self, record: &Record<T>) -> bool {
        match self.own {
            Some((origin, clock)) if origin == record.number => record.clock < clock,
            _ => self.versions.get(record.number).is_some_and(|version| record.version <= *version),
        }
    }
}
