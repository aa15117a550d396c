//! One field, folded from the entries of all origins and kept up to date entry by entry.
//!
//! The fold is a function of what the origins hold: exact sums that can be added and taken out again, and maps
//! in which the greatest key wins. So the order in which entries came can't be seen in it. What this replica's
//! own origin adds at every step is kept beside it ([`OwnField`]) and joined when the field is read.

use std::collections::BTreeMap;

use psi_engine::{EngineKind, core::FieldTime};
use psi_stats::{Moments, MomentsError, Totals, WindowTotals};

use crate::{
    clock::Clock,
    digest::Digest,
    entry::Entry,
    interventions::Interventions,
    key::{Epoch, Key},
    learned::Learned,
    log::{Change, OriginLog},
    name::FieldName,
    origin::Origin,
    own::{OwnField, chunks},
    spec::{CurrentSpec, Spec},
    value::{METRICS, Record, Value},
    view::{FieldView, GuardianView},
    watch::{SAMPLES_PER_ENTRY, Watch},
};

mod step;

pub(crate) use step::Stepped;

/// A field's fold.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: FieldName,
    /// Of all origins. The implicit spec of `default` is no origin's.
    specs: BTreeMap<(Epoch, Clock, Option<Origin>), Spec>,
    current: Option<Current>,
    /// Of the other origins, one a moments entry.
    moments: Vec<Totals>,
    /// Of the other origins.
    windows: WindowTotals,
    /// Of the other origins.
    recents: BTreeMap<(Clock, Origin), Record>,
    /// Of all origins.
    pub(crate) interventions: Interventions,
    /// Of all origins.
    watch: Watch,
    /// Of all origins, where the engine learns.
    pub(crate) learned: Option<Learned>,
    /// Of all origins.
    steps_dropped: BTreeMap<Origin, u64>,
    pub(crate) own: Option<OwnField>,
    /// Whether a batch of this replica is worked out on a copy.
    pub(crate) is_lent: bool,
}

/// The spec that holds, with what is looked up at every step.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) epoch: Epoch,
    pub(crate) spec: Spec,
    /// `None` for an engine that this build does not know.
    pub(crate) engine: Option<EngineKind>,
}

/// What settling a field's spec did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The epoch is the same; the fold stands.
    AsBefore,
    /// The field was folded anew.
    Refolded {
        /// Steps of this replica's own origin that the new epoch leaves behind.
        own_steps_left: u64,
    },
}

impl Field {
    pub(crate) fn new(name: FieldName) -> Self {
        let mut field = Self {
            specs: BTreeMap::new(),
            current: None,
            moments: Vec::new(),
            windows: WindowTotals::new(METRICS),
            recents: BTreeMap::new(),
            interventions: Interventions::default(),
            watch: Watch::default(),
            learned: None,
            steps_dropped: BTreeMap::new(),
            own: None,
            is_lent: false,
            name,
        };
        if field.name.is_default() {
            field.specs.insert((Epoch::IMPLICIT, Clock::default(), None), Spec::implicit());
        }
        field.refold(None, std::iter::empty());
        field
    }

    /// The spec that holds, unless the field does not exist or was dropped.
    pub(crate) fn current(&self) -> Option<&Current> {
        self.current.as_ref().filter(|current| !current.spec.dropped)
    }

    /// The epoch, of a dropped field too.
    pub(crate) fn epoch(&self) -> Epoch {
        self.current.as_ref().map_or(Epoch::IMPLICIT, |current| current.epoch)
    }

    /// Steps that the field has counted, of all origins.
    pub(crate) fn count(&self) -> u64 {
        let Some(first) = self.moments.first() else { return 0 };
        let own = self.own().filter(|own| own.chunk(0).is_some_and(|range| range.len() == first.width()));
        let others = u64::try_from(first.count()).unwrap_or(u64::MAX);
        others.saturating_add(own.map_or(0, |own| own.moments.count()))
    }

    fn own(&self) -> Option<&OwnField> {
        self.own.as_ref().filter(|own| own.epoch == self.epoch())
    }

    /// The spec that holds, if another one of its epoch fixes something else: two nodes gave the field different shapes
    /// in one millisecond, and the shapes drew the same bits.
    pub(crate) fn disputed(&self) -> Option<&Spec> {
        let ((epoch, ..), spec) = self.specs.last_key_value()?;
        let in_epoch = self.specs.iter().rev().take_while(|((held, ..), _)| held == epoch);
        in_epoch.into_iter().any(|(_, other)| !other.is_alike(spec)).then_some(spec)
    }

