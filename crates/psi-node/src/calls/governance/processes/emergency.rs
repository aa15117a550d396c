//! The emergency switch.

use prost::Message;
use psi_api::{Cause, v1};
use psi_replica::Clock;
use tonic::Code;

use super::{Ops, bad, deadline, made_register, no_majority_of, unreadable};
use crate::governance::{
    process::emergency::{EMERGENCY_REGISTER, EmergencySwitch, REASON_BYTES_MAX, emergency},
    quorum::{
        registers::register_of,
        value_proposer::{ProposalOutcome, value_slot},
    },
};

impl Ops {
    /// Switches it on or off, by a majority of voters.
    pub(crate) async fn switch_emergency(
        &self,
        request: v1::SwitchEmergencyRequest,
    ) -> Result<v1::EmergencyState, Cause> {
        let v1::SwitchEmergencyRequest { on, reason, deadline_ms } = request;
        self.record_object(&format!("{}: {reason}", if on { "on" } else { "off" }));
        let switched = async {
            let is_line = reason.len() <= REASON_BYTES_MAX && !reason.chars().any(char::is_control);
            if !is_line || (on && reason.is_empty()) {
                let message = format!("say why in one line of 1 to {REASON_BYTES_MAX} bytes (reason; --reason TEXT)");
                return Err(bad(message).with("got", reason.len()).with("limit", REASON_BYTES_MAX));
            }
            let clock = self.context.write(|replica, now| replica.ledger_clock(now));
            let (_, Clock { wall_ms, counter }) = clock.map_err(|error| Cause::from(&error))?;
            let switch = EmergencySwitch { on, reason, actor: self.actor().to_string(), wall_ms, counter };
            self.decide_emergency(&switch, deadline_ms).await?;
            tracing::warn!(on, reason = switch.reason, by = switch.actor, "the emergency switch of processes");
            Ok(switch)
        };
        let switched = switched.await;
        Ok(self.emergency_message(self.record_refusal(switched)?))
    }

    /// How it stands, as far as this node knows.
    pub(crate) fn emergency_state(&self) -> v1::EmergencyState {
        self.emergency_message(emergency(&self.context))
    }

    async fn decide_emergency(&self, switch: &EmergencySwitch, deadline_ms: u32) -> Result<(), Cause> {
        let what = "the emergency switch";
        let conflict = |why: String| {
            let message =
                format!("{what} can't be switched: {why}. Are its voters back? See `psi-field lease voters show`");
            Cause::new(Code::FailedPrecondition, "PROCESS_CONFLICT", message)
        };
        let view = made_register(&self.context, EMERGENCY_REGISTER)?;
        let register = register_of(&view).ok_or_else(|| conflict("its voters are none that can vote".to_owned()))?;
        let slot = value_slot(&self.context, &register).ok_or_else(|| unreadable("its voter's key"))?;
        let until = deadline(deadline_ms);
        loop {
            let mut proposer =
                tokio::time::timeout_at(until.into(), slot.lock()).await.map_err(|_| no_majority_of(what, None))?;
            proposer.learn(&self.context).await;
            match proposer.propose(&self.context, (switch.encode_to_vec(), &[]), until).await {
                ProposalOutcome::Decided => return Ok(()),
                // The last word counts, whatever it follows.
                ProposalOutcome::Lost => {}
                // It may have been decided, and switched back by another since: nobody wants that undone.
                ProposalOutcome::Overtaken if emergency(&self.context) != *switch => {
                    return Err(no_majority_of(what, Some("somebody else switched it meanwhile".to_owned())));
                }
                ProposalOutcome::Overtaken => return Ok(()),
                ProposalOutcome::Refused(why) => return Err(conflict(why)),
                ProposalOutcome::NoMajority(refusal) => return Err(no_majority_of(what, refusal)),
            }
        }
    }

    fn emergency_message(&self, switch: EmergencySwitch) -> v1::EmergencyState {
        let EmergencySwitch { on, reason, actor, wall_ms, counter } = switch;
        let time = (wall_ms > 0).then(|| psi_api::timestamp(Clock { wall_ms, counter }));
        v1::EmergencyState { on, reason, actor, time, node: self.context.settings.node.to_string() }
    }
}
