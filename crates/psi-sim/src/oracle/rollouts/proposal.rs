//! What may be proposed, and voted for, by those who hold so much.

use std::collections::BTreeSet;

use super::{
    chain::event_of,
    model::{PlainCommand, PlainEvent, PlainModel, PlainStatus},
    rules::takes_further,
};

/// By how much the clock that records carry may move while clocks differ by a tenth of a second.
const SLACK_MS: u64 = 300;

/// A registered member, and until when the proposer has heard it, by the clock that records carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeardMember {
    pub(crate) name: String,
    pub(crate) heard_ms: Option<u64>,
}

/// Whether somebody that holds rollbacks of these rollouts, and heard these members, may propose this after `before`.
pub(crate) fn check_proposal(
    before: &PlainModel,
    body: &[u8],
    rolled_back: &BTreeSet<String>,
    members: &[HeardMember],
) -> Result<(), String> {
    let Some((model, PlainEvent::Rollout { id, command, .. })) = event_of(body) else { return Ok(()) };
    // The same once more, for other voters.
    if model == *before {
        return Ok(());
    }
    let Some((was, change)) = before.rollout.as_ref().zip(model.last.as_ref()) else { return Ok(()) };
    if command != PlainCommand::Rollback && rolled_back.contains(&id) && was.status != PlainStatus::Cancelled {
        return Err(format!("{command:?} is proposed by one that holds a rollback of {id}"));
    }
    let rests_on_window = was.steps > 0 && takes_further(command) && change.is_automatic;
    let until_ms = was.since_ms + was.window_ms;
    let missing: Vec<&str> = members
        .iter()
        .filter(|member| member.heard_ms.is_none_or(|heard_ms| heard_ms + SLACK_MS < until_ms))
        .map(|member| member.name.as_str())
        .collect();
    if rests_on_window && !missing.is_empty() {
        return Err(format!(
            "{command:?} of {id} is proposed, and {} were not heard past the window",
            missing.join(", ")
        ));
    }
    Ok(())
}

/// Whether a voter that holds rollbacks of these rollouts may vote for what somebody proposes for the first time.
pub(crate) fn check_vote(body: &[u8], rolled_back: &BTreeSet<String>) -> Result<(), String> {
    match event_of(body) {
        Some((_, PlainEvent::Rollout { id, command, .. }))
            if command != PlainCommand::Rollback && rolled_back.contains(&id) =>
        {
            Err(format!("a voter that holds a rollback of {id} votes for {command:?}"))
        }
        _ => Ok(()),
    }
}

/// The rollout that a proposed body lets go on by itself, after its first step.
pub(crate) fn step_of(body: &[u8]) -> Option<String> {
    let (model, PlainEvent::Rollout { id, command, step }) = event_of(body)? else { return None };
    let is_first = command == PlainCommand::Advance && step == 0;
    (takes_further(command) && !is_first && model.last?.is_automatic).then_some(id)
}
