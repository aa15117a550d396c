//! Registers that callers name: made where there are none.

use psi_api::Cause;
use psi_state::{RegisterView, Replica};
use tonic::Code;

use crate::node::context::NodeContext;

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
