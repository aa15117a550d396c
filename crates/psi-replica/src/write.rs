//! Local writes: steps, interventions and specs. Each takes one version, whole or not at all.

use bytes::Bytes;
use psi_engine::{Action, EngineKind, Metrics, ParameterError, UnknownEngine, core::FieldTime, guardian::Threat};
use psi_stats::{COUNT_LIMIT, Fixed, FixedError, quantize_into};

use crate::{
    clock::{Clock, Now},
    entry::Entry,
    field::{Field, Settled, Stepped},
    key::{Epoch, Key, Lane},
    name::FieldName,
    origin::{Origin, Version},
    replica::Replica,
    spec::{CurrentSpec, Setup, Spec, WIDTH_MAX},
    value::{self, Record},
};

/// What a field's specs changed by, with the own write that it is part of.
#[derive(Clone, Copy)]
pub(crate) enum Occasion {
    /// A caller asked this replica for it.
    Asked(Version),
    /// The field had two shapes in one epoch.
    Disputed(Version),
    /// Another origin wrote it.
    Heard,
}

/// Most vectors in one batch.
pub const BATCH_MAX: usize = 4096;

/// Why a replica takes no writes just now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// It has not reached a member, or not caught up with it.
    #[error("the node is still joining: {0}; try another node, or again shortly")]
    Joining(String),
    /// Its clock differs from most members'.
    #[error(
        "the node's clock differs from the members' median by {offset_ms} ms, more than {} ms; set its clock",
        crate::SKEW_MS_MAX
    )]
    ClockOff {
        /// Members' median less this node's clock.
        offset_ms: i64,
    },
    /// What it holds lies in the future by the members' clocks, so they would put off what it writes.
    #[error(
        "the node holds steps {ahead_ms} ms ahead of the members' median clock, more than {} ms, since its own clock was \
         wrong; set its clock and restart it, without its data directory if it has one",
        crate::AHEAD_MS_MAX
    )]
    StateAhead {
        /// How far its hybrid clock is ahead of the members' median.
        ahead_ms: u64,
    },
    /// It was told to stop.
    #[error("the node is stopping: {0}; use another node")]
    Stopping(String),
}

/// Why a write was refused; nothing was changed by it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The replica takes no writes just now.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// No such field.
    #[error("there is no field `{field}`; create it first, or use one of: {}", list(.known))]
    UnknownField {
        /// What was asked for.
        field: FieldName,
        /// Some of the fields that exist.
        known: Vec<FieldName>,
    },
    /// The field exists already.
    #[error("field `{0}` exists already; change or reset{or_drop} it, or choose another name", or_drop = if .0.is_default() { "" } else { " or drop" })]
    FieldExists(FieldName),
    /// `default` always exists.
    #[error("field `default` always exists and can't be dropped; reset it instead")]
    Protected,
    /// Wrong width.
    #[error("input has {got} number{}, field `{field}` takes {want}", if *got == 1 { "" } else { "s" })]
    Width {
        /// The field.
        field: FieldName,
        /// Numbers given.
        got: usize,
        /// Numbers that the field takes.
        want: usize,
    },
    /// A number that the field can't take.
    #[error("input[{index}]: {source}")]
    Component {
        /// Position in the vector, from 0.
        index: usize,
        /// Why not.
        source: FixedError,
    },
    /// One vector of a batch was refused, so none was taken.
    #[error("vector {position} of the batch: {source}; none of the batch was taken")]
    InBatch {
        /// Position in the batch, from 0.
        position: usize,
        /// Why.
        source: Box<WriteError>,
    },
    /// An empty or too long batch.
    #[error("a batch has 1 to {BATCH_MAX} vectors, this one has {0}")]
    BatchSize(usize),
    /// Something that is fixed while a field has history.
    #[error(
        "field `{field}` has history (steps counted: {count}), and {} can't be changed then; reset it first, which drops them, or make \
         another field",
        .changed.join(", ")
    )]
    Fixed {
        /// The field.
        field: FieldName,
        /// Steps counted.
        count: u64,
        /// What would have changed: `engine`, `width`, `scale_exponent`, `seed` or `latent_dim`.
        changed: Vec<&'static str>,
    },
    /// The exact counters are full.
    #[error("field `{field}` has counted {count} steps and takes fewer than {COUNT_LIMIT}; reset it")]
    Full {
        /// The field.
        field: FieldName,
        /// Steps counted.
        count: u64,
    },
    /// A batch of this replica is worked out in the field.
    #[error("a batch of steps is being worked out in field `{0}` on this node; try again shortly, or another node")]
    Busy(FieldName),
    /// The field was reset or dropped while a batch was worked out.
    #[error("field `{0}` was reset or dropped while the batch was worked out; none of it was taken, send it again")]
    Overtaken(FieldName),
    /// The field's engine belongs to another version of this program.
    #[error("field `{field}` runs engine `{engine}`, which this node does not know; upgrade it or use another node")]
    EngineHere {
        /// The field.
        field: FieldName,
        /// Its engine.
        engine: String,
    },
    /// No such engine.
    #[error(transparent)]
    UnknownEngine(#[from] UnknownEngine),
    /// A width that no field may have.
    #[error("a field takes vectors of 1 to {WIDTH_MAX} numbers, not {0}")]
    WidthRange(usize),
    /// Parameters out of range, all that are.
    #[error("{}", join(.0))]
    Parameters(Vec<ParameterError>),
}

