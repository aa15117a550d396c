//! What clients want, by what their own machine knows.

use psi_ledger::record::{Actor, Content, Evidence};
use psi_process::{
    Action, Attestation, Baseline, ChainState, DecidedChain, HoldReason, Judgement, Mode, Spec, Transition, Verdict,
    WorkHash, WorkOrder,
    engine::next_action,
    value::{Number, Reading, Value},
};
use psi_replica::{Clock, NodeId, Origin};
use psi_security::token::{Role, TokenId, TokenLabel};

use super::{
    cast::{PROCESS, SCORES, cast, name},
    node::{Body, Draft},
    world::{Event, World},
};

/// How long clients wait in the calm.
const PATIENCE_MS: u64 = 5_000;

/// What gates answered, and what that rests on.
type Review = (Vec<Judgement>, Vec<Evidence>, Verdict);

impl World {
    pub(super) fn play_client(&mut self, machine: usize, run: u64) {
        if self.process(machine, run).is_none() || !self.clients_act {
            return;
        }
        let pause = self.pause_us();
        self.schedule(pause, Event::Client { machine, run });
        let register = self.rng.below(self.plan.registers * 3) / 2;
        // The process changes less often than its tasks.
        let register = if register < self.plan.registers { register } else { self.plan.registers - 1 };
        let thinks_us = self.rng.range(0, self.plan.pause_ms * 1000);
        let patience_ms = *self.rng.pick(&[50, 300, 2_000]);
        self.wish(machine, register, thinks_us, patience_ms);
    }

    /// A client looks, thinks, and then wants something.
    fn wish(&mut self, machine: usize, register: usize, thinks_us: u64, patience_ms: u64) -> Option<u64> {
        let transition = self.transition(machine, register)?;
        let run = self.machines[machine].runs;
        let is_forged =
            register != PROCESS && self.machines[machine].is_broken && self.rng.percent(self.plan.forged_percent);
        let policy = if register == PROCESS { None } else { self.known(machine, PROCESS, 0)?.state().cloned() };
        self.wishes += 1;
        let number = self.wishes;
        let draft = Box::new(Draft { number, register, transition, policy, is_forged });
        self.schedule(thinks_us, Event::Decide { machine, run, draft });
        self.schedule(thinks_us + patience_ms * 1000, Event::Deadline { machine, run, register, number });
        Some(number)
    }

    /// After the storm, each client of each machine gets an answer, and something is decided.
    pub(super) fn run_calm(&mut self) {
        self.heal();
        self.clients_act = false;
        self.run_ms(PATIENCE_MS);
        self.heal();
        let decided = self.oracle.decided();
        for machine in 0..self.machines.len() {
            for register in 0..self.plan.registers {
                let thinks_us = self.pause_us();
                if let Some(number) = self.wish(machine, register, thinks_us, PATIENCE_MS) {
                    self.open_wishes.insert(number, format!("wish {number} in register {register}"));
                }
            }
        }
        self.run_ms(PATIENCE_MS + 1_000);
        for (_, wish) in std::mem::take(&mut self.open_wishes) {
            self.oracle.breach(format!("no answer in the calm: {wish}"));
        }
        if self.oracle.decided() == decided {
            self.mark("nothing new is decided in the calm");
        }
    }

    /// Where a subject of a register stands, as far as replicated state of the machine knows.
    fn known(&mut self, machine: usize, register: usize, subject: usize) -> Option<DecidedChain> {
        let now_ms = self.wall_ms(machine);
        let subject = &cast().registers[register].subjects[subject];
        let seat = self.seat(machine, register)?;
        Some(Body::of(register, seat.view.previous()).ok()?.chain(subject, now_ms))
    }

    fn transition(&mut self, machine: usize, register: usize) -> Option<Transition> {
        let subject = self.rng.below(cast().registers[register].subjects.len());
        let chain = self.known(machine, register, subject)?;
        let process = self.known(machine, PROCESS, 0)?;
        let plain = Transition {
            subject: chain.subject().clone(),
            action: Action::SpecChange,
            predecessor: chain.state().map(|state| state.head),
            spec: cast().specs[0].hash(),
            mode: process.state().map_or(Mode::Enforce, |state| state.mode),
            clock: Clock { wall_ms: 0, counter: 0 },
            origin: self.origin(machine),
            actor: self.actor(machine),
            evidence: Vec::new(),
            attestation: None,
            judgements: Vec::new(),
            fence: None,
            is_forced: false,
            reason: String::new(),
        };
        match (chain.state(), process.state()) {
            (None, _) if register == PROCESS => Some(plain),
            (Some(state), _) if register == PROCESS => Some(self.change_process(state, plain)),
            (None, Some(process)) => {
                let first = cast().specs[0].first().name.clone();
                Some(Transition { action: Action::Start { to: first }, spec: process.spec, ..plain })
            }
            (Some(state), Some(_)) if state.end.is_some() => {
                let first = cast().specs[0].first().name.clone();
                Some(Transition { action: Action::Start { to: first }, predecessor: None, ..plain })
            }
            (Some(state), Some(_)) => Some(self.move_task(state, plain)),
            (_, None) => None,
        }
    }

