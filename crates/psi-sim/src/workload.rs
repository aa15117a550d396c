//! What clients ask of the cluster, and what was accepted.

use psi_engine::Action;
use psi_replica::{CurrentSpec, Epoch, FieldName, Lane, NotReady, Origin, Shape, Step, Version, WriteError};

use crate::{
    compare::{CLIENT_WRITES, oracle_frontier},
    markers::Marker,
    oracle::OracleFrontier,
    plan::Habits,
    rng::Rng,
    setups,
    world::{Happening, World},
};

/// Fields that clients use: the one that always exists, and some that come and go.
const FIELDS: [&str; 4] = ["default", "a", "b", "c"];

/// Most steps in a batch where clients keep to no field.
pub(crate) const BATCH: u64 = 6;
/// Writes of a rush, and the time between them: the guardian looks at a few steps of each.
const RUSH: u8 = 5;
const RUSH_MS: u64 = 25;

/// A lane that this version does not know.
const UNKNOWN_LANE: Lane = Lane(99);

/// A change of a field that was accepted, kept to find those that raced.
#[derive(Clone, Debug)]
pub(crate) struct Reshaped {
    pub(crate) field: FieldName,
    pub(crate) shape: Shape,
    pub(crate) epoch: Epoch,
    pub(crate) origin: Origin,
    pub(crate) version: Version,
    pub(crate) created: bool,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Steps(u64),
    Intervene,
    Create,
    Reset,
    Drop,
    Change,
    Unknown,
    Nonsense,
}

