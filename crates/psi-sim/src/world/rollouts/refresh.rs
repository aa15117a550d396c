//! What a node knows of the model follows replicated state.

use psi_quorum::{Decision, Register, Request, Step, VoterSet};
use psi_rollout::Model;
use psi_security::node_key::NodePublicKey;
use psi_state::RegisterView;

use super::{cast, ledger, seat::KnownModel};
use crate::world::World;

/// The model that a register decided last.
pub(super) fn decided_model(decision: &Decision) -> Result<Model, String> {
    if decision.step() == Step::GENESIS {
        return Ok(Model::new(cast::model()));
    }
    Model::from_bytes(decision.value().body()).map_err(|error| error.to_string())
}

fn register_of(view: &RegisterView) -> Option<Register> {
    let key = |bytes: &bytes::Bytes| bytes.as_ref().try_into().ok().map(NodePublicKey::from_bytes);
    let keys: Option<Vec<_>> = view.first_voters.iter().map(key).collect();
    Some(Register::new(cast::register_name(), VoterSet::new(keys?).ok()?))
}

impl World<'_> {
    /// A node takes over what replicated state says of rollbacks and of the model.
    pub(crate) fn refresh(&mut self, p: usize) {
        let Some(seat) = self.rollouts.seats.get_mut(&p) else { return };
        let replica = &self.processes[p].replica;
        let generation = replica.ledger_generation();
        if seat.generation.replace(generation) != Some(generation) {
            seat.rollbacks.take_over(ledger::shown(replica));
        }
        self.join_register(p);
        let Some(view) = self.register_view(p).filter(|view| view.step > 0) else { return };
        let Some(seat) = self.rollouts.seats.get_mut(&p) else { return };
        let rollbacks = seat.rollbacks.count();
        if seat.known.as_ref().is_some_and(|known| known.step >= view.step && known.rollbacks == rollbacks) {
            return;
        }
        let decision = Request::decode(&view.decision).map_err(|error| error.to_string());
        match decision.and_then(|request| decided_model(request.previous())) {
            Ok(decided) => {
                let model = seat.rollbacks.applied_to(&decided);
                let known = KnownModel { step: view.step, rollbacks, decided, model };
                let before = seat.known.as_ref().map(|known| (known.step, known.rollbacks));
                if before.is_none_or(|before| before <= (known.step, known.rollbacks)) {
                    seat.known = Some(known);
                }
            }
            Err(what) => self.found_wrong(format_args!("{} can't read a model: {what}", self.label(p))),
        }
    }

    pub(super) fn register_view(&self, p: usize) -> Option<RegisterView> {
        self.processes[p].replica.register_view(cast::register_name().as_str())
    }

    /// Once a node knows the register it votes in it, and its disk keeps it.
    fn join_register(&mut self, p: usize) {
        if self.rollouts.seats.get(&p).is_none_or(|seat| seat.role.is_some()) {
            return;
        }
        let register = self.register_view(p).and_then(|view| register_of(&view));
        let machine = self.processes[p].machine;
        let Some(store) = &mut self.machines[machine].disk.votes else { return };
        let Some(register) = store.register.clone().or(register) else { return };
        store.register = Some(register.clone());
        let record = store.record.clone();
        let Some(seat) = self.rollouts.seats.get_mut(&p) else { return };
        if let Err(error) = seat.join(&register, record) {
            self.found_wrong(format_args!("{} can't vote: {error}", self.label(p)));
        }
    }
}
