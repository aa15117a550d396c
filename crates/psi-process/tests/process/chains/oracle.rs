//! What a folded chain should come to, worked out again from scratch and from drafts, by none of the code under test:
//! it knows neither hashes of predecessors nor states, and it keeps nothing from one arrival to the next.

use psi_process::{Action, Transition, TransitionHash, Verdict, engine::TransitionStatus};

use crate::support::{act, advance, evidence, name, origin, scored, small, start};

/// What a transition is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DraftKind {
    Start,
    /// With a score that is enough, or not.
    Advance(bool),
    /// With a gate that failed, or not.
    Return(bool),
    Rewind,
    Abort,
    /// It leaves a phase in which the task is not.
    Astray,
}

/// A transition to be: what it follows, by its place in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) parent: Option<usize>,
    pub(crate) kind: DraftKind,
    pub(crate) ms: u64,
    pub(crate) node: u64,
}

/// A transition that was made of a draft, and the phase that it leads to: 0, 1, 2, or 3 at the end.
pub(crate) struct WrittenDraft {
    pub(crate) draft: Draft,
    pub(crate) transition: Transition,
    pub(crate) hash: TransitionHash,
    before: usize,
    after: usize,
}

const PHASES: [&str; 3] = ["a", "b", "c"];

pub(crate) fn make(drafts: &[Draft]) -> Vec<WrittenDraft> {
    let mut made: Vec<WrittenDraft> = Vec::new();
    for draft in drafts {
        let parent = draft.parent.map(|parent| &made[parent]);
        let before = parent.map_or(0, |parent| parent.after);
        let transition = write(draft, parent, before);
        let after = match draft.kind {
            DraftKind::Start | DraftKind::Return(_) | DraftKind::Rewind => 0,
            DraftKind::Advance(_) => before.min(2) + 1,
            DraftKind::Abort => 3,
            DraftKind::Astray => before,
        };
        let hash = transition.hash().unwrap();
        made.push(WrittenDraft { draft: *draft, transition, hash, before, after });
    }
    made
}

fn write(draft: &Draft, parent: Option<&WrittenDraft>, before: usize) -> Transition {
    let spec = small();
    let phase = PHASES[before.min(2)];
    let from = name(phase);
    let Some(parent) = parent.map(|parent| &parent.transition) else {
        return Transition { origin: origin(draft.node), ..start(&spec, draft.ms) };
    };
    let transition = match draft.kind {
        DraftKind::Start => Transition { predecessor: parent.hash().ok(), ..start(&spec, draft.ms) },
        DraftKind::Advance(true) => advance(&spec, phase, parent, draft.ms),
        // It claims to pass, with a score that is too low.
        DraftKind::Advance(false) if before < 2 => {
            let judgements = vec![scored(Verdict::Pass, 4.0)];
            Transition { judgements, ..advance(&spec, phase, parent, draft.ms) }
        }
        DraftKind::Advance(false) => advance(&spec, phase, parent, draft.ms),
        DraftKind::Return(failed) => {
            let verdict = if failed { Verdict::Fail } else { Verdict::Pass };
            let (judgements, evidence) = (vec![scored(verdict, 5.0)], vec![evidence("report", b"x")]);
            let back = act(&spec, Action::Return { from, to: name("a") }, parent, draft.ms);
            Transition { judgements: if before == 1 { judgements } else { Vec::new() }, evidence, ..back }
        }
        DraftKind::Rewind => act(&spec, Action::Rewind { from, to: name("a") }, parent, draft.ms),
        DraftKind::Abort => act(&spec, Action::Abort { from: Some(from) }, parent, draft.ms),
        DraftKind::Astray => advance(&spec, PHASES[(before + 1) % 3], parent, draft.ms),
    };
    Transition { origin: origin(draft.node), ..transition }
}

/// Whether a transition may follow what it follows.
fn is_allowed(made: &[WrittenDraft], at: usize) -> bool {
    let WrittenDraft { draft, before, .. } = &made[at];
    let Some(parent) = draft.parent else { return true };
    if made[parent].after == 3 || made[parent].draft.ms >= draft.ms {
        return false;
    }
    match draft.kind {
        DraftKind::Start | DraftKind::Astray => false,
        DraftKind::Advance(is_enough) => is_enough || *before == 2,
        DraftKind::Return(failed) => failed && *before == 1,
        DraftKind::Rewind => *before > 0,
        DraftKind::Abort => true,
    }
}

/// What counts of those that arrived, in order.
pub(crate) fn counting(made: &[WrittenDraft], arrived: &[usize]) -> Vec<usize> {
    let mut chain = Vec::new();
    let mut head = None;
    loop {
        let children = arrived.iter().filter(|at| made[**at].draft.parent == head && is_allowed(made, **at));
        let order = |at: &&usize| {
            let WrittenDraft { draft, hash, .. } = &made[**at];
            (draft.ms, draft.node, *hash)
        };
        let Some(first) = children.min_by_key(order) else { return chain };
        chain.push(*first);
        head = Some(*first);
    }
}

/// What is to be said of each that arrived.
pub(crate) fn status(made: &[WrittenDraft], arrived: &[usize], at: usize) -> TransitionStatus {
    if counting(made, arrived).contains(&at) {
        return TransitionStatus::Counting;
    }
    match made[at].draft.parent {
        Some(parent) if !arrived.contains(&parent) => TransitionStatus::Waiting,
        Some(parent) if status(made, arrived, parent) == TransitionStatus::Waiting => TransitionStatus::Waiting,
        _ => TransitionStatus::Lost,
    }
}
