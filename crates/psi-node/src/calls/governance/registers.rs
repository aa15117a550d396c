//! Registers that callers name: made where there are none.

use psi_api::Cause;
use psi_quorum::Register;
use psi_state::{RegisterView, Replica};
use tonic::Code;

use crate::{
    governance::{
        ledger::store::{blocking, processes::StoredRegister},
        quorum::registers::register_of,
    },
    node::context::NodeContext,
};

/// The register of this name, which the voters that are named now begin if there is none.
pub(super) fn made_register(context: &NodeContext, name: &str) -> Result<RegisterView, Cause> {
    if let Some(view) = context.read(|replica| replica.register_view(name)) {
        return Ok(view);
    }
    let voters = context.read(Replica::voters);
    if voters.is_empty() {
        let message = "nobody has named voters: a majority of them decides. Name three or five nodes: psi-field lease \
                       voters set n1 n2 n3";
        return Err(Cause::new(Code::FailedPrecondition, "NO_VOTERS", message));
    }
    let mut keys: Vec<_> = voters.into_iter().map(|voter| voter.key).collect();
    keys.sort_unstable();
    let view = context.write(|replica, now| {
        let view = replica.register(now, name, keys)?;
        // Voters are asked at once, and are to have heard of it.
        replica.flush();
        Ok(view)
    });
    view.map_err(|error: psi_state::WriteError| Cause::from(&error))
}

/// The same, kept on this disk. `conflict` says that its voters can't decide.
pub(super) async fn kept_register(
    context: &NodeContext,
    name: &str,
    conflict: impl Fn(&str) -> Cause,
) -> Result<Register, Cause> {
    let view = made_register(context, name)?;
    let register = register_of(&view).ok_or_else(|| conflict("its voters are none that can vote"))?;
    let first_voters = view.first_voters.iter().map(|key| key.to_vec()).collect();
    let stored = StoredRegister { first_voters, step: view.step, decision: view.decision.to_vec() };
    let name = name.to_owned();
    let kept = blocking(&context.ledger.store, move |store| store.put_new_register(&name, &stored)).await;
    kept.map_err(|error| unreadable(&error.to_string()))?;
    Ok(register)
}

pub(super) fn unreadable(why: &str) -> Cause {
    let message = format!("this node can't use its ledger: {why}; ask another node, and look at this one's log");
    Cause::new(Code::Unavailable, "LEDGER_UNREADABLE", message)
}