    fn change_spec(&mut self, key: (Epoch, Clock, Option<Origin>), spec: Option<Spec>) {
        match spec {
            Some(spec) => self.specs.insert(key, spec),
            None => self.specs.remove(&key),
        };
    }

    /// Who wrote the spec that holds, and the spec; `None` for the implicit one.
    pub(crate) fn stated(&self) -> Option<(&Origin, &Spec)> {
        let ((.., writer), spec) = self.specs.last_key_value()?;
        Some((writer.as_ref()?, spec))
    }

    /// Writes this replica's own spec, in place of its older ones. Its fold must then be settled.
    pub(crate) fn put_own_spec(&mut self, epoch: Epoch, origin: &Origin, spec: Spec) {
        self.specs.retain(|(held, _, writer), _| writer.as_ref() != Some(origin) || *held > epoch);
        self.specs.insert((epoch, spec.clock, Some(origin.clone())), spec);
    }

    /// Takes the greatest spec. Tells whether the field now is of another epoch or shape.
    fn settle_spec(&mut self) -> bool {
        let winner = self.specs.last_key_value().map(|((epoch, ..), spec)| Current {
            epoch: *epoch,
            engine: spec.setup.engine(),
            spec: spec.clone(),
        });
        let shape = |current: &Option<Current>| {
            current.as_ref().map(|current| {
                let setup = &current.spec.setup;
                (current.epoch, setup.shape.clone(), setup.latent(), current.spec.dropped)
            })
        };
        let reshaped = shape(&winner) != shape(&self.current);
        self.current = winner;
        reshaped
    }