    fn change_process(&mut self, state: &ChainState, plain: Transition) -> Transition {
        let same = Transition { spec: state.spec, mode: state.mode, ..plain };
        let choice = self.rng.range(0, 99);
        match (choice, state.mode) {
            (0..40, Mode::Watch) => Transition { action: Action::Switch, mode: Mode::Enforce, ..same },
            (0..40, Mode::Enforce) => Transition { action: Action::Switch, mode: Mode::Watch, ..same },
            (40..70, _) => Transition { spec: self.any_spec().hash(), ..same },
            (70, _) => Transition { action: Action::Abort { from: None }, ..same },
            _ => Transition { action: self.baseline(), ..same },
        }
    }

    fn move_task(&mut self, state: &ChainState, plain: Transition) -> Transition {
        let from = state.phase.clone().unwrap();
        let spec = cast().specs.iter().find(|spec| spec.hash() == state.spec).unwrap();
        let phase = spec.phase(&from).unwrap();
        let (judgements, evidence, verdict) = self.review(spec, !phase.gates.is_empty());
        let attestation = Some(Attestation { node: None, work: self.work() });
        let same = Transition { spec: state.spec, attestation, ..plain };
        let advance = Action::Advance { from: from.clone(), to: spec.next(&from).map(|next| next.name.clone()) };
        match self.rng.range(0, 99) {
            0..8 => Transition { action: Action::Abort { from: Some(from) }, ..same },
            8..13 => Transition { spec: self.any_spec().hash(), ..same },
            13..18 => Transition { action: Action::Rewind { from, to: name("a") }, ..same },
            18..26 => Transition { action: self.baseline(), ..same },
            26..36 => {
                let reason = (*self.rng.pick(&["it is urgent", "the gate is broken"])).to_owned();
                Transition { action: advance, is_forced: true, reason, judgements, evidence, ..same }
            }
            // It asks for what its gates do not allow.
            36..40 => Transition { action: advance, judgements, evidence, ..same },
            40..44 => Transition { action: Action::Return { from, to: name("a") }, judgements, evidence, ..same },
            _ => {
                let wanted = next_action(spec, phase, verdict, same.mode);
                let Some(action) = wanted else {
                    self.mark("a gate holds a task where it is");
                    return Transition { action: self.baseline(), ..same };
                };
                Transition { action, judgements, evidence, ..same }
            }
        }
    }

    /// What the gate of a phase says now: PASS, FAIL, or HOLD for want of a report.
    fn review(&mut self, spec: &Spec, has_gate: bool) -> Review {
        let needed = SCORES[cast().number_of(spec.hash())];
        let (verdict, score) = match self.rng.range(0, 9) {
            0..6 => (Verdict::Pass, Some(needed + 1.0)),
            6..8 => (Verdict::Fail, Some(needed - 1.0)),
            _ => (Verdict::Hold(HoldReason::MissingEvidence), None),
        };
        if !has_gate {
            return (Vec::new(), Vec::new(), Verdict::Pass);
        }
        let evidence = score.map(|_| Evidence::new("report", Content::of(b"{}")).unwrap());
        (vec![judgement(verdict, score)], evidence.into_iter().collect(), verdict)
    }

    fn any_spec(&mut self) -> &'static Spec {
        self.rng.pick(&cast().specs)
    }

    fn baseline(&mut self) -> Action {
        let work = self.work().or_else(|| Some(WorkOrder::default().hash()));
        Action::BaselineSetting(Baseline { node: None, work })
    }

    /// What the work was asked to be, mostly the same.
    fn work(&mut self) -> Option<WorkHash> {
        let model = if self.rng.percent(80) { "one" } else { "two" };
        let order = WorkOrder { model: model.to_owned(), ..WorkOrder::default() };
        if self.rng.percent(90) { Some(order.hash()) } else { None }
    }

    fn origin(&self, machine: usize) -> Origin {
        let node = NodeId::new(&format!("n{machine}")).unwrap();
        Origin { node, incarnation: self.machines[machine].runs }
    }

    /// Mostly a person; at times the node itself.
    fn actor(&mut self, machine: usize) -> Actor {
        let token = TokenLabel { name: "ann".to_owned(), id: TokenId::from_random([1; 8]) };
        if self.rng.percent(80) {
            Actor::Token { token, role: Role::Operator }
        } else {
            Actor::Node(NodeId::new(&format!("n{machine}")).unwrap())
        }
    }
}

/// What a gate answered, with the score that it read.
pub(super) fn judgement(verdict: Verdict, score: Option<f64>) -> Judgement {
    let reading = |score| Reading { name: "score".to_owned(), value: Value::Number(Number::new(score).unwrap()) };
    let readings = score.map(reading).into_iter().collect();
    Judgement { gate: name("score"), verdict, reason: String::new(), readings, missing: Vec::new() }
}
