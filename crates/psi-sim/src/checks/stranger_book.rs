//! What strangers wrote and may know, and which nodes were linked.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::{Frontier, Origin, Version};

/// What was seen of strangers and of links in a run.
#[derive(Debug, Default)]
pub(crate) struct StrangerBook {
    /// Runs of strangers.
    runs: BTreeSet<Origin>,
    /// Runs that were the cluster's up to a version: then their machine was shut out.
    shut_out: BTreeMap<Origin, Version>,
    /// What nodes held by then, which that machine may have got.
    known: BTreeMap<Origin, Version>,
    /// Pairs of processes that have been linked; since when they are not.
    linked: BTreeMap<(usize, usize), Option<u64>>,
}

impl StrangerBook {
    /// Notes a run of a stranger.
    pub(crate) fn record_run(&mut self, run: Origin) {
        self.runs.insert(run);
    }

    /// Notes that a machine is a stranger from now on, which had written so much itself.
    pub(crate) fn record_shut_out(&mut self, own: Origin, version: Version) {
        self.shut_out.insert(own, version);
    }

    /// Notes what a node holds as a machine is shut out.
    pub(crate) fn record_known(&mut self, frontier: &Frontier) {
        for (origin, version) in frontier.iter() {
            let known = self.known.entry(origin.clone()).or_default();
            *known = version.max(*known);
        }
    }

    pub(super) fn is_of_stranger(&self, run: &Origin) -> bool {
        self.runs.contains(run)
    }

    /// Nothing that a stranger wrote is held by a node.
    pub(super) fn check_node(&self, frontier: &Frontier) -> Result<(), String> {
        for (origin, version) in frontier.iter() {
            if self.is_of_stranger(origin) {
                return Err(format!("holds {version} of {origin}, which a stranger wrote"));
            }
            if let Some(limit) = self.shut_out.get(origin).filter(|limit| version > **limit) {
                return Err(format!("holds {version} of {origin}, which was shut out at {limit}"));
            }
        }
        Ok(())
    }

    /// Nothing of the cluster is held by a stranger, but for what one has got before it was shut out.
    pub(super) fn check_stranger(&self, frontier: &Frontier) -> Result<(), String> {
        let is_its_own = |origin: &Origin| self.is_of_stranger(origin) || self.shut_out.contains_key(origin);
        for (origin, version) in frontier.iter().filter(|(origin, _)| !is_its_own(origin)) {
            if version > self.known.get(origin).copied().unwrap_or_default() {
                return Err(format!("is a stranger and holds {version} of {origin}"));
            }
        }
        Ok(())
    }

    /// Takes which pairs may be linked and which are; gives a pair that has not been for `ms_max` though it was before.
    pub(super) fn find_gap(
        &mut self,
        now: u64,
        pairs: &BTreeMap<(usize, usize), bool>,
        ms_max: u64,
    ) -> Option<(usize, usize)> {
        self.linked.retain(|pair, _| pairs.contains_key(pair));
        for (pair, is_linked) in pairs {
            if *is_linked {
                self.linked.insert(*pair, None);
            } else if let Some(since) = self.linked.get_mut(pair) {
                since.get_or_insert(now);
            }
        }
        let is_gap = |since: &Option<u64>| since.is_some_and(|since| now - since >= ms_max);
        self.linked.iter().find(|(_, since)| is_gap(since)).map(|(pair, _)| *pair)
    }
}

#[cfg(test)]
mod tests {
    use psi_replica::NodeId;

    use super::*;

    fn run(node: &str) -> Origin {
        Origin { node: NodeId::new(node).expect("letters"), incarnation: 1_000 }
    }

    fn held(of: &[(&str, u64)]) -> Frontier {
        of.iter().map(|(node, version)| (run(node), Version(*version))).collect()
    }

    #[test]
    fn who_holds_what_another_wrote_is_found() {
        let mut book = StrangerBook::default();
        book.record_run(run("s"));
        assert!(book.check_node(&held(&[("n", 7)])).is_ok() && book.check_stranger(&held(&[("s", 7)])).is_ok());
        assert!(book.check_node(&held(&[("s", 1)])).is_err() && book.check_stranger(&held(&[("n", 1)])).is_err());
    }

    #[test]
    fn who_is_shut_out_keeps_what_it_has_and_gives_no_more() {
        let mut book = StrangerBook::default();
        book.record_shut_out(run("former"), Version(5));
        book.record_known(&held(&[("n", 7), ("former", 5)]));
        assert!(book.check_node(&held(&[("former", 5), ("n", 8)])).is_ok());
        assert!(book.check_node(&held(&[("former", 6)])).is_err());
        assert!(book.check_stranger(&held(&[("former", 9), ("n", 7)])).is_ok());
        assert!(book.check_stranger(&held(&[("n", 8)])).is_err());
    }

    #[test]
    fn a_pair_is_missed_once_it_has_been_linked() {
        let mut book = StrangerBook::default();
        let mut gap = |now, is_linked| book.find_gap(now, &[((0, 1), is_linked)].into(), 1_000);
        let gaps =
            [(0, false), (5_000, false), (5_500, true), (6_000, false), (6_900, false)].map(|(at, up)| gap(at, up));
        assert_eq!(gaps, [None; 5]);
        assert_eq!(gap(7_000, false), Some((0, 1)));
        assert_eq!((gap(7_500, true), gap(8_000, false)), (None, None));
    }
}
