//! What this node knows of models follows replicated state, and what it rolls back goes there.

use psi_ledger::{
    body::Action,
    record::{Actor, Kind},
};
use psi_quorum::Request;
use psi_rollout::{ModelName, RolloutId};
use psi_state::RegisterView;

use super::{
    models::{KnownModel, MODEL_PREFIX, decided_model, model_of, read_model, register_name},
    rollbacks::METHOD,
};
use crate::node::context::NodeContext;

/// Takes over what replicated state says of models.
pub(crate) fn refresh(context: &NodeContext) {
    let (views, rollbacks) =
        context.read(|replica| (replica.registers_below(MODEL_PREFIX), context.models.take_rollbacks(replica)));
    for view in views.iter().filter(|view| view.step > 0) {
        refresh_model(context, view, rollbacks);
    }
}

/// Takes over what replicated state says of one model.
pub(crate) fn refresh_one(context: &NodeContext, name: &ModelName) {
    let (view, rollbacks) =
        context.read(|replica| (replica.register_view(&register_name(name)), context.models.take_rollbacks(replica)));
    if let Some(view) = view.filter(|view| view.step > 0) {
        refresh_model(context, &view, rollbacks);
    }
}

fn refresh_model(context: &NodeContext, view: &RegisterView, rollbacks: u64) {
    let known = model_of(&view.name).ok().and_then(|name| context.models.get(name.as_str()));
    if known.is_some_and(|known| known.step >= view.step && known.rollbacks == rollbacks) {
        return;
    }
    let decision = Request::decode(&view.decision).map_err(|error| error.to_string());
    match decision.and_then(|request| decided_model(&view.name, request.previous())) {
        Ok(decided) => {
            let model = context.models.as_it_counts(&decided);
            context.models.put(KnownModel { step: view.step, rollbacks, decided, model });
        }
        Err(error) => tracing::debug!(register = view.name, "a model can't be read: {error}"),
    }
}

/// Whether what is proposed for a model's register may follow a rollback that this node has seen.
///
/// # Errors
/// It takes the rollout further, which was rolled back.
pub(crate) fn check_rollbacks(context: &NodeContext, register: &str, body: &[u8]) -> Result<(), String> {
    let model = read_model(register, body)?;
    refresh_one(context, model.name());
    context.models.check_vote(&model).map_err(|refusal| refusal.to_string())
}

/// Writes a rollback into this node's ledger, from where all others see it.
pub(crate) fn write_rollback(context: &NodeContext, model: &ModelName, id: &RolloutId, actor: Actor, reason: &str) {
    let object = format!("{model}/{id}");
    let action = Action { method: METHOD.to_owned(), object, action: reason.to_owned(), ..Action::default() };
    context.record(Kind::Rollback, actor, &action);
}