    /// Settles the spec after it may have changed; folds anew from the `logs` of the others than `me` if the epoch or
    /// the shape did.
    pub(crate) fn settle<'a>(
        &mut self,
        me: Option<&Origin>,
        logs: impl Iterator<Item = (&'a Origin, &'a OriginLog)>,
    ) -> Settled {
        let before = self.epoch();
        if !self.settle_spec() {
            return Settled::AsBefore;
        }
        self.refold(me.filter(|_| self.epoch() == before), logs);
        let epoch = self.epoch();
        let left_behind = self.own.take_if(|own| own.epoch < epoch);
        Settled::Refolded { own_steps_left: left_behind.map_or(0, |own| own.moments.count()) }
    }

    /// Folds anew from `logs`, and keeps the interventions and samples of `kept`, whose log is not among them.
    pub(crate) fn refold<'a>(
        &mut self,
        kept: Option<&Origin>,
        logs: impl Iterator<Item = (&'a Origin, &'a OriginLog)>,
    ) {
        self.settle_spec();
        let setup = self.current().map(|current| &current.spec.setup);
        let width = setup.map_or(0, |setup| setup.shape.width);
        let learns = setup.and_then(|setup| Some(Learned::new(width, setup.shape.seed, setup.latent()?)));
        self.learned = learns;
        self.moments = chunks(width).map(|range| Totals::new(range.len())).collect();
        self.windows = WindowTotals::new(METRICS);
        self.recents.clear();
        self.interventions.keep_only(kept);
        self.watch.keep_only(kept);
        let (name, epoch) = (self.name.clone(), self.epoch());
        for (origin, log) in logs {
            for (key, bytes) in log.of_field(&name, epoch) {
                if let Ok(value) = Value::decode(key, bytes) {
                    self.put(origin, key, &value);
                }
            }
        }
        self.interventions.fold();
        self.settle_learned();
    }

    /// Tells what was learned of the latest step and nigredo.
    pub(crate) fn settle_learned(&mut self) {
        let last_second = self.last_clock().map(Clock::second);
        if let Some(learned) = &mut self.learned {
            learned.settle(last_second, self.interventions.folded().dissolved.as_ref());
        }
    }

    /// Folds in what another origin changed, specs first: they decide whether the rest must be folded anew.
    pub(crate) fn change_specs(&mut self, origin: &Origin, changes: &[&Change]) {
        for change in changes {
            for (bytes, put) in [(&change.before, false), (&change.after, true)] {
                let Some(Value::Spec(spec)) = decode(&change.key, bytes.as_ref()) else { continue };
                let key = (change.key.epoch, spec.clock, Some(origin.clone()));
                self.change_spec(key, put.then_some(spec));
            }
        }
    }

    /// Folds in what another origin changed, other than specs.
    pub(crate) fn change_values(&mut self, origin: &Origin, changes: &[&Change]) {
        let (mut intervened, retired) = (false, self.interventions.retired_of(origin));
        for change in changes {
            for (bytes, put) in [(&change.before, false), (&change.after, true)] {
                let Some(bytes) = bytes else { continue };
                let Ok(value) = Value::decode(&change.key, bytes) else { continue };
                intervened |= matches!(value, Value::Intervention { .. });
                if put {
                    self.put(origin, &change.key, &value);
                } else {
                    self.take(origin, &change.key, &value);
                }
            }
        }
        // An alarm alone, which is frequent, changes nothing in them.
        if intervened || self.interventions.retired_of(origin) != retired {
            self.interventions.fold();
        }
        self.settle_learned();
    }

    /// Notes how many steps an origin's tombstone covers; holds in every epoch.
    pub(crate) fn change_tombstones(&mut self, origin: &Origin, changes: &[&Change]) {
        for change in changes {
            if let Some(Value::Tombstone { steps_dropped }) = decode(&change.key, change.after.as_ref()) {
                self.note_dropped(origin, steps_dropped);
            }
        }
    }

    pub(crate) fn note_dropped(&mut self, origin: &Origin, steps: u64) {
        self.steps_dropped.insert(origin.clone(), steps);
    }

    /// Steps of `origin` that resets and drops have discarded so far.
    pub(crate) fn dropped_of(&self, origin: &Origin) -> u64 {
        self.steps_dropped.get(origin).copied().unwrap_or(0)
    }

    fn put(&mut self, origin: &Origin, key: &Key, value: &Value) {
        if key.epoch != self.epoch() {
            return;
        }
        match value {
            // Moments of another width can't belong to this shape; they don't count.
            Value::Moments(moments) => {
                if let Some(totals) = self.moments_at(key.index) {
                    let _ = totals.add(moments);
                }
            }
            Value::Window { second, sums } => {
                let _ = self.windows.add(*second, sums);
            }
            Value::Recent { clock, metrics, k, novelty, attention_gain } => {
                let record = Record {
                    clock: *clock,
                    origin: origin.clone(),
                    metrics: *metrics,
                    k: *k,
                    novelty: *novelty,
                    attention_gain: *attention_gain,
                };
                self.recents.insert((*clock, origin.clone()), record);
            }
            Value::Intervention { clock, event, .. } => {
                self.interventions.put((*clock, origin.clone()), key.index, event.clone());
            }
            Value::History { samples } => {
                for ((clock, sample), index) in samples.iter().zip(first_sample(key)..) {
                    self.watch.put((*clock, origin.clone(), index), *sample);
                }
            }
            Value::Guardian { alarm, retired } => {
                self.watch.put_alarm(origin, *alarm);
                self.interventions.put_retired(origin, Some(*retired));
            }
            _ => {}
        }
        if let Some(learned) = &mut self.learned {
            learned.change(origin, key.index, value, true);
        }
    }

    fn take(&mut self, origin: &Origin, key: &Key, value: &Value) {
        if key.epoch != self.epoch() {
            return;
        }
        match value {
            Value::Moments(moments) => {
                if let Some(totals) = self.moments_at(key.index) {
                    let _ = totals.remove(moments);
                }
            }
            Value::Window { second, sums } => {
                let _ = self.windows.remove(*second, sums);
            }
            Value::Recent { clock, .. } => {
                self.recents.remove(&(*clock, origin.clone()));
            }
            Value::Intervention { clock, .. } => {
                self.interventions.take((*clock, origin.clone()), key.index);
            }
            Value::History { samples } => {
                for ((clock, _), index) in samples.iter().zip(first_sample(key)..) {
                    self.watch.take(&(*clock, origin.clone(), index));
                }
            }
            Value::Guardian { .. } => {
                self.watch.put_alarm(origin, None);
                self.interventions.put_retired(origin, None);
            }
            _ => {}
        }
        if let Some(learned) = &mut self.learned {
            learned.change(origin, key.index, value, false);
        }
    }

    /// Folds in or out a value of this replica's own origin. Its sums stand in [`OwnField`] and are joined when the field is
    /// read.
    pub(crate) fn change_own(&mut self, me: &Origin, key: &Key, value: &Value, put: bool) {
        match value {
            Value::Window { .. } => {
                if let Some(learned) = &mut self.learned {
                    learned.change(me, key.index, value, put);
                }
            }
            _ if put => self.put(me, key, value),
            _ => self.take(me, key, value),
        }
    }

    /// See [`Learned::others_changes`].
    pub(crate) fn others_changes(&self) -> u64 {
        self.learned.as_ref().map_or(0, Learned::others_changes)
    }

    /// Forgets what waits for a flush.
    pub(crate) fn forget_pending(&mut self) {
        if let Some(own) = &mut self.own {
            own.forget_pending();
        }
    }

    fn moments_at(&mut self, index: u64) -> Option<&mut Totals> {
        self.moments.get_mut(usize::try_from(index).ok()?)
    }

    /// This replica's share of the current epoch, made when there is none.
    pub(crate) fn own_mut(&mut self) -> Option<&mut OwnField> {
        let (epoch, width) = self.current().map(|current| (current.epoch, current.spec.setup.shape.width))?;
        self.own.take_if(|own| own.epoch != epoch);
        Some(self.own.get_or_insert_with(|| OwnField::new(epoch, width)))
    }

    /// The field as it stands, own unflushed steps included; `None` if it does not exist.
    pub(crate) fn view(&self) -> Option<FieldView> {
        let current = self.current()?;
        let last = self.last();
        let folded = self.interventions.folded();
        Some(FieldView {
            spec: CurrentSpec { field: self.name.clone(), epoch: current.epoch, spec: current.spec.clone() },
            count: self.count(),
            moments: self.joined_moments(),
            // Beyond the count limit nothing can be read out, and nothing is better than wrong.
            window: last
                .as_ref()
                .and_then(|last| self.joined_window(last.clock.second()).ok())
                .unwrap_or_else(|| Moments::new(METRICS)),
            last,
            noise: folded.noise,
            interventions: folded.counted,
            guardian: GuardianView {
                history: self.watch.history(),
                flag: self.watch.flag(folded.last.as_ref().map(|last| &last.moment)),
                automatic: folded.automatic,
                superseded: folded.superseded,
                last_step: folded.last.as_ref().map(|last| last.k),
            },
            learned: self.learned.as_ref().map(|learned| learned.summary(&current.spec.setup.parameters)),
            steps_dropped: self.steps_dropped.values().fold(0, |sum: u64, steps| sum.saturating_add(*steps)),
        })
    }

    /// The step with the highest clock.
    pub(crate) fn last(&self) -> Option<Record> {
        let others = self.recents.last_key_value().map(|(_, record)| record);
        let own = self.own().and_then(|own| own.recent.as_ref());
        others.into_iter().chain(own).max_by_key(|record| (record.clock, &record.origin)).cloned()
    }

    fn joined_moments(&self) -> Vec<Moments> {
        let own = self.own();
        let joined = self.moments.iter().enumerate().map(|(index, others)| {
            let mut totals = others.clone();
            // As with the others' entries: a part of another width can't belong to this shape.
            if let Some((own, range)) = own.and_then(|own| Some((own, own.chunk(index)?))) {
                let _ = totals.add(&own.moments.dimensions(range));
            }
            // A count beyond the limit can't be read out; nobody can step there, and nothing is better than wrong.
            totals.moments().unwrap_or_else(|_| Moments::new(others.width()))
        });
        joined.collect()
    }

    /// Fails exactly when all buckets taken together do, so that every replica sees the same.
    fn joined_window(&self, last_second: u64) -> Result<Moments, MomentsError> {
        let mut joined = WindowTotals::new(METRICS);
        if let Some(own) = self.own() {
            for (second, sums) in own.window.buckets() {
                joined.add(second, sums)?;
            }
        }
        let mut window = self.windows.over(last_second)?;
        window.merge(&joined.over(last_second)?)?;
        Ok(window)
    }

    /// t, where the engine keeps it.
    pub(crate) fn time(&self) -> Option<FieldTime> {
        self.learned.as_ref().map(Learned::time)
    }

    /// A hash of what was learned, where the engine learns.
    pub(crate) fn learned_print(&mut self) -> Option<Digest> {
        let parameters = self.current()?.spec.setup.parameters.clone();
        Some(self.learned.as_mut()?.print(&parameters))
    }

    /// The clock of the latest step.
    fn last_clock(&self) -> Option<Clock> {
        let others = self.recents.last_key_value().map(|((clock, _), _)| *clock);
        others.max(self.own().and_then(|own| own.recent.as_ref()).map(|record| record.clock))
    }

    /// Encodes what this replica's own origin, `me`, has written since the last flush.
    pub(crate) fn flush(&mut self, me: &Origin) -> Vec<Entry> {
        self.own.as_mut().map(|own| own.flush(&self.name, me, self.learned.as_ref())).unwrap_or_default()
    }
}

/// The position of an entry's first sample in its lane.
fn first_sample(key: &Key) -> u64 {
    key.index.saturating_mul(SAMPLES_PER_ENTRY as u64)
}

fn decode(key: &Key, bytes: Option<&bytes::Bytes>) -> Option<Value> {
    Value::decode(key, bytes?).ok()
}
