//! What every replica is held against, at every moment: what each origin held at each of its versions, and what
//! each frontier stood for when it was first seen.

use std::collections::BTreeMap;

use psi_replica::{Digest, Entry, Origin, Version};
use psi_state::Replica;

use super::Views;

#[derive(Default)]
pub struct Book {
    /// What origins held when they had flushed a version.
    written: BTreeMap<(Origin, Version), Vec<Entry>>,
    /// Digest and views by frontier.
    seen: BTreeMap<Vec<(Origin, Version)>, (Digest, Views)>,
    /// Where each node stood when it was last checked, and whether something waited for a flush.
    last: BTreeMap<usize, ([u8; 32], bool)>,
    /// How often a frontier was met again.
    pub met_again: u64,
}

impl Book {
    /// Checks a replica whose frontier may have moved.
    pub fn check(&mut self, node: usize, replica: &Replica) {
        let at = (replica.frontier().hash().to_bytes(), replica.is_dirty());
        if self.last.insert(node, at) == Some(at) {
            return;
        }
        // A run that goes on as another has written its last beforehand, and its node shows it first.
        let own = replica.frontier().iter().filter(|(origin, _)| origin.node == *replica.node());
        let me = replica.origin().map(|me| (me, replica.frontier().version(me)));
        for (run, version) in own.chain(me) {
            self.written.entry((run.clone(), version)).or_insert_with(|| replica.entries(run).collect());
        }
        let frontier: Vec<_> = replica.frontier().iter().map(|(origin, version)| (origin.clone(), version)).collect();
        let mut digest = Digest::ZERO;
        for (origin, version) in &frontier {
            let held: Vec<Entry> = replica.entries(origin).collect();
            let written = self.written.get(&(origin.clone(), *version));
            assert_eq!(Some(&held), written, "{origin} at {version} is not what it wrote");
            for entry in held {
                digest = digest.plus(Digest::of_entry(origin, &entry.key, entry.version, &entry.value));
            }
        }
        assert_eq!(replica.digest(), digest, "the digest is kept true");
        if !replica.is_dirty() {
            self.compare(replica, digest, frontier);
        }
    }

    fn compare(&mut self, replica: &Replica, digest: Digest, frontier: Vec<(Origin, Version)>) {
        let views = Views::of(replica);
        // Any will do; the digest picks others each time.
        let picked = digest.to_bytes();
        let has_ended = |origin: &Origin| {
            let place = frontier.iter().position(|(held, _)| held == origin).unwrap_or_default();
            picked[place % picked.len()].is_multiple_of(2)
        };
        for name in replica.field_names() {
            let view = replica.view(&name);
            assert_eq!(view, replica.view_from_entries(&name), "kept up entry by entry, or refolded");
            let shown = (view, replica.learned_fingerprint_from_entries(&name));
            assert_eq!(replica.shown_with_ended(&name, has_ended), shown, "some origins ended, or none");
        }
        match self.seen.get(&frontier) {
            Some((digest, first)) => {
                self.met_again += 1;
                assert_eq!(replica.digest(), *digest, "equal frontiers, other digests: {frontier:?}");
                assert_eq!(views, *first, "equal frontiers, other views: {frontier:?}");
            }
            None => {
                self.seen.insert(frontier, (replica.digest(), views));
            }
        }
    }
}
