//! Transitions and bodies without the engine's types: only what the messages say.

use std::collections::BTreeMap;

use prost::Message;
use psi_ledger::record::Actor;
use psi_process::{
    Action, Mode, Transition, Verdict,
    proto::{self, bucket_task::Stage},
    value::Value,
};

use crate::cast::{PROCESS, cast};

pub(super) type Hash = [u8; 32];

/// Where a task stands, or the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlainTask {
    pub(super) head: Hash,
    /// Which of the two specs.
    pub(super) spec: usize,
    pub(super) enforces: bool,
    /// `None` for the process.
    pub(super) phase: Option<String>,
    pub(super) steps: u32,
    pub(super) returns: u32,
    pub(super) baseline: Option<Vec<u8>>,
    pub(super) wall_ms: u64,
    pub(super) end: Option<TaskEnd>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskEnd {
    pub(super) is_done: bool,
    pub(super) kept_until_ms: u64,
}

/// A task in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) task: PlainTask,
    pub(super) place: Option<u32>,
    /// What it takes up there.
    pub(super) bytes: usize,
}

/// What a transition says.
#[derive(Clone, Debug)]
pub(super) struct PlainTransition {
    /// The task; empty for the process.
    pub(super) name: String,
    pub(super) action: &'static str,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) predecessor: Option<Hash>,
    pub(super) spec: usize,
    pub(super) enforces: bool,
    pub(super) wall_ms: u64,
    pub(super) is_by_person: bool,
    pub(super) is_forced: bool,
    pub(super) has_reason: bool,
    pub(super) has_report: bool,
    /// What the gate `score` is said to have answered, and the score.
    pub(super) score: Option<(Verdict, Option<f64>)>,
    pub(super) work: Option<Vec<u8>>,
    pub(super) baseline: Option<Vec<u8>>,
}

impl PlainTransition {
    pub(super) fn of(transition: &Transition) -> Self {
        let text = |name: Option<&psi_process::Name>| name.map(ToString::to_string);
        let score = transition.judgements.iter().find(|judgement| judgement.gate.as_str() == "score");
        let baseline = match &transition.action {
            Action::BaselineSetting(baseline) => baseline.work,
            _ => None,
        };
        let work = transition.attestation.as_ref().and_then(|attestation| attestation.work);
        Self {
            name: transition.subject.task.as_ref().map(ToString::to_string).unwrap_or_default(),
            action: transition.action.name(),
            from: text(transition.action.from()),
            to: text(transition.action.to()),
            predecessor: transition.predecessor.map(|hash| *hash.as_bytes()),
            spec: cast().number_of(transition.spec),
            enforces: transition.mode == Mode::Enforce,
            wall_ms: transition.clock.wall_ms,
            is_by_person: matches!(transition.actor, Actor::Token { .. }),
            is_forced: transition.is_forced,
            has_reason: !transition.reason.is_empty(),
            has_report: transition.evidence.iter().any(|piece| piece.name() == "report"),
            score: score.map(|judgement| {
                let read = judgement.readings.iter().find(|reading| reading.name == "score");
                let number = read.and_then(|reading| match reading.value {
                    Value::Number(number) => Some(number.get()),
                    _ => None,
                });
                (judgement.verdict, number)
            }),
            work: work.map(|work| work.as_bytes().to_vec()),
            baseline: baseline.map(|work| work.as_bytes().to_vec()),
        }
    }
}

/// What the bytes of a body say, by task; `None` if they are none.
pub(super) fn entries(register: usize, body: &[u8]) -> Option<BTreeMap<String, Entry>> {
    if register == PROCESS {
        let chain = proto::DecidedChain::decode(body).ok()?;
        let entry = Entry { task: plain(chain.state?, u64::MAX)?, place: None, bytes: body.len() };
        return Some(BTreeMap::from([(String::new(), entry)]));
    }
    let entry = |task: proto::BucketTask| {
        let bytes = proto::TaskBucket { tasks: vec![task.clone()] }.encoded_len();
        let (place, kept_until_ms) = match task.stage? {
            Stage::Place(place) => (Some(place), u64::MAX),
            Stage::KeptUntilMs(until) => (None, until),
        };
        let chain = task.chain?;
        let task = plain(chain.state?, kept_until_ms)?;
        let is_counted = u64::from(task.steps) == chain.step && task.end.is_some() == place.is_none();
        is_counted.then_some((chain.task, Entry { task, place, bytes }))
    };
    proto::TaskBucket::decode(body).ok()?.tasks.into_iter().map(entry).collect()
}

fn plain(state: proto::ChainState, kept_until_ms: u64) -> Option<PlainTask> {
    let is_ended = state.end != i32::from(proto::End::Unspecified);
    let is_done = state.end == i32::from(proto::End::Done);
    Some(PlainTask {
        head: state.head.try_into().ok()?,
        spec: cast().specs.iter().position(|spec| spec.hash().as_bytes()[..] == state.spec)?,
        enforces: state.mode == i32::from(proto::Mode::Enforce),
        phase: Some(state.phase).filter(|phase| !phase.is_empty()),
        steps: state.steps,
        returns: state.returns,
        baseline: state.baseline.map(|baseline| baseline.work),
        wall_ms: state.wall_ms,
        end: is_ended.then_some(TaskEnd { is_done, kept_until_ms }),
    })
}
