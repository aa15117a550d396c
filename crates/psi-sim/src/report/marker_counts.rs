//! All markers, and how often each was met.

use std::collections::BTreeMap;

use crate::{
    oracle::SIGHTS,
    report::markers::{Marker, WORLD},
};

const COUNT: usize = {
    let (mut count, mut group) = (WORLD.len(), 0);
    while group < SIGHTS.len() {
        count += SIGHTS[group].len();
        group += 1;
    }
    count
};

impl Marker {
    /// All of them: those of the world, then those of the oracle's components in the order of their rows.
    pub const ALL: [Self; COUNT] = {
        let mut all = [WORLD[0]; COUNT];
        let mut at = 0;
        while at < WORLD.len() {
            all[at] = WORLD[at];
            at += 1;
        }
        let mut group = 0;
        while group < SIGHTS.len() {
            let mut sight = 0;
            while sight < SIGHTS[group].len() {
                all[at] = SIGHTS[group][sight];
                at += 1;
                sight += 1;
            }
            group += 1;
        }
        all
    };
}

/// How often each was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkerCounts(BTreeMap<Marker, u64>);

impl MarkerCounts {
    pub(crate) fn reach(&mut self, marker: Marker) {
        *self.0.entry(marker).or_default() += 1;
    }

    /// How often one was met.
    #[must_use]
    pub fn count(&self, marker: Marker) -> u64 {
        self.0.get(&marker).copied().unwrap_or_default()
    }

    /// Takes in those of another run.
    pub fn add(&mut self, other: &Self) {
        for (marker, count) in &other.0 {
            *self.0.entry(*marker).or_default() += count;
        }
    }

    /// Those that were never met.
    pub fn missing(&self) -> impl Iterator<Item = Marker> {
        let reachable = |marker: &Marker| cfg!(feature = "testing") || *marker != Marker::UNKNOWN_LANE;
        Marker::ALL.into_iter().filter(reachable).filter(|marker| self.count(*marker) == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_marker_is_listed_once() {
        let names: BTreeSet<&str> = Marker::ALL.into_iter().map(Marker::name).collect();
        assert_eq!(names.len(), Marker::ALL.len(), "two have one name");
    }

    #[test]
    fn a_marker_that_was_met_is_not_missing() {
        let mut counts = MarkerCounts::default();
        counts.reach(Marker::DELTA_CUT);
        assert_eq!(counts.count(Marker::DELTA_CUT), 1);
        assert_eq!(counts.missing().count(), Marker::ALL.len() - 1);
    }
}
