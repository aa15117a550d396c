//! How a transition is written down, in one way only.

use prost::Message;
use psi_ledger::record::{Actor, Evidence};
use psi_replica::{Clock, NodeId, Origin};

use super::{
    action::Action,
    error::TransitionError,
    judgements,
    limits::{TRANSITION_BYTES_MAX, TRANSITION_EVIDENCE_MAX},
    record::{Subject, Transition},
};
use crate::{
    attestation::{Attestation, Baseline, NodeAttestation},
    hash::{SpecHash, TransitionHash},
    judgement::REASON_BYTES_MAX,
    name::{Name, NameError, TaskName},
    proto,
    spec::{ARTIFACT_BYTES_MAX, GATES_MAX, Mode},
};

impl Transition {
    /// Its bytes. One transition has one encoding.
    ///
    /// # Errors
    /// It breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, TransitionError> {
        self.check_lists()?;
        let (action, from, to, baseline) = action_message(&self.action);
        let text = |name: Option<&Name>| name.map(ToString::to_string).unwrap_or_default();
        let message = proto::Transition {
            process: self.subject.process.to_string(),
            task: self.subject.task.as_ref().map(ToString::to_string).unwrap_or_default(),
            action: action.into(),
            from: text(from),
            to: text(to),
            predecessor: self.predecessor.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
            spec: self.spec.as_bytes().to_vec(),
            mode: self.mode.message().into(),
            wall_ms: self.clock.wall_ms,
            counter: self.clock.counter,
            node: self.origin.node.to_string(),
            incarnation: self.origin.incarnation,
            actor: self.actor.message()?,
            evidence: self.evidence.iter().map(Evidence::message).collect(),
            attestation: self.attestation.as_ref().map(Attestation::message),
            judgements: self.judgements.iter().map(judgements::message).collect::<Result<_, _>>()?,
            fence: self.fence.map(|number| proto::Fence { number }),
            forced: self.is_forced,
            reason: self.reason.clone(),
            baseline,
        };
        let length = message.encoded_len();
        if length > TRANSITION_BYTES_MAX { Err(TransitionError::Length(length)) } else { Ok(message.encode_to_vec()) }
    }

    /// What identifies it.
    ///
    /// # Errors
    /// It has no encoding.
    pub fn hash(&self) -> Result<TransitionHash, TransitionError> {
        self.encode().map(|bytes| TransitionHash::of(&bytes))
    }

    /// Reads a transition. No bytes panic.
    ///
    /// # Errors
    /// The bytes are no transition, or none that [`Transition::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, TransitionError> {
        if bytes.len() > TRANSITION_BYTES_MAX {
            return Err(TransitionError::Length(bytes.len()));
        }
        let message = proto::Transition::decode(bytes).map_err(|_| TransitionError::Malformed)?;
        if message.evidence.len() > TRANSITION_EVIDENCE_MAX {
            return Err(TransitionError::EvidenceCount(message.evidence.len()));
        }
        let transition = read(message)?;
        // Of each transition there is one encoding: unknown fields, long integers and other orders are refused here.
        if transition.encode()? == bytes { Ok(transition) } else { Err(TransitionError::Malformed) }
    }

    fn check_lists(&self) -> Result<(), TransitionError> {
        if self.evidence.len() > TRANSITION_EVIDENCE_MAX {
            return Err(TransitionError::EvidenceCount(self.evidence.len()));
        }
        if let Some(pair) = self.evidence.windows(2).find(|pair| pair[0].name() >= pair[1].name()) {
            return Err(TransitionError::EvidenceOrder(pair[1].name().to_owned()));
        }
        if let Some(large) = self.evidence.iter().find(|piece| piece.content().size > ARTIFACT_BYTES_MAX) {
            let (name, size) = (large.name().to_owned(), large.content().size);
            return Err(TransitionError::EvidenceSize { name, size });
        }
        if self.judgements.len() > GATES_MAX {
            return Err(TransitionError::JudgementCount(self.judgements.len()));
        }
        if let Some(pair) = self.judgements.windows(2).find(|pair| pair[0].gate >= pair[1].gate) {
            return Err(TransitionError::JudgementOrder(pair[1].gate.to_string()));
        }
        let is_long = self.reason.len() > REASON_BYTES_MAX || self.reason.chars().any(char::is_control);
        if is_long || (self.is_forced && self.reason.is_empty()) {
            return Err(TransitionError::Reason(self.reason.len()));
        }
        if self.origin.is_base() || self.origin.incarnation == 0 {
            return Err(TransitionError::Origin(self.origin.to_string()));
        }
        let node = self.attestation.as_ref().and_then(|attestation| attestation.node.as_ref());
        let is_sound = node.is_none_or(NodeAttestation::is_sound);
        if is_sound && is_sound_action(&self.action) { Ok(()) } else { Err(TransitionError::Attestation) }
    }
}