/// What is told of a step that the field has just taken in.
pub(crate) fn step_of(field: &Field, stepped: Stepped, version: Version) -> Step {
    let Stepped { record, engine, threat } = stepped;
    let Record { clock, origin, metrics, k, novelty, attention_gain } = record;
    let (epoch, time) = (field.epoch(), field.time().map(FieldTime::seconds));
    let intervened = threat.map(|threat| (threat.action(), threat));
    Step { epoch, engine, metrics, k, clock, origin, version, novelty, attention_gain, time, intervened }
}

/// What of the two setups is fixed and differs.
fn changed_in_shape(held: &Setup, asked: &Setup) -> Vec<&'static str> {
    let (old, new) = (&held.shape, &asked.shape);
    let differs = [
        ("engine", old.engine != new.engine),
        ("width", old.width != new.width),
        ("scale_exponent", old.scale != new.scale),
        ("seed", old.seed != new.seed),
        ("latent_dim", old.engine == new.engine && held.latent() != asked.latent()),
    ];
    differs.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

/// Fields shown of those that exist.
pub const FIELDS_SHOWN: usize = 10;

fn list(fields: &[FieldName]) -> String {
    let more = if fields.len() == FIELDS_SHOWN { ", …" } else { "" };
    fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(", ") + more
}

