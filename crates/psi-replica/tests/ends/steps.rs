//! A state of numbered steps: it shows exactly which are missing and which were counted twice.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{Clock, Entry, InvalidValue, Key, Lane, Origin, OriginLog, RemoteUpdate, Scope, State, Writer};

const STEPS: Lane = Lane(40);

pub fn steps_key() -> Key {
    Key { scope: Scope::Cluster, lane: STEPS, index: 0 }
}

/// Numbers of steps, by who counted them.
#[derive(Debug, Default)]
pub struct Steps(pub BTreeMap<Origin, Vec<u64>>);

impl Steps {
    pub fn view(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.0.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }
}

pub fn decoded(value: &[u8]) -> Vec<u64> {
    value.chunks(8).map(|step| u64::from_le_bytes(step.try_into().unwrap())).collect()
}

pub fn encoded(steps: &[u64]) -> Bytes {
    steps.iter().flat_map(|step| step.to_le_bytes()).collect()
}

impl State for Steps {
    type Demand = ();
    type Event = ();
    const EPOCH_LANE: Lane = Lane(2);

    fn check(_: &Key, _: &Bytes) -> Result<Clock, InvalidValue> {
        Ok(Clock::default())
    }

    #[cfg(feature = "testing")]
    fn knows(lane: Lane) -> bool {
        lane == STEPS
    }

    fn apply(&mut self, RemoteUpdate { origins, .. }: RemoteUpdate<'_>) -> Vec<()> {
        for (origin, changes) in origins {
            for change in changes.iter().filter(|change| change.key.lane == STEPS) {
                match &change.after {
                    Some(value) => self.0.insert((*origin).clone(), decoded(value)),
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
        let values = logs.filter_map(|log| log.value(&steps_key()));
        let mut all: Vec<u64> = values.flat_map(|value| decoded(value)).collect();
        all.sort_unstable();
        BTreeMap::from([(steps_key(), encoded(&all))])
    }

    fn write_demand(&mut self, _: &mut Writer<'_, ()>, (): ()) {}

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self, _: &Origin) -> Vec<Entry> {
        Vec::new()
    }
}
