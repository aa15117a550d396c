//! What clients ask of the cluster, and what was accepted.

mod fields;
mod outcomes;
mod request;
mod rollouts;
mod sessions;
mod setups;
pub(crate) mod token;
mod writes;

use psi_replica::{AHEAD_MS_MAX, FieldName, NotReady, Version};
use psi_state::WriteError;

use self::request::ClientRequest;
use crate::{
    plan::{BATCH, Habits, signed},
    report::markers::Marker,
    world::{Occurrence, Process, World},
};

/// Fields that clients use: the one that always exists, and some that come and go.
const FIELDS: [&str; 4] = ["default", "a", "b", "c"];

/// Writes of a rush, and the time between them: the guardian looks at a few steps of each.
const RUSH: u8 = 5;
const RUSH_MS: u64 = 25;

impl World<'_> {
    /// One write, and the one after it.
    pub(crate) fn write(&mut self) {
        if !self.is_writing {
            return;
        }
        let wait = Self::around(&mut self.dice.workload, self.plan.write_ms);
        if let Some((p, field)) = self.in_a_rush() {
            self.schedule(self.now + RUSH_MS, Occurrence::Write);
            let size = self.dice.setups.between(30, 40);
            return self.ask(p, &field, ClientRequest::Steps(size));
        }
        self.schedule(self.now + wait, Occurrence::Write);
        let takes_writes = |p: &usize| self.processes[*p].is_running() && !self.is_stranger(*p);
        let running: Vec<usize> = (0..self.processes.len()).filter(takes_writes).collect();
        let Some(p) = self.dice.workload.pick(&running).copied() else { return };
        if self.plan.habits.is_frugal {
            let ask = if self.dice.setups.chance(20) { ClientRequest::Change } else { ClientRequest::Steps(1) };
            self.ask(p, &FieldName::default_field(), ask);
            self.write_components(p, &FieldName::default_field());
            return self.carry_tokens(p);
        }
        let field = self.field_at();
        let ask = self.fitting(p, &field);
        self.ask(p, &field, ask);
        self.write_components(p, &field);
        self.carry_tokens(p);
        // Clients that do the same elsewhere in the same moment: changes of a field that race.
        let races = match ask {
            ClientRequest::Create | ClientRequest::Reset => 300,
            ClientRequest::Change => 500,
            _ => 0,
        };
        if self.dice.workload.chance(races) {
            let Some(other) = self.dice.workload.pick(&running).copied() else { return };
            self.ask(other, &field, ask);
        }
    }

    /// What a client asks for, which mostly makes sense.
    fn fitting(&mut self, p: usize, field: &FieldName) -> ClientRequest {
        let drawn = ClientRequest::draw(&mut self.dice.workload);
        let drawn = if self.dice.setups.chance(40) { ClientRequest::Change } else { self.by_habit(field, drawn) };
        let is_later = self.machines[self.processes[p].machine].is_later;
        let exists = self.processes[p].replica.engine_name(field).is_some();
        match drawn {
            ClientRequest::Unknown if !is_later => ClientRequest::Steps(1),
            ClientRequest::Steps(_) | ClientRequest::Intervene | ClientRequest::Change
                if !exists && self.dice.workload.chance(700) =>
            {
                ClientRequest::Create
            }
            drawn => drawn,
        }
    }

    /// Another node's clients write what the guardian of one has just intervened in, so much of it that it soon would again.
    pub(super) fn begin_rush(&mut self, p: usize, field: &FieldName) {
        let Habits { steady, batch, .. } = self.plan.habits;
        let is_steady = steady.is_some_and(|place| FIELDS[place] == field.as_str()) && batch > BATCH;
        if !is_steady || self.rush.is_some() || !self.dice.setups.chance(300) {
            return;
        }
        let takes_writes = |p: &usize| self.processes[*p].is_running() && !self.is_stranger(*p);
        let others: Vec<usize> = (0..self.processes.len()).filter(|other| *other != p && takes_writes(other)).collect();
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
    fn by_habit(&mut self, field: &FieldName, drawn: ClientRequest) -> ClientRequest {
        let Habits { steady, batch, is_streaming, .. } = self.plan.habits;
        if steady.is_none_or(|place| FIELDS[place] != field.as_str()) {
            return drawn;
        }
        let dice = &mut self.dice.setups;
        match drawn {
            ClientRequest::Reset | ClientRequest::Drop if dice.chance(if is_streaming { 985 } else { 850 }) => {
                ClientRequest::Steps(1 + dice.below(batch))
            }
            ClientRequest::Intervene if dice.chance(600) => ClientRequest::Steps(1 + dice.below(batch)),
            ClientRequest::Steps(size) if size > 1 || is_streaming => ClientRequest::Steps(1 + dice.below(batch)),
            drawn => drawn,
        }
    }

    fn ask(&mut self, p: usize, field: &FieldName, ask: ClientRequest) {
        let version = self.processes[p].replica.version();
        let result = match ask {
            ClientRequest::Steps(size) => self.step(p, field, size),
            ClientRequest::Intervene => self.intervene(p, field),
            ClientRequest::Create | ClientRequest::Reset | ClientRequest::Drop => self.reshape(p, field, ask),
            ClientRequest::Change => self.change(p, field),
            ClientRequest::Unknown => self.write_unknown(p, field),
            ClientRequest::Nonsense => self.nonsense(p, field),
        };
        let now = self.processes[p].replica.version();
        match result {
            Ok(()) => {
                self.processes[p].written = now;
                let time = self.processes[p].replica.time();
                if time.is_off {
                    self.reach(Marker::CLOCK_OFF);
                }
                if time.lead_ms > signed(AHEAD_MS_MAX) {
                    self.reach(Marker::LED);
                }
            }
            Err(error) => {
                self.counts.writes_refused += 1;
                if now != version {
                    self.found_wrong(format_args!("{} refused a write and moved: {error}", self.label(p)));
                }
                if matches!(error, WriteError::NotReady(NotReady::StateAhead { .. })) {
                    self.reach(Marker::STATE_AHEAD);
                    self.follow_advice(p);
                }
            }
        }
        if self.processes[p].written == now && now > version {
            self.record_twin_write(p);
        }
    }

    fn record_twin_write(&mut self, p: usize) {
        let machine = self.processes[p].machine;
        let twin = |(other, process): (usize, &Process)| {
            other != p && process.machine == machine && process.is_running() && process.written > Version::ZERO
        };
        if self.processes.iter().enumerate().any(twin) {
            self.reach(Marker::TWO_RUNS_AT_ONCE);
        }
    }
}