impl World<'_> {
    /// One write, and the one after it.
    pub(crate) fn write(&mut self) {
        if !self.is_writing {
            return;
        }
        let wait = Self::around(&mut self.dice.workload, self.plan.write_ms);
        if let Some((p, field)) = self.in_a_rush() {
            self.schedule(self.now + RUSH_MS, Happening::Write);
            let size = self.dice.setups.between(30, 40);
            return self.ask(p, &field, Ask::Steps(size));
        }
        self.schedule(self.now + wait, Happening::Write);
        let running: Vec<usize> = (0..self.processes.len()).filter(|p| self.processes[*p].is_running()).collect();
        let Some(p) = self.dice.workload.pick(&running).copied() else { return };
        let field = self.field_at();
        let ask = self.fitting(p, &field);
        self.ask(p, &field, ask);
        self.write_components(p, &field);
        self.carry_tokens(p);
        // Clients that do the same elsewhere in the same moment: changes of a field that race.
        let races = match ask {
            Ask::Create | Ask::Reset => 300,
            Ask::Change => 500,
            _ => 0,
        };
        if self.dice.workload.chance(races) {
            let Some(other) = self.dice.workload.pick(&running).copied() else { return };
            self.ask(other, &field, ask);
        }
    }

    /// Clients write what else the components have for them to write.
    fn write_components(&mut self, p: usize, field: &FieldName) {
        for component in CLIENT_WRITES.iter().filter(|component| component.per_mille > 0) {
            let rng = self.dice.component(self.plan.seed, component.name);
            if !rng.chance(component.per_mille) {
                continue;
            }
            let mut rng = rng.branch();
            let seen = oracle_frontier(&self.processes[p].replica);
            match self.with(p, |replica, now| (component.write)(replica, now, field, &mut rng)) {
                Ok(Some(accepted)) => {
                    self.counts.writes += 1;
                    self.processes[p].written = self.processes[p].replica.version();
                    self.tell(p, component.name, &accepted.text);
                    self.record_write(p, field, accepted, &seen);
                }
                Ok(None) => {}
                Err(_) => self.counts.writes_refused += 1,
            }
        }
    }

    /// What a client asks for, which mostly makes sense.
    fn fitting(&mut self, p: usize, field: &FieldName) -> Ask {
        let drawn = ask(&mut self.dice.workload);
        let drawn = if self.dice.setups.chance(40) { Ask::Change } else { self.by_habit(field, drawn) };
        let is_later = self.machines[self.processes[p].machine].is_later;
        let exists = self.processes[p].replica.engine_name(field).is_some();
        match drawn {
            Ask::Unknown if !is_later => Ask::Steps(1),
            Ask::Steps(_) | Ask::Intervene | Ask::Change if !exists && self.dice.workload.chance(700) => Ask::Create,
            drawn => drawn,
        }
    }

    /// Another node's clients write what the guardian of one has just intervened in, so much of it that it soon would again.
    fn begin_rush(&mut self, p: usize, field: &FieldName) {
        let Habits { steady, batch, .. } = self.plan.habits;
        let is_steady = steady.is_some_and(|place| FIELDS[place] == field.as_str()) && batch > BATCH;
        if !is_steady || self.rush.is_some() || !self.dice.setups.chance(300) {
            return;
        }
        let others: Vec<usize> =
            (0..self.processes.len()).filter(|other| *other != p && self.processes[*other].is_running()).collect();
        self.rush = self.dice.setups.pick(&others).map(|other| (*other, field.clone(), RUSH));
    }

    fn in_a_rush(&mut self) -> Option<(usize, FieldName)> {
        let (p, field, left) = self.rush.take()?;
        if left > 1 {
            self.rush = Some((p, field.clone(), left - 1));
        }
        self.processes[p].is_running().then_some((p, field))
    }

    fn field_at(&mut self) -> FieldName {
        let any = self.dice.workload.pick(&FIELDS).copied().unwrap_or(psi_replica::DEFAULT_FIELD);
        let steady = self.plan.habits.steady.filter(|_| self.dice.setups.chance(750));
        FieldName::new(steady.map_or(any, |place| FIELDS[place])).expect("the names are letters")
    }

    /// Clients that keep to a field write more to it, and hardly ever start it over.
    fn by_habit(&mut self, field: &FieldName, drawn: Ask) -> Ask {
        let Habits { steady, batch, .. } = self.plan.habits;
        if steady.is_none_or(|place| FIELDS[place] != field.as_str()) {
            return drawn;
        }
        let dice = &mut self.dice.setups;
        match drawn {
            Ask::Reset | Ask::Drop if dice.chance(850) => Ask::Steps(1 + dice.below(batch)),
            Ask::Intervene if dice.chance(600) => Ask::Steps(1 + dice.below(batch)),
            Ask::Steps(size) if size > 1 => Ask::Steps(1 + dice.below(batch)),
            drawn => drawn,
        }
    }

    fn ask(&mut self, p: usize, field: &FieldName, ask: Ask) {
        let version = self.processes[p].replica.version();
        let result = match ask {
            Ask::Steps(size) => self.step(p, field, size),
            Ask::Intervene => self.intervene(p, field),
            Ask::Create | Ask::Reset | Ask::Drop => self.reshape(p, field, ask),
            Ask::Change => self.change(p, field),
            Ask::Unknown => self.write_unknown(p, field),
            Ask::Nonsense => self.nonsense(p, field),
        };
        let now = self.processes[p].replica.version();
        match result {
            Ok(()) => self.processes[p].written = now,
            Err(error) => {
                self.counts.writes_refused += 1;
                if now != version {
                    self.found_wrong(format_args!("{} refused a write and moved: {error}", self.label(p)));
                }
                if matches!(error, WriteError::NotReady(NotReady::ClockOff { .. })) {
                    self.reach(Marker::CLOCK_OFF);
                }
            }
        }
        if self.processes[p].written == now && now > version {
            self.note_twin_write(p);
        }
    }

    fn step(&mut self, p: usize, field: &FieldName, size: u64) -> Result<(), WriteError> {
        let view = self.processes[p].replica.view(field);
        let width = view.as_ref().map_or(1, |view| view.spec.spec.setup.shape.width);
        let inputs: Vec<Vec<f64>> = (0..size).map(|_| input(&mut self.dice.workload, width)).collect();
        let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let seen = oracle_frontier(&self.processes[p].replica);
        let steps = self.with(p, |replica, now| replica.step_batch(now, field, &slices))?;
        let before = view.map_or(0, |view| view.count);
        for ((step, input), k) in steps.iter().zip(&inputs).zip(before + 1..) {
            if step.k != k {
                self.found_wrong(format_args!("{} counted a step of {field} as {}, not {k}", self.label(p), step.k));
            }
            self.note_step(p, field, step, input, &seen);
        }
        if steps.iter().any(|step| step.intervened.is_some()) {
            self.begin_rush(p, field);
        }
        Ok(())
    }

    fn note_step(&mut self, p: usize, field: &FieldName, step: &Step, input: &[f64], seen: &OracleFrontier) {
        self.counts.writes += 1;
        let Step { version, k, .. } = step;
        let bits: Vec<u64> = input.iter().map(|number| number.to_bits()).collect();
        let label = self.label(p);
        self.trace.note(self.now, "step", &bits, &[], || format!("{label:<6} step {k} of {field}, version {version}"));
        self.steps += 1;
        if self.plan.hidden_step != Some(self.steps - 1) {
            self.record_step(p, field, step, input, seen);
        }
    }

    fn intervene(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let action = if self.dice.workload.chance(450) { Action::Nigredo } else { Action::Albedo };
        let before = self.processes[p].replica.view(field).map_or(0.0, |view| view.noise.value());
        let seen = oracle_frontier(&self.processes[p].replica);
        let done = self.with(p, |replica, now| replica.intervene(now, field, action))?;
        self.counts.writes += 1;
        self.record_intervention(p, field, (action, &done), &seen);
        let full = match action {
            Action::Nigredo => psi_engine::Noise::NIGREDO_RISE,
            Action::Albedo => -psi_engine::Noise::ALBEDO_FALL,
        };
        if (before + full - done.noise).abs() > 1e-9 {
            self.reach(Marker::INTERVENTION_CLIPPED);
        }
        self.tell(p, "intervene", format_args!("{action} on {field}, ν {}, version {}", done.noise, done.version));
        Ok(())
    }

    fn reshape(&mut self, p: usize, field: &FieldName, ask: Ask) -> Result<(), WriteError> {
        let setup = setups::draw(&mut self.dice.workload, &mut self.dice.setups, self.plan.habits);
        let learnt = self.processes[p].replica.engine_name(field).is_some_and(|engine| engine == setups::CORE);
        let spec = self.with(p, |replica, now| match ask {
            Ask::Create => replica.create_field(now, field, setup),
            Ask::Reset => replica.reset_field(now, field, setup),
            _ => replica.drop_field(now, field),
        })?;
        self.counts.writes += 1;
        self.record_spec(p, &spec);
        self.note_reshaped(p, &spec, ask == Ask::Create);
        if ask == Ask::Reset && learnt {
            self.reach(Marker::CORE_RESET);
        }
        Ok(())
    }

    /// A change of parameters and guardian, or one that must be refused while the field has history.
    fn change(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let before = self.processes[p].replica.view(field);
        let held = before.as_ref().map(|view| view.spec.spec.setup.clone()).unwrap_or_default();
        let (setup, is_fixed) = setups::changed(&mut self.dice.setups, &held);
        let result = self.with(p, |replica, now| replica.change_field(now, field, setup));
        let counted = before.as_ref().map_or(0, |view| view.count);
        match result {
            Ok(spec) if is_fixed && counted > 0 => {
                self.found_wrong(format_args!("{} changed what is fixed: {spec:?}", self.label(p)));
                Ok(())
            }
            Ok(spec) => {
                self.counts.writes += 1;
                self.record_spec(p, &spec);
                self.note_reshaped(p, &spec, false);
                Ok(())
            }
            Err(error) => {
                if matches!(&error, WriteError::Fixed { count, .. } if is_fixed && *count == counted) {
                    self.reach(Marker::CHANGE_REFUSED);
                } else if !matches!(error, WriteError::NotReady(_) | WriteError::UnknownField { .. }) {
                    self.found_wrong(format_args!("{} refused an honest change: {error}", self.label(p)));
                }
                if self.processes[p].replica.view(field) != before {
                    self.found_wrong(format_args!("{} refused a change and shows another view", self.label(p)));
                }
                Err(error)
            }
        }
    }

    fn note_reshaped(&mut self, p: usize, spec: &CurrentSpec, created: bool) {
        let replica = &self.processes[p].replica;
        let Some(origin) = replica.origin().cloned() else { return };
        let version = replica.version();
        let CurrentSpec { field, epoch, spec } = spec;
        let unknown =
            |other: &&Reshaped| other.origin != origin && replica.frontier().version(&other.origin) < other.version;
        let raced: Vec<&Reshaped> =
            self.book.reshaped.iter().filter(|other| other.field == *field).filter(unknown).collect();
        let shapes_raced = raced.iter().any(|other| other.shape != spec.setup.shape);
        let changes_raced = raced.iter().any(|other| other.epoch == *epoch);
        let creates_raced = created && raced.iter().any(|other| other.created);
        if shapes_raced {
            self.reach(Marker::SHAPES_RACED);
        }
        if changes_raced {
            self.reach(Marker::CHANGES_RACED);
        }
        if creates_raced {
            self.reach(Marker::CONCURRENT_CREATES);
        }
        let is_change = self.book.reshaped.iter().any(|other| other.field == *field && other.epoch == *epoch);
        let what = if spec.dropped {
            "drop"
        } else if is_change {
            "change"
        } else if created {
            "create"
        } else {
            "reset"
        };
        let (shape, guardian, wall) = (&spec.setup.shape, spec.setup.guardian, epoch.wall_ms());
        let (engine, width) = (&shape.engine, shape.width);
        self.tell(
            p,
            "spec",
            format_args!("{what} {field}, {engine} {width} {guardian}, epoch {wall}, version {version}"),
        );
        let (field, shape, epoch) = (field.clone(), shape.clone(), *epoch);
        self.book.reshaped.push(Reshaped { field, shape, epoch, origin, version, created });
    }

    /// A write of a lane that only the next version knows.
    fn write_unknown(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let (index, value) = (self.dice.workload.below(3), self.dice.workload.raw().to_le_bytes());
        self.with(p, |replica, _| replica.write_unknown(field, UNKNOWN_LANE, index, value.to_vec().into()))?;
        let replica = &self.processes[p].replica;
        if let Some(me) = replica.origin() {
            self.book.unknown.insert(me.clone(), replica.version());
        }
        self.tell(p, "unknown", format_args!("writes a lane that is not known yet, of {field}"));
        Ok(())
    }

    /// Writes that must be refused.
    fn nonsense(&mut self, p: usize, field: &FieldName) -> Result<(), WriteError> {
        let nobodys = FieldName::new("nobodys").expect("letters");
        let turn = self.dice.workload.below(4);
        let result = self.with(p, |replica, now| match turn {
            0 => replica.step(now, &nobodys, &[0.0]).map(|_| ()),
            1 => replica.step(now, field, &[f64::NAN]).map(|_| ()),
            2 => replica.step_batch(now, field, &[]).map(|_| ()),
            _ => replica.drop_field(now, &FieldName::default_field()).map(|_| ()),
        });
        if result.is_ok() {
            self.found_wrong(format_args!("{} took nonsense number {turn}", self.label(p)));
        }
        result
    }

    fn note_twin_write(&mut self, p: usize) {
        let machine = self.processes[p].machine;
        let twin = |(other, process): (usize, &crate::process::Process)| {
            other != p && process.machine == machine && process.is_running() && process.written > Version::ZERO
        };
        if self.processes.iter().enumerate().any(twin) {
            self.reach(Marker::TWO_RUNS_AT_ONCE);
        }
    }
}

fn ask(rng: &mut Rng) -> Ask {
    match rng.below(100) {
        0..50 => Ask::Steps(1),
        50..68 => Ask::Steps(1 + rng.below(6)),
        68..82 => Ask::Intervene,
        82..90 => Ask::Create,
        90..94 => Ask::Reset,
        94..96 => Ask::Drop,
        96..98 => Ask::Unknown,
        _ => Ask::Nonsense,
    }
}

/// Numbers of mixed sizes and signs, none of them exact in few bits, all small enough for every scale in use.
pub(crate) fn input(rng: &mut Rng, width: usize) -> Vec<f64> {
    const SIZES: [f64; 5] = [1e-9, 0.1, 1.0, 3.0, 1e4];
    (0..width).map(|_| (rng.unit() - 0.5) * rng.pick(&SIZES).copied().unwrap_or(1.0)).collect()
}
