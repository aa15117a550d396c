//! People that register a model, name its champion, and begin, hold up and end rollouts.

use bytes::Bytes;
use psi_engine::Parameters;
use psi_rollout::{Command, Model, Plan, PlanInput, Rollout, RolloutId, Stage, Status, VersionName};
use psi_state::{Setup, Shape, VoterName};

use crate::{
    plan::RolloutRun,
    report::markers::Marker,
    world::{Quality, RolloutTurn, Wish, World, cast},
};

/// Versions that people ever make in a run.
const VERSIONS_MAX: u64 = 9;

impl World<'_> {
    /// What a person does next, and the one after that.
    pub(crate) fn play_person(&mut self) {
        let Some(run) = self.plan.rollouts.clone().filter(|_| self.is_writing) else { return };
        let wait = Self::around(&mut self.dice.rollouts, run.person_ms);
        self.turn_after(wait, RolloutTurn::Person);
        let Some(p) = self.any_ready() else { return };
        if self.register_model(p, run.voters) {
            self.name_voters(p);
            self.want(p, &run);
        }
    }

    /// A node that people may turn to.
    fn any_ready(&mut self) -> Option<usize> {
        let is_ready = |p: &usize| {
            let process = &self.processes[*p];
            process.is_running() && process.is_staying() && process.replica.readiness().for_writing().is_ok()
        };
        let ready: Vec<usize> = (0..self.processes.len()).filter(is_ready).collect();
        self.dice.rollouts.pick(&ready).copied()
    }

    /// A node has just rolled back. At times a person who saw the same cancels, before the record reaches all.
    pub(crate) fn race_with_person(&mut self, id: &RolloutId) {
        if self.is_writing && self.dice.rollouts.chance(300) {
            let wait = self.dice.rollouts.below(20);
            self.turn_after(wait, RolloutTurn::Cancel(id.clone()));
        }
    }

    pub(crate) fn cancel(&mut self, id: RolloutId) {
        if let Some(p) = self.any_ready() {
            self.wish(p, Wish::Command { id, command: Command::Cancel, is_forced: false });
        }
    }

    /// Registers the model with the keys of the first machines, unless it is known here.
    fn register_model(&mut self, p: usize, voters: usize) -> bool {
        let name = cast::register_name();
        if self.processes[p].replica.register_view(name.as_str()).is_some() {
            return true;
        }
        if self.rollouts.first_voters.is_empty() {
            let keys: Option<Vec<_>> = (0..voters).map(|machine| self.machines[machine].voter_key()).collect();
            let Some(keys) = keys else { return false };
            self.rollouts.first_voters = keys;
        }
        let keys: Vec<Bytes> = self.rollouts.first_voters.iter().map(|key| key.as_bytes().to_vec().into()).collect();
        if self.with(p, |replica, now| replica.register(now, name.as_str(), keys)).is_ok() {
            let first = self.rollouts.first_voters.iter().map(|key| *key.as_bytes()).collect();
            self.rollouts.chain.begin(first);
            self.trace_process(p, "register", "registers the model");
        }
        false
    }

    /// An operator names the voters where a machine has another key than it had, as after a disk was lost.
    fn name_voters(&mut self, p: usize) {
        let voters = self.rollouts.first_voters.len();
        let keys = (0..voters).filter_map(|machine| Some((machine, self.machines[machine].voter_key()?)));
        let named: Vec<VoterName> = keys
            .map(|(machine, key)| VoterName {
                node: self.machines[machine].name.to_string(),
                key: key.as_bytes().to_vec().into(),
            })
            .collect();
        if self.processes[p].replica.voters() == named {
            return;
        }
        let is_change = !self.processes[p].replica.voters().is_empty();
        if self.with(p, |replica, now| replica.set_voters(now, named)).is_ok() && is_change {
            self.reach(Marker::VOTERS_CHANGED);
            self.wish(p, Wish::Voters);
        }
    }

    fn want(&mut self, p: usize, run: &RolloutRun) {
        let known = self.rollouts.seats.get(&p).and_then(|seat| seat.known.as_ref());
        let model = known.map_or_else(|| Model::new(cast::model()), |known| known.model.clone());
        let is_forced = self.dice.rollouts.chance(run.forced);
        match (model.champion(), model.active()) {
            (None, _) => {
                let version = cast::version(1);
                self.make_field(p, &version);
                self.rollouts.qualities.insert(version.clone(), Quality::Good);
                self.wish(p, Wish::Staging { version, stage: Stage::Production, is_forced: false });
            }
            (Some(_), Some(rollout)) => self.intervene_in(p, rollout, is_forced),
            (Some(_), None) => self.want_next(p, &model, run, is_forced),
        }
    }

    /// What a person does to a rollout that is under way: mostly nothing.
    fn intervene_in(&mut self, p: usize, rollout: &Rollout, is_forced: bool) {
        let (id, is_paused) = (rollout.id().clone(), rollout.status() == Status::Paused);
        let command = match self.dice.rollouts.below(100) {
            0..40 if is_paused => Command::Resume,
            0..8 => Command::Pause,
            8..12 => Command::Cancel,
            12..16 => return self.roll_back(p, rollout),
            16..28 => Command::Advance,
            28..36 => Command::Promote,
            _ => return,
        };
        self.wish(p, Wish::Command { id, command, is_forced });
    }

    /// A person rolls back: that counts from when it is written.
    fn roll_back(&mut self, p: usize, rollout: &Rollout) {
        self.reach(Marker::ROLLED_BACK_BY_PERSON);
        let id = rollout.id().clone();
        self.write_rollback(p, &id, ("ann", "it looks bad"), false);
    }

    /// A rollout begins, of a new version or of one that there is; or the last one is rolled back after its end.
    fn want_next(&mut self, p: usize, model: &Model, run: &RolloutRun, is_forced: bool) {
        let ended = model.rollout().filter(|rollout| rollout.status() != Status::RolledBack).cloned();
        if let Some(ended) = ended.filter(|_| self.dice.rollouts.chance(250)) {
            return self.roll_back(p, &ended);
        }
        let Some(canary) = self.next_canary(model, run) else { return };
        self.drop_fields(p, model, &canary);
        self.make_field(p, &canary);
        let plan = Plan::new(&PlanInput {
            schedule: run.schedule.clone(),
            evaluation_window_ms: run.window_ms,
            minimum_predictions: 30,
            // A rate of rare errors takes thousands of steps to tell.
            error_rate_threshold: None,
            latency_degradation_threshold: Some(2.0),
            ..PlanInput::default()
        });
        let Ok(plan) = plan else { return };
        self.wish(p, Wish::Start { canary, plan, is_forced });
    }

    fn next_canary(&mut self, model: &Model, run: &RolloutRun) -> Option<VersionName> {
        let known: Vec<VersionName> = model.versions().keys().cloned().collect();
        let count = self.rollouts.qualities.len() as u64;
        if self.dice.rollouts.chance(300) || count >= VERSIONS_MAX {
            return self.dice.rollouts.pick(&known).cloned();
        }
        let version = cast::version(count + 1);
        let drawn = self.dice.rollouts.below(1_000);
        let quality = if drawn < run.bad {
            self.rollouts.chain.declare_bad(version.as_str());
            Quality::Bad
        } else if drawn < run.bad + run.bad_on_one {
            Quality::BadOn(usize::try_from(self.dice.rollouts.below(self.plan.nodes as u64)).unwrap_or(0))
        } else {
            Quality::Good
        };
        self.rollouts.qualities.insert(version.clone(), quality);
        Some(version)
    }

    /// Versions that answer no more make room.
    fn drop_fields(&mut self, p: usize, model: &Model, canary: &VersionName) {
        let is_gone = |(version, stage): &(&VersionName, &Stage)| !stage.is_live() && *version != canary;
        let gone: Vec<VersionName> =
            model.versions().iter().filter(is_gone).map(|(version, _)| version.clone()).collect();
        for version in gone {
            let field = cast::field(&version);
            if let Ok(spec) = self.with(p, |replica, now| replica.drop_field(now, &field)) {
                self.record_spec(p, &spec);
                self.record_change(p, &spec, false);
            }
        }
    }

    /// A field for a version, as small as can be.
    fn make_field(&mut self, p: usize, version: &VersionName) {
        let parameters = Parameters::default().with([("baseline_after", 0.0), ("drift", 0.0)]).unwrap_or_default();
        let setup = Setup { shape: Shape { width: 1, ..Shape::default() }, parameters, ..Setup::default() };
        let field = cast::field(version);
        if let Ok(spec) = self.with(p, |replica, now| replica.create_field(now, &field, setup)) {
            self.record_spec(p, &spec);
            self.record_change(p, &spec, true);
        }
    }
}
