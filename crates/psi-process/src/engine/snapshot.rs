//! A decided chain as bytes: where it stands, without its history.

use prost::Message;
use psi_replica::Clock;

use super::{
    decided::DecidedChain,
    state::{ChainState, End},
};
use crate::{
    attestation::Baseline,
    hash::{SpecHash, TransitionHash},
    name::{Name, TaskName},
    proto,
    spec::Mode,
    transition::Subject,
};

/// Longest snapshot of a chain, in bytes.
const SNAPSHOT_BYTES_MAX: usize = 4_096;

/// Bytes that are no snapshot of a chain or of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {bytes} bytes are no snapshot of a chain or a bucket; apply its decisions from the first, or take another copy"
)]
pub struct SnapshotError {
    /// How many there are.
    pub bytes: usize,
}

impl DecidedChain {
    /// Its bytes, to keep instead of its history. They have no check of their own: keep them where bytes are checked.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        chain_message(self).encode_to_vec()
    }

    /// Reads what [`DecidedChain::to_bytes`] writes. No bytes panic.
    ///
    /// # Errors
    /// The bytes are no snapshot.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let is_short = bytes.len() <= SNAPSHOT_BYTES_MAX;
        let message = is_short.then(|| proto::DecidedChain::decode(bytes).ok()).flatten();
        let chain = message.and_then(read_chain).filter(|chain| chain.to_bytes() == bytes);
        chain.ok_or(SnapshotError { bytes: bytes.len() })
    }
}

/// A chain as it is kept.
pub(super) fn chain_message(chain: &DecidedChain) -> proto::DecidedChain {
    let Subject { process, task } = chain.subject();
    proto::DecidedChain {
        process: process.to_string(),
        task: task.as_ref().map(ToString::to_string).unwrap_or_default(),
        step: chain.step(),
        state: chain.state().map(message),
    }
}

fn message(state: &ChainState) -> proto::ChainState {
    let end = match state.end {
        None => proto::End::Unspecified,
        Some(End::Done) => proto::End::Done,
        Some(End::Aborted) => proto::End::Aborted,
    };
    proto::ChainState {
        spec: state.spec.as_bytes().to_vec(),
        mode: state.mode.message().into(),
        phase: state.phase.as_ref().map(ToString::to_string).unwrap_or_default(),
        head: state.head.as_bytes().to_vec(),
        steps: state.steps,
        returns: state.returns,
        fence: state.fence.map(|number| proto::Fence { number }),
        baseline: state.baseline.as_ref().map(Baseline::message),
        wall_ms: state.clock.wall_ms,
        counter: state.clock.counter,
        end: end.into(),
        begun_wall_ms: state.begun.wall_ms,
        begun_counter: state.begun.counter,
    }
}

/// A chain as it was kept; `None` if it is none.
pub(super) fn read_chain(message: proto::DecidedChain) -> Option<DecidedChain> {
    let task = if message.task.is_empty() { None } else { Some(TaskName::new(&message.task).ok()?) };
    let subject = Subject { process: Name::new(&message.process).ok()?, task };
    let state = match message.state {
        None => None,
        Some(state) => Some(read_state(subject.clone(), state)?),
    };
    Some(DecidedChain::restored(subject, state, message.step))
}

fn read_state(subject: Subject, message: proto::ChainState) -> Option<ChainState> {
    let phase = if message.phase.is_empty() { None } else { Some(Name::new(&message.phase).ok()?) };
    let baseline = match message.baseline {
        None => None,
        Some(baseline) => Some(Baseline::read(baseline)?),
    };
    let end = match proto::End::try_from(message.end).ok()? {
        proto::End::Unspecified => None,
        proto::End::Done => Some(End::Done),
        proto::End::Aborted => Some(End::Aborted),
    };
    if phase.is_some() != subject.task.is_some() {
        return None;
    }
    Some(ChainState {
        subject,
        spec: SpecHash::from_slice(&message.spec)?,
        mode: Mode::read(message.mode)?,
        phase,
        head: TransitionHash::from_slice(&message.head)?,
        steps: message.steps,
        returns: message.returns,
        fence: message.fence.map(|fence| fence.number),
        baseline,
        begun: Clock { wall_ms: message.begun_wall_ms, counter: message.begun_counter },
        clock: Clock { wall_ms: message.wall_ms, counter: message.counter },
        end,
    })
}
