//! What happens to models, as ledgers show it: every node sees the same events.

use std::collections::BTreeSet;

use psi_ledger::{
    body::Action,
    record::{Body, Kind, Record},
};
use psi_replica::{Clock, Origin};
use psi_state::{LedgerRecord, Replica};

/// Something that happened to a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ModelEventRecord {
    pub(crate) clock: Clock,
    /// Whose ledger has it, and where in it.
    pub(crate) place: (Origin, u64),
    pub(crate) kind: Kind,
    pub(crate) actor: String,
    pub(crate) method: String,
    /// The model, with its version or rollout.
    pub(crate) object: String,
    pub(crate) reason: String,
    /// How a call ended; empty for what follows by itself.
    pub(crate) outcome: String,
}

/// Gives each event once, as long as ledgers show it.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    generation: Option<u64>,
    given: BTreeSet<(Origin, u64)>,
}

impl ModelEventRecord {
    fn read(shown: &LedgerRecord) -> Option<Self> {
        let record = Record::decode(&shown.record).ok()?;
        let Body::Inline(body) = &record.body else { return None };
        if !matches!(record.kind, Kind::ModelChange | Kind::Rollback) {
            return None;
        }
        let Action { method, object, action: reason, outcome, .. } = Action::decode(body).ok()?;
        // A rollback has a record of its own kind. That of the call, and that it was decided, are not told again.
        if record.kind == Kind::ModelChange && (method == "rollback" || object.starts_with("rollback ")) {
            return None;
        }
        let (clock, place) = (shown.clock, (shown.author.clone(), shown.number));
        Some(Self { clock, place, kind: record.kind, actor: record.actor.to_string(), method, object, reason, outcome })
    }

    /// The model that it is about.
    pub(crate) fn model(&self) -> &str {
        let mut words = self.object.rsplit(' ');
        let last = words.clone().next().unwrap_or_default();
        let named = words.find(|word| word.contains(['@', '/'])).unwrap_or(last);
        named.split(['@', '/']).next().unwrap_or_default()
    }

    /// Its ledger and its index there.
    pub(crate) fn id(&self) -> String {
        let (Origin { node, incarnation }, number) = &self.place;
        format!("{node}/{incarnation}/{number}")
    }
}

impl EventReader {
    /// One that gives only what is to come.
    pub(crate) fn from_now(replica: &Replica) -> Self {
        let mut reader = Self::default();
        reader.read(replica);
        reader
    }

    /// Events that were not given yet, in the order of their clocks.
    pub(crate) fn read(&mut self, replica: &Replica) -> Vec<ModelEventRecord> {
        let generation = replica.ledger_generation();
        if self.generation.replace(generation) == Some(generation) {
            return Vec::new();
        }
        let shown = replica.ledger_records(|shown| ModelEventRecord::read(shown).is_some());
        let mut events: Vec<_> = shown.iter().filter_map(ModelEventRecord::read).collect();
        let places: BTreeSet<_> = events.iter().map(|event| event.place.clone()).collect();
        events.retain(|event| !self.given.contains(&event.place));
        events.sort_unstable();
        // What ledgers no longer show does not come back.
        self.given = places;
        events
    }
}

#[cfg(test)]
mod tests {
    use psi_replica::NodeId;

    use super::*;

    #[test]
    fn an_event_names_its_model() {
        let of = |object: &str| {
            let place = (Origin { node: NodeId::new("n1").expect("a name"), incarnation: 7 }, 3);
            let (clock, text) = (Clock { wall_ms: 1, counter: 0 }, String::new);
            let object = object.to_owned();
            let event = ModelEventRecord {
                clock,
                place,
                kind: Kind::ModelChange,
                actor: text(),
                method: text(),
                object,
                reason: text(),
                outcome: text(),
            };
            assert_eq!(event.id(), "n1/7/3");
            event.model().to_owned()
        };
        let objects = [
            "churn@v2 STAGING",
            "churn@v2",
            "rollback churn/churn-v2-1",
            "churn/churn-v2-1",
            "churn",
            "remediation on churn",
        ];
        assert!(objects.iter().all(|object| of(object) == "churn"), "{:?}", objects.map(of));
    }
}
