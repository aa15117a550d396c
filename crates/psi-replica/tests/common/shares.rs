//! A state of one entry a run: its share. What ended runs come to is the sum of theirs.

use std::{collections::BTreeMap, fmt::Debug};

use bytes::Bytes;
use psi_replica::{Clock, Entry, InvalidValue, Key, Lane, Origin, OriginLog, RemoteUpdate, Scope, State, Writer};

const SHARES: Lane = Lane(40);

fn share_key() -> Key {
    Key { scope: Scope::Cluster, lane: SHARES, index: 0 }
}

/// What a run has added.
pub trait Share: Clone + Debug + Default {
    /// The clock of its latest step; the least where it has none.
    fn clock(&self) -> Clock;
    fn encoded(&self) -> Bytes;
    fn decoded(value: &[u8]) -> Self;
    fn sum(shares: impl Iterator<Item = Self>) -> Self;
}

/// The share of each run.
#[derive(Debug)]
pub struct Shares<T>(pub BTreeMap<Origin, T>);

impl<T> Default for Shares<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Share> Shares<T> {
    /// Writes the share of the writer's origin, once it has grown.
    pub fn write(&mut self, writer: &mut Writer<'_, ()>, grow: impl FnOnce(&mut T)) {
        let share = self.0.entry(writer.origin().clone()).or_default();
        grow(share);
        writer.put(share_key(), share.encoded());
    }
}

impl<T: Share> State for Shares<T> {
    type Demand = ();
    type Event = ();
    const EPOCH_LANE: Lane = Lane(2);

    fn check(key: &Key, value: &Bytes) -> Result<Clock, InvalidValue> {
        Ok(if key.lane == SHARES { T::decoded(value).clock() } else { Clock::default() })
    }

    #[cfg(feature = "testing")]
    fn knows(lane: Lane) -> bool {
        lane == SHARES
    }

    fn apply(&mut self, RemoteUpdate { origins, .. }: RemoteUpdate<'_>) -> Vec<()> {
        for (origin, changes) in origins {
            for change in changes.iter().filter(|change| change.key.lane == SHARES) {
                match &change.after {
                    Some(value) => self.0.insert((*origin).clone(), T::decoded(value)),
                    None => self.0.remove(origin),
                };
            }
        }
        Vec::new()
    }

    fn empty(&self) -> Self {
        Self::default()
    }

    fn can_fold(_: &OriginLog) -> bool {
        true
    }

    fn fold_ended(base: Option<&OriginLog>, ended: &[(&Origin, &OriginLog)]) -> BTreeMap<Key, Bytes> {
        let logs = base.into_iter().chain(ended.iter().map(|(_, log)| *log));
        let shares = logs.filter_map(|log| log.value(&share_key())).map(|value| T::decoded(value));
        BTreeMap::from([(share_key(), T::sum(shares).encoded())])
    }

    fn write_demand(&mut self, _: &mut Writer<'_, ()>, (): ()) {}

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self, _: &Origin) -> Vec<Entry> {
        Vec::new()
    }
}
