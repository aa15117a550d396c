//! Origins in the order in which they last moved, and by the hashes that stand for them in tokens.

use std::collections::BTreeMap;

use crate::{entry::origin::Origin, session::token::NameHash};

/// Every origin of which something is held.
#[derive(Debug, Default)]
pub(crate) struct Recency {
    by_turn: BTreeMap<u64, (Origin, NameHash)>,
    turns: BTreeMap<Origin, u64>,
    by_hash: BTreeMap<NameHash, Origin>,
}

impl Recency {
    /// Notes that an origin moved.
    pub(crate) fn moved(&mut self, origin: &Origin) {
        let turn = self.by_turn.last_key_value().map_or(0, |(last, _)| last + 1);
        let earlier = self.turns.insert(origin.clone(), turn);
        let known = earlier.and_then(|earlier| self.by_turn.remove(&earlier));
        let known = known.unwrap_or_else(|| {
            let hash = NameHash::of_origin(origin);
            self.by_hash.insert(hash, origin.clone());
            (origin.clone(), hash)
        });
        self.by_turn.insert(turn, known);
    }

    /// Notes an origin that is known and has ended: it moved before all others.
    pub(crate) fn ensure(&mut self, origin: &Origin) {
        let hash = NameHash::of_origin(origin);
        self.by_hash.entry(hash).or_insert_with(|| origin.clone());
    }

    /// Forgets origins that are not known any more.
    pub(crate) fn retain(&mut self, is_known: impl Fn(&Origin) -> bool) {
        self.by_turn.retain(|_, (origin, _)| is_known(origin));
        self.turns.retain(|origin, _| is_known(origin));
        self.by_hash.retain(|_, origin| is_known(origin));
    }

    /// Those that moved last first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &(Origin, NameHash)> {
        self.by_turn.values().rev()
    }

    /// The origin that a hash stands for.
    pub(crate) fn origin(&self, hash: NameHash) -> Option<&Origin> {
        self.by_hash.get(&hash)
    }
}