fn join(errors: &[ParameterError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A step that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The field's epoch.
    pub epoch: Epoch,
    /// What scored it.
    pub engine: EngineKind,
    /// Its score.
    pub metrics: Metrics,
    /// The field's merged step count when it was scored, its own included.
    pub k: u64,
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// The version that the write took.
    pub version: Version,
    /// Root mean square z-score of the input against all that came before, over the dimensions that vary; 0 before two
    /// steps.
    pub novelty: f64,
    /// g0 + g1·Ψ − g2·PE.
    pub attention_gain: f64,
    /// t: the sum of all effective steps of the field, this one included, seconds; of an engine that keeps it.
    pub time: Option<f64>,
    /// What the guardian did after it.
    pub intervened: Option<(Action, Threat)>,
}

/// What became of an intervention.
#[derive(Clone, Debug, PartialEq)]
pub struct Intervention {
    /// ν once it is folded in, as this replica sees it.
    pub noise: f64,
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// The version that the write took.
    pub version: Version,
}

impl Replica {
    /// Scores one vector against the merged view and takes it in.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn step(&mut self, now: Now, field: &FieldName, input: &[f64]) -> Result<Step, WriteError> {
        self.note_now(now);
        let quantized = self.checked(field, &[input]).map_err(|(_, error)| error)?;
        let mut steps = self.absorb(now, field, &[input], &quantized)?;
        Ok(steps.pop().expect("one vector gives one step"))
    }

    /// The metrics that a step of this vector would get now; nothing is taken in.
    ///
    /// # Errors
    /// [`WriteError`], as for a step.
    pub fn score(&mut self, name: &FieldName, input: &[f64]) -> Result<Metrics, WriteError> {
        let quantized = self.checked(name, &[input]).map_err(|(_, error)| error)?;
        let field = self.fields.get_mut(name).expect("checked: the field exists");
        let k = field.count() + 1;
        Ok(field.score(input, &quantized, k).expect("checked: width, count and engine fit").metrics)
    }

    /// Scores and takes in vectors in their order, as one write: all of them or none.
    ///
    /// # Errors
    /// [`WriteError`], naming the vector; nothing is changed then.
    pub fn step_batch(&mut self, now: Now, field: &FieldName, inputs: &[&[f64]]) -> Result<Vec<Step>, WriteError> {
        let quantized = self.checked_batch(now, field, inputs)?;
        self.absorb(now, field, inputs, &quantized)
    }

    /// [`Self::checked`] of a batch.
    pub(crate) fn checked_batch(
        &mut self,
        now: Now,
        field: &FieldName,
        inputs: &[&[f64]],
    ) -> Result<Vec<Fixed>, WriteError> {
        if !(1..=BATCH_MAX).contains(&inputs.len()) {
            return Err(WriteError::BatchSize(inputs.len()));
        }
        self.note_now(now);
        self.checked(field, inputs).map_err(|(position, source)| match source {
            WriteError::Width { .. } | WriteError::Component { .. } => {
                WriteError::InBatch { position, source: Box::new(source) }
            }
            other => other,
        })
    }

    /// Checks everything that could go wrong with a write of these vectors; gives them in fixed point, one after the other.
    fn checked(&self, field: &FieldName, inputs: &[&[f64]]) -> Result<Vec<Fixed>, (usize, WriteError)> {
        let whole = |error: WriteError| (0, error);
        self.may_write().map_err(|error| whole(error.into()))?;
        let held = self.existing(field).map_err(whole)?;
        if held.is_lent {
            return Err(whole(WriteError::Busy(field.clone())));
        }
        let current = held.current().expect("an existing field has a spec");
        if current.engine.is_none() {
            let engine = current.spec.setup.shape.engine.clone();
            return Err(whole(WriteError::EngineHere { field: field.clone(), engine }));
        }
        let count = held.count();
        if count.saturating_add(inputs.len() as u64) >= COUNT_LIMIT {
            return Err(whole(WriteError::Full { field: field.clone(), count }));
        }
        let (want, scale) = (current.spec.setup.shape.width, current.spec.setup.shape.scale);
        // Room for what was given, not for what should have been.
        let mut quantized = Vec::with_capacity(inputs.iter().map(|input| input.len()).sum());
        for (position, input) in inputs.iter().enumerate() {
            if input.len() != want {
                let error = WriteError::Width { field: field.clone(), got: input.len(), want };
                return Err((position, error));
            }
            quantize_into(&mut quantized, input, scale)
                .map_err(|error| (position, WriteError::Component { index: error.index, source: error.source }))?;
        }
        Ok(quantized)
    }

    fn absorb(
        &mut self,
        now: Now,
        name: &FieldName,
        inputs: &[&[f64]],
        quantized: &[Fixed],
    ) -> Result<Vec<Step>, WriteError> {
        let origin = self.writing_origin()?;
        let version = self.next_version();
        let mut steps = Vec::with_capacity(inputs.len());
        let mut rest = quantized;
        let mut field = self.fields.get_mut(name).expect("checked: the field exists");
        for input in inputs {
            let (fixed, after) = rest.split_at(input.len());
            rest = after;
            let moment = (self.clock.tick(now.wall), origin.clone());
            let stepped = field.step(&moment, version, input, fixed).expect("checked: width, count and engine fit");
            let threat = stepped.threat;
            steps.push(step_of(field, stepped, version));
            if let Some(threat) = threat {
                self.write_intervention(now, name, version, threat.action(), Some(threat));
                field = self.fields.get_mut(name).expect("it is still there");
            }
        }
        self.dirty.insert(name.clone());
        Ok(steps)
    }

    /// Intervenes by hand: an event that every replica folds in clock order.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn intervene(&mut self, now: Now, name: &FieldName, action: Action) -> Result<Intervention, WriteError> {
        self.note_now(now);
        self.may_write()?;
        if self.existing(name)?.is_lent {
            return Err(WriteError::Busy(name.clone()));
        }
        let origin = self.writing_origin()?;
        let version = self.next_version();
        let clock = self.write_intervention(now, name, version, action, None);
        let noise = self.existing(name)?.noise().value();
        Ok(Intervention { noise, clock, origin, version })
    }

    /// Writes an intervention in an existing field, as part of the write `version`; returns its clock.
    fn write_intervention(
        &mut self,
        now: Now,
        name: &FieldName,
        version: Version,
        action: Action,
        threat: Option<Threat>,
    ) -> Clock {
        let clock = self.clock.tick(now.wall);
        let moment = (clock, self.me.clone().expect("only a writer writes"));
        let field = self.fields.get_mut(name).expect("checked: the field exists");
        let (sequence, event) = field.intervene(&moment, version, action, threat).expect("checked: the field exists");
        let epoch = field.epoch();
        self.put(Entry {
            key: Key { field: name.clone(), epoch, lane: Lane::INTERVENTIONS, index: event.index(sequence) },
            version,
            value: value::encode_intervention(clock, sequence, &event),
        });
        // Its retired ones may have changed.
        self.dirty.insert(name.clone());
        clock
    }

    /// Makes a field.
    ///
    /// # Errors
    /// [`WriteError`], among others if it exists; nothing is changed then.
    pub fn create_field(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: impl Into<Setup>,
    ) -> Result<CurrentSpec, WriteError> {
        self.note_now(now);
        self.may_write()?;
        if self.fields.get(name).is_some_and(|field| field.current().is_some()) {
            return Err(WriteError::FieldExists(name.clone()));
        }
        self.raise_epoch(now, name, setup.into(), false, Occasion::Asked)
    }

    /// Changes a field. Parameters and guardian change in place, and of concurrent changes the latest by clock holds;
    /// what is fixed within an epoch changes only while the field has counted nothing, and takes it to a new epoch.
    ///
    /// # Errors
    /// [`WriteError`], among others if something fixed would change and steps were counted; nothing is changed then.
    pub fn change_field(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: impl Into<Setup>,
    ) -> Result<CurrentSpec, WriteError> {
        self.note_now(now);
        self.may_write()?;
        let setup = setup.into();
        let field = self.existing(name)?;
        let held = &field.current().expect("an existing field has a spec").spec.setup;
        let fixed = |setup: &Setup| (setup.shape.clone(), setup.latent());
        if fixed(held) != fixed(&setup) {
            let (count, changed) = (field.count(), changed_in_shape(held, &setup));
            if count > 0 {
                return Err(WriteError::Fixed { field: name.clone(), count, changed });
            }
            return self.raise_epoch(now, name, setup, false, Occasion::Asked);
        }
        let epoch = field.epoch();
        self.write_spec(now, name, setup, false, |_| epoch, Occasion::Asked)
    }

    /// Starts a field over in a new epoch, with the given setup. What was counted is dropped.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn reset_field(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: impl Into<Setup>,
    ) -> Result<CurrentSpec, WriteError> {
        self.note_now(now);
        self.may_write()?;
        self.existing(name)?;
        self.raise_epoch(now, name, setup.into(), false, Occasion::Asked)
    }

    /// Removes a field and all that it counted.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn drop_field(&mut self, now: Now, name: &FieldName) -> Result<CurrentSpec, WriteError> {
        self.note_now(now);
        self.may_write()?;
        self.existing(name)?;
        if name.is_default() {
            return Err(WriteError::Protected);
        }
        self.raise_epoch(now, name, Setup::default(), true, Occasion::Asked)
    }

    fn raise_epoch(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: Setup,
        dropped: bool,
        occasion: fn(Version) -> Occasion,
    ) -> Result<CurrentSpec, WriteError> {
        setup.shape.engine.parse::<EngineKind>()?;
        if !(1..=WIDTH_MAX).contains(&setup.shape.width) {
            return Err(WriteError::WidthRange(setup.shape.width));
        }
        let before = self.fields.get(name).map_or(Epoch::IMPLICIT, Field::epoch);
        self.write_spec(now, name, setup, dropped, |spec| spec.epoch_after(before), occasion)
    }

    /// Writes this origin's spec of a field, in the epoch that it belongs in.
    fn write_spec(
        &mut self,
        now: Now,
        name: &FieldName,
        setup: Setup,
        dropped: bool,
        epoch: impl FnOnce(&Spec) -> Epoch,
        occasion: fn(Version) -> Occasion,
    ) -> Result<CurrentSpec, WriteError> {
        let origin = self.writing_origin()?;
        let version = self.next_version();
        let spec = Spec { setup, dropped, clock: self.clock.tick(now.wall) };
        let epoch = epoch(&spec);
        let field = self.fields.entry(name.clone()).or_insert_with(|| Field::new(name.clone()));
        field.put_own_spec(epoch, &origin, spec.clone());
        self.put(Entry {
            key: Key { field: name.clone(), epoch, lane: Lane::SPEC, index: 0 },
            version,
            value: value::encode_spec(&spec),
        });
        self.settle(name, occasion(version));
        Ok(CurrentSpec { field: name.clone(), epoch, spec })
    }

    /// Moves a field out of an epoch in which it has two shapes: sums of both may stand there, and must not be added
    /// up. Every replica that writes does so; the greatest of their epochs holds.
    pub(crate) fn resolve(&mut self, name: &FieldName) {
        let Some(Spec { setup, dropped, .. }) = self.fields.get(name).and_then(Field::disputed).cloned() else {
            return;
        };
        // Whoever does not know the engine, or has minted nothing, leaves it to the others.
        let _ = self.raise_epoch(self.moment, name, setup, dropped, Occasion::Disputed);
    }

    /// Settles a field whose specs changed; covers what this origin has in older epochs by a tombstone, as part of
    /// the write that is the occasion or of one of its own. Tells whether the field was folded anew.
    pub(crate) fn settle(&mut self, name: &FieldName, occasion: Occasion) -> bool {
        let Some(field) = self.fields.get_mut(name) else { return false };
        let me = self.me.as_ref();
        let others = self.logs.iter().filter(|(origin, _)| Some(*origin) != me);
        match field.settle(me, others) {
            Settled::AsBefore => false,
            Settled::Refolded { own_steps_left } => {
                self.bury(name, occasion, own_steps_left);
                true
            }
        }
    }

    fn bury(&mut self, name: &FieldName, occasion: Occasion, steps: u64) {
        let (Some(origin), Some(field)) = (self.me.clone(), self.fields.get_mut(name)) else { return };
        let epoch = field.epoch();
        let below = Key::first(name, Epoch::IMPLICIT)..Key::first(name, epoch);
        let has_pending = self.pending.range(below.clone()).next().is_some();
        let has_flushed = self.logs.get(&origin).is_some_and(|log| log.has_any(below.clone()));
        if steps == 0 && !has_pending && !has_flushed {
            return;
        }
        let steps_dropped = field.dropped_of(&origin).saturating_add(steps);
        field.note_dropped(&origin, steps_dropped);
        self.pending.retain(|key, _| !below.contains(key));
        self.dirty.remove(name);
        let version = match occasion {
            Occasion::Asked(version) | Occasion::Disputed(version) => version,
            Occasion::Heard => self.restate(name, &origin),
        };
        self.put(Entry {
            key: Key { field: name.clone(), epoch, lane: Lane::TOMBSTONE, index: 0 },
            version,
            value: value::encode_tombstone(steps_dropped),
        });
        if steps > 0 {
            let asked = matches!(occasion, Occasion::Asked(_));
            self.tell(crate::Event::StepsDropped { field: name.clone(), steps, asked });
        }
    }

    /// Repeats another origin's spec as this origin's own, byte for byte, so that whoever learns that this origin has
    /// left the older epochs also learns which one it left them for. Returns the version of the write.
    fn restate(&mut self, name: &FieldName, origin: &Origin) -> Version {
        let version = self.next_version();
        let Some(field) = self.fields.get_mut(name) else { return version };
        let Some((writer, spec)) = field.stated() else { return version };
        let (writer, spec) = (writer.clone(), spec.clone());
        let key = Key { field: name.clone(), epoch: field.epoch(), lane: Lane::SPEC, index: 0 };
        field.put_own_spec(key.epoch, origin, spec);
        if let Some(value) = self.logs.get(&writer).and_then(|log| log.value(&key)).cloned() {
            self.put(Entry { key, version, value });
        }
        version
    }

    /// Writes an entry of a lane that this version does not know, as a node of a later one would; for tests.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is changed then.
    pub fn write_unknown(
        &mut self,
        field: &FieldName,
        lane: Lane,
        index: u64,
        value: Bytes,
    ) -> Result<Version, WriteError> {
        debug_assert!(lane > Lane::LAST && value.len() <= crate::VALUE_BYTES_MAX, "{lane:?} is known, or too much");
        self.may_write()?;
        let epoch = self.existing(field)?.epoch();
        self.writing_origin()?;
        let version = self.next_version();
        self.put(Entry { key: Key { field: field.clone(), epoch, lane, index }, version, value });
        Ok(version)
    }

    pub(crate) fn put(&mut self, entry: Entry) {
        self.pending.insert(entry.key.clone(), entry);
    }

    fn existing(&self, name: &FieldName) -> Result<&Field, WriteError> {
        self.fields.get(name).filter(|field| field.current().is_some()).ok_or_else(|| WriteError::UnknownField {
            field: name.clone(),
            known: self.field_names().take(FIELDS_SHOWN).collect(),
        })
    }

    pub(crate) fn writing_origin(&self) -> Result<Origin, NotReady> {
        self.me.clone().ok_or_else(|| NotReady::Joining("it has not minted its incarnation yet".to_owned()))
    }

    /// Encodes and hashes what was written since the last flush, and moves the own frontier to it.
    ///
    /// Frontier and digest mean the flushed state. Tells whether anything was pending.
    pub fn flush(&mut self) -> bool {
        let Some(origin) = self.me.clone() else { return false };
        if !self.is_dirty() {
            return false;
        }
        let mut entries: Vec<Entry> = std::mem::take(&mut self.pending).into_values().collect();
        for name in std::mem::take(&mut self.dirty) {
            if let Some(field) = self.fields.get_mut(&name) {
                entries.extend(field.flush(&origin));
            }
        }
        if let Some(later) = &self.config.later {
            for entry in entries.iter_mut().filter(|entry| entry.key.lane <= Lane::LAST) {
                entry.value = [&entry.value[..], &later.value_fields].concat().into();
            }
        }
        let version = self.version;
        let log = self.log_mut(&origin);
        let prepared = log.prepare(version, entries).expect("own entries are distinct and above their tombstones");
        let before = log.digest();
        log.commit(prepared);
        let after = log.digest();
        self.moved(&origin, version, before, after);
        true
    }

    /// Whether something waits for a flush.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.pending.is_empty()
    }
}