fn is_sound_action(action: &Action) -> bool {
    let Action::BaselineSetting(baseline) = action else { return true };
    !baseline.is_empty() && baseline.node.as_ref().is_none_or(NodeAttestation::is_sound)
}

type ActionMessage<'a> = (proto::Action, Option<&'a Name>, Option<&'a Name>, Option<proto::Baseline>);

fn action_message(action: &Action) -> ActionMessage<'_> {
    let (number, baseline) = match action {
        Action::Start { .. } => (proto::Action::Start, None),
        Action::Advance { .. } => (proto::Action::Advance, None),
        Action::Return { .. } => (proto::Action::Return, None),
        Action::Rewind { .. } => (proto::Action::Rewind, None),
        Action::Abort { .. } => (proto::Action::Abort, None),
        Action::SpecChange => (proto::Action::SpecChange, None),
        Action::Switch => (proto::Action::Switch, None),
        Action::BaselineSetting(baseline) => (proto::Action::BaselineSetting, Some(baseline.message())),
    };
    (number, action.from(), action.to(), baseline)
}

fn read_action(
    number: i32,
    phases: (Option<Name>, Option<Name>),
    baseline: Option<proto::Baseline>,
) -> Result<Action, TransitionError> {
    let kind = proto::Action::try_from(number).map_err(|_| TransitionError::Action(number))?;
    let action = match (kind, phases, baseline) {
        (proto::Action::Unspecified, ..) => return Err(TransitionError::Action(number)),
        (proto::Action::Start, (None, Some(to)), None) => Action::Start { to },
        (proto::Action::Advance, (Some(from), to), None) => Action::Advance { from, to },
        (proto::Action::Return, (Some(from), Some(to)), None) => Action::Return { from, to },
        (proto::Action::Rewind, (Some(from), Some(to)), None) => Action::Rewind { from, to },
        (proto::Action::Abort, (from, None), None) => Action::Abort { from },
        (proto::Action::SpecChange, (None, None), None) => Action::SpecChange,
        (proto::Action::Switch, (None, None), None) => Action::Switch,
        (proto::Action::BaselineSetting, (None, None), Some(baseline)) => {
            Action::BaselineSetting(Baseline::read(baseline).ok_or(TransitionError::Attestation)?)
        }
        (kind, ..) => return Err(TransitionError::Phases(kind.as_str_name())),
    };
    Ok(action)
}

fn refused(error: &NameError) -> TransitionError {
    TransitionError::Name(error.to_string())
}

/// A name that may be absent.
fn optional(name: &str) -> Result<Option<Name>, TransitionError> {
    if name.is_empty() { Ok(None) } else { Name::new(name).map(Some).map_err(|error| refused(&error)) }
}

fn read_origin(node: &str, incarnation: u64) -> Result<Origin, TransitionError> {
    let node = NodeId::new(node).map_err(|error| TransitionError::Name(error.to_string()))?;
    Ok(Origin { node, incarnation })
}

fn read_subject(process: &str, task: &str) -> Result<Subject, TransitionError> {
    let process = Name::new(process).map_err(|error| refused(&error))?;
    let task = if task.is_empty() { None } else { Some(TaskName::new(task).map_err(|error| refused(&error))?) };
    Ok(Subject { process, task })
}

fn read_predecessor(bytes: &[u8]) -> Result<Option<TransitionHash>, TransitionError> {
    let hash = || TransitionHash::from_slice(bytes).ok_or(TransitionError::Hash("the predecessor"));
    if bytes.is_empty() { Ok(None) } else { hash().map(Some) }
}

fn read_attestation(message: Option<proto::Attestation>) -> Result<Option<Attestation>, TransitionError> {
    message.map(|message| Attestation::read(message).ok_or(TransitionError::Attestation)).transpose()
}

fn read(message: proto::Transition) -> Result<Transition, TransitionError> {
    let phases = (optional(&message.from)?, optional(&message.to)?);
    Ok(Transition {
        subject: read_subject(&message.process, &message.task)?,
        action: read_action(message.action, phases, message.baseline)?,
        predecessor: read_predecessor(&message.predecessor)?,
        spec: SpecHash::from_slice(&message.spec).ok_or(TransitionError::Hash("the spec"))?,
        mode: Mode::read(message.mode).ok_or(TransitionError::Mode(message.mode))?,
        clock: Clock { wall_ms: message.wall_ms, counter: message.counter },
        origin: read_origin(&message.node, message.incarnation)?,
        actor: Actor::read(message.actor)?,
        evidence: message.evidence.into_iter().map(Evidence::read).collect::<Result<_, _>>()?,
        attestation: read_attestation(message.attestation)?,
        judgements: message.judgements.into_iter().map(judgements::read).collect::<Result<_, _>>()?,
        fence: message.fence.map(|fence| fence.number),
        is_forced: message.forced,
        reason: message.reason,
    })
}
