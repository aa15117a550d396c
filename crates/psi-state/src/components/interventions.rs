//! A field's interventions of all origins.
//!
//! One by hand always counts. One of the guardian names the intervention that it follows. Of several that follow the
//! same one, only the first by (clock, origin) counts, so nodes that react to one threat intervene once. Which count is
//! a function of the events held, so it may change when an earlier one arrives.

mod ended;
mod events;
mod messages;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_engine::{Action, Noise, guardian::Threat};
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        facts::{EpochFacts, InterventionSummary},
        moment::Moment,
        value::ValueError,
    },
    spec::EpochShape,
};
use events::{EVENTS_FOLDED, EventFold, Retirement};

pub use ended::ENDED_EVENTS;
pub use events::INTERVENTIONS_KEPT;
pub(crate) use events::{AutomaticCause, Event};
pub(crate) use messages::{number_of, threat_of};
pub(crate) use values::InterventionValue;
pub use values::{INTERVENTIONS, RETIRED};

/// An own intervention that waits for a flush.
#[derive(Clone, Debug)]
struct PendingEvent {
    version: Version,
    clock: Clock,
    sequence: u64,
    event: Event,
}

/// The fold, of all origins, and what of the own ones waits for a flush.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interventions {
    fold: EventFold,
    /// Own interventions so far by hand and by the guardian: the next one's sequence.
    written: [u64; 2],
    /// Own events that wait for a flush, by index: as many as are kept at most.
    pending: BTreeMap<u64, PendingEvent>,
    /// In a copy that a batch is worked out on, all of its events in their order.
    replay: Option<Vec<PendingEvent>>,
    /// The write that changed what the own origin says of those it no longer keeps, if that waits for a flush.
    retired_at: Option<Version>,
    /// Whether something changed since the fold was settled.
    is_stale: bool,
}

/// What a field's interventions come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InterventionsView {
    /// ν: the fold of all interventions in clock order.
    pub noise: Noise,
    /// Interventions in this epoch that count, by hand and by the guardian.
    pub counted: u64,
}

impl Interventions {
    pub(crate) fn summary(&self) -> &InterventionSummary {
        self.fold.summary()
    }

    /// ν.
    pub(crate) fn noise(&self) -> Noise {
        self.summary().noise
    }

    /// Settles what the events come to, if any changed.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.is_stale) {
            self.fold.fold();
        }
    }

    /// Records an intervention of the own origin at step `k`, as part of the write `version`, for the guardian's reason
    /// if there is one.
    pub(crate) fn write(&mut self, local: &Moment, version: Version, action: Action, k: u64, threat: Option<Threat>) {
        let follows = self.summary().last.as_ref().map(|last| last.moment.clone());
        let automatic = threat.map(|threat| AutomaticCause { threat, follows });
        let event = Event { action, k, automatic };
        let written = &mut self.written[usize::from(event.automatic.is_some())];
        let sequence = *written;
        *written += 1;
        self.put_own(&local.1, PendingEvent { version, clock: local.0, sequence, event });
    }

    /// Folds in an own event; records what is retired then.
    fn put_own(&mut self, local: &Origin, pending: PendingEvent) {
        let (moment, index) = ((pending.clock, local.clone()), pending.event.index(pending.sequence));
        if self.fold.write(moment, index, pending.event.clone()).is_some() {
            self.retired_at = Some(pending.version);
        }
        if let Some(replay) = &mut self.replay {
            replay.push(pending.clone());
        }
        self.pending.insert(index, pending);
    }
}

impl Component for Interventions {
    type Value = InterventionValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(lane: Lane) -> u64 {
        match lane {
            RETIRED => 0,
            ENDED_EVENTS => ended::ENTRIES - 1,
            _ => 2 * INTERVENTIONS_KEPT - 1,
        }
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<InterventionValue, ValueError> {
        InterventionValue::decode(key, bytes)
    }

    fn encode(value: &InterventionValue) -> Bytes {
        value.encode()
    }

    fn clock(value: &InterventionValue) -> Option<Clock> {
        match value {
            InterventionValue::Event { clock, .. } => Some(*clock),
            InterventionValue::Retired(retirement) => retirement.nigredo,
            InterventionValue::Ended(events) => events.iter().map(|((clock, ..), _)| *clock).max(),
        }
    }

    fn change(&mut self, origin: &Origin, key: &Key, value: &InterventionValue, direction: Direction) {
        self.is_stale = true;
        match (value, direction) {
            (InterventionValue::Event { clock, event, .. }, Direction::Put) => {
                self.fold.put((*clock, origin.clone()), key.index, event.clone());
            }
            (InterventionValue::Event { clock, .. }, Direction::Remove) => {
                self.fold.remove((*clock, origin.clone()), key.index);
            }
            (InterventionValue::Retired(retirement), Direction::Put) => {
                // No live origin speaks for another.
                let author = retirement.author.clone().filter(|_| origin.is_base());
                self.fold.put_retired(origin, Some(Retirement { author, ..retirement.clone() }));
            }
            (InterventionValue::Retired(_), Direction::Remove) => self.fold.put_retired(origin, None),
            (InterventionValue::Ended(events), _) if origin.is_base() => {
                events.iter().for_each(|(place, event)| self.fold.change_ended(place, event, direction));
            }
            (InterventionValue::Ended(_), _) => {}
        }
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, InterventionValue) {
        InterventionValue::sample(rng)
    }
}

impl EpochComponent for Interventions {
    type View = InterventionsView;

    fn new(_: &EpochShape) -> Self {
        Self::default()
    }

    fn restart(&mut self, _: &EpochShape, kept: Option<&Origin>) {
        self.fold.keep_only(kept);
        self.is_stale = true;
    }

    fn view(&self, _: &EpochFacts<'_>) -> InterventionsView {
        let InterventionSummary { noise, counted, automatic: _, superseded: _, last: _, dissolved: _ } = self.summary();
        InterventionsView { noise: *noise, counted: *counted }
    }

    /// The latest events, as many as are folded one by one, and what all others come to.
    fn write_base(&self, _: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        let events: Vec<_> = self.fold.placed().collect();
        base.put_latest(ENDED_EVENTS, &events, (EVENTS_FOLDED, ended::EVENTS_PER_ENTRY), ended::encode);
        let retired = self.fold.retired_of_all();
        if retired != Retirement::default() {
            base.put(RETIRED, 0, values::encode_retirement(&retired));
        }
    }

    fn flush(&mut self, local: &Origin, sink: &mut FlushSink) {
        for (index, PendingEvent { version, clock, sequence, event }) in std::mem::take(&mut self.pending) {
            sink.push(INTERVENTIONS, index, version, values::encode_event(clock, sequence, &event));
        }
        if let Some(version) = self.retired_at.take() {
            sink.push(RETIRED, 0, version, values::encode_retirement(&self.fold.retired_of(local)));
        }
    }

    fn forget_pending(&mut self) {
        self.pending.clear();
        self.replay = Some(Vec::new());
        self.retired_at = None;
    }

    /// What counts is judged by what is known by now.
    fn merge_own(&mut self, copy: Self, local: &Origin, version: Version) {
        let before = self.fold.retired_of(local);
        for pending in copy.replay.into_iter().flatten() {
            self.put_own(local, PendingEvent { version, ..pending });
        }
        self.written = copy.written;
        if self.fold.retired_of(local) != before {
            self.retired_at = Some(version);
        }
        self.is_stale = true;
    }
}
