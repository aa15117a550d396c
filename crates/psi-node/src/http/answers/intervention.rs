//! The answer to an intervention by hand.

use psi_engine::Action;
use psi_replica::DEFAULT_FIELD;
use psi_state::Intervention;
use serde::Serialize;

use super::{step::ReachAnswer, times::utc};
use crate::calls::answer::InterventionReceipt;

/// To `POST /guardian/nigredo` and `albedo`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct InterventionAnswer {
    action: &'static str,
    success: bool,
    timestamp: String,
    field: String,
    noise: f64,
    node: String,
    token: String,
    /// If the request asked for a level.
    #[serde(skip_serializing_if = "Option::is_none")]
    replicated: Option<ReachAnswer>,
}

impl InterventionAnswer {
    pub(in crate::http) fn new(action: Action, field: &str, receipt: InterventionReceipt) -> Self {
        let InterventionReceipt { intervention, token, replicated } = receipt;
        let Intervention { noise, clock, origin, version: _ } = intervention;
        Self {
            action: action.as_str(),
            success: true,
            timestamp: utc(clock.wall_ms),
            field: if field.is_empty() { DEFAULT_FIELD } else { field }.to_owned(),
            noise,
            node: origin.node.to_string(),
            token,
            replicated: replicated.map(Into::into),
        }
    }
}
