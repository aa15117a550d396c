//! Has changes of models decided by a majority.

use std::{sync::Arc, time::Instant};

use psi_quorum::Register;
use psi_rollout::{Change, ChangeError, Model};

use super::{models::decided_model, refresh::refresh_one};
use crate::{
    governance::quorum::value_proposer::{ProposalOutcome, value_slot},
    node::context::NodeContext,
};

/// Why a change was not decided.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecisionError {
    /// The rules refuse it: nothing has changed.
    #[error(transparent)]
    Refused(ChangeError),
    /// Voters will not take part, or can't: why.
    #[error("voters can't decide it: {0}")]
    Conflict(String),
    /// Most voters did not vote in time; what one said that refused to. It may be decided all the same.
    #[error("most voters did not vote in time{}", .0.iter().map(|said| format!("; {said}")).collect::<String>())]
    NoMajority(Option<String>),
}

/// Has a change decided, after whatever was decided before. `change` makes it for the model as it stands then.
pub(crate) async fn decide(
    context: &Arc<NodeContext>,
    register: &Register,
    change: impl Fn(&Model) -> Result<Change, ChangeError>,
    until: Instant,
) -> Result<Model, DecisionError> {
    let slot =
        value_slot(context, register).ok_or_else(|| DecisionError::Conflict("its disk can't be read".to_owned()))?;
    let proposer = tokio::time::timeout_at(until.into(), slot.lock()).await;
    let mut proposer = proposer.map_err(|_| DecisionError::NoMajority(None))?;
    loop {
        proposer.learn(context).await;
        let before = decided_model(register.name().as_str(), proposer.last()).map_err(DecisionError::Conflict)?;
        let change = change(&before).map_err(DecisionError::Refused)?;
        let next = before.follow(&change).map_err(DecisionError::Refused)?;
        match proposer.propose(context, (next.to_bytes(), &[]), until).await {
            ProposalOutcome::Decided => {
                refresh_one(context, next.name());
                return Ok(next);
            }
            ProposalOutcome::Lost => {}
            ProposalOutcome::Overtaken => {
                proposer.learn(context).await;
                proposer.show(context);
                let after =
                    decided_model(register.name().as_str(), proposer.last()).map_err(DecisionError::Conflict)?;
                // Nobody else writes the same at the same moment.
                if after.last() == next.last() {
                    refresh_one(context, after.name());
                    return Ok(after);
                }
                return Err(DecisionError::NoMajority(Some("others changed it meanwhile".to_owned())));
            }
            ProposalOutcome::Refused(why) => return Err(DecisionError::Conflict(why)),
            ProposalOutcome::NoMajority(refusal) => return Err(DecisionError::NoMajority(refusal)),
        }
    }
}
