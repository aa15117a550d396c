//! Processes, tasks, judgements and transitions as they are printed.

use psi_api::v1;
use serde::Serialize;

use crate::output::{Cell, Tone, numbers, pluralize, table};

#[derive(Debug, Serialize)]
pub(super) struct StateAnswer {
    process: String,
    task: String,
    spec: String,
    mode: String,
    phase: String,
    head: String,
    step: u64,
    returns: u32,
    end: String,
    time: Option<String>,
    baseline: String,
    emergency: bool,
    phase_hash: String,
    judgements: Vec<JudgementAnswer>,
    evidence: Vec<PieceAnswer>,
    nodes: Vec<NodeAnswer>,
    tasks: Vec<StateAnswer>,
    node: String,
}

#[derive(Debug, Serialize)]
struct JudgementAnswer {
    gate: String,
    verdict: String,
    hold: String,
    reason: String,
    readings: Vec<String>,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PieceAnswer {
    name: String,
    sha256: String,
    size: u64,
}

#[derive(Debug, Serialize)]
struct NodeAnswer {
    node: String,
    build: String,
    protocol: u32,
    settings: String,
    spec: String,
    status: String,
}

#[derive(Debug, Serialize)]
pub(super) struct AdvanceAnswer {
    action: String,
    judgements: Vec<JudgementAnswer>,
    state: Option<StateAnswer>,
}

#[derive(Debug, Serialize)]
pub(super) struct EvidenceAnswer {
    evidence: Vec<PieceAnswer>,
}

#[derive(Debug, Serialize)]
pub(super) struct KeptAnswer {
    evidence: Vec<PieceAnswer>,
    /// Nodes that keep the piece.
    nodes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct EmergencyAnswer {
    on: bool,
    reason: String,
    actor: String,
    time: Option<String>,
    node: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct ListAnswer {
    processes: Vec<StateAnswer>,
    /// Whether there are more.
    more: bool,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct LogAnswer {
    transitions: Vec<TransitionAnswer>,
    /// Whether there are older ones.
    more: bool,
}

#[derive(Debug, Serialize)]
struct TransitionAnswer {
    step: u64,
    hash: String,
    predecessor: String,
    action: String,
    from: String,
    to: String,
    mode: String,
    spec: String,
    time: Option<String>,
    node: String,
    actor: String,
    forced: bool,
    reason: String,
    judgements: Vec<JudgementAnswer>,
    evidence: Vec<PieceAnswer>,
    log: String,
    index: u64,
}

impl StateAnswer {
    pub(super) fn with_tasks(self, tasks: ListAnswer) -> Self {
        Self { tasks: tasks.processes, ..self }
    }

    pub(super) fn into_evidence(self) -> EvidenceAnswer {
        EvidenceAnswer { evidence: self.evidence }
    }

    fn name(&self) -> String {
        if self.task.is_empty() { self.process.clone() } else { format!("{}/{}", self.process, self.task) }
    }

    /// Where it is, in a word.
    fn place(&self) -> String {
        match (self.end.as_str(), self.phase.as_str()) {
            ("", "") => self.mode.clone(),
            ("", phase) => phase.to_owned(),
            (end, "") => end.to_owned(),
            (end, phase) => format!("{end} in {phase}"),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{}: {}, step {}", self.name(), self.place(), self.step);
        if self.returns > 0 {
            text += &format!(", {} back", pluralize(u64::from(self.returns), "time"));
        }
        let emergency = if self.emergency { "on: no gate blocks" } else { "" };
        let lines = [
            ("mode", self.mode.as_str()),
            ("emergency", emergency),
            ("current", &self.head),
            ("since", self.time.as_deref().unwrap_or_default()),
            ("spec", &self.spec),
            ("baseline", &self.baseline),
            ("subject", &self.phase_hash),
        ];
        for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("\n{name:<11}{value}");
        }
        for block in [judgements(&self.judgements), pieces(&self.evidence), nodes(&self.nodes), tasks(&self.tasks)] {
            text += &block.map(|block| format!("\n\n{block}")).unwrap_or_default();
        }
        text
    }
}

fn judgements(judgements: &[JudgementAnswer]) -> Option<String> {
    let row = |judgement: &JudgementAnswer| {
        let tone = match judgement.verdict.as_str() {
            "PASS" => Tone::Good,
            "FAIL" => Tone::Bad,
            _ => Tone::Doubtful,
        };
        let hold = if judgement.hold.is_empty() { String::new() } else { format!(" {}", judgement.hold) };
        let verdict = Cell::toned(format!("{}{hold}", judgement.verdict), tone);
        [judgement.gate.clone().into(), verdict, Cell::from(judgement.reason.clone())]
    };
    let rows: Vec<_> = judgements.iter().map(row).collect();
    (!rows.is_empty()).then(|| table(["gate", "says", "why"], &[], rows))
}

fn pieces(pieces: &[PieceAnswer]) -> Option<String> {
    let row = |piece: &PieceAnswer| [piece.name.clone(), piece.size.to_string(), numbers::short_hash(&piece.sha256)];
    (!pieces.is_empty()).then(|| table(["evidence", "bytes", "SHA-256"], &[1], pieces.iter().map(row).collect()))
}

fn nodes(nodes: &[NodeAnswer]) -> Option<String> {
    let row = |node: &NodeAnswer| [node.node.clone(), node.build.clone(), node.status.clone()];
    (!nodes.is_empty()).then(|| table(["node", "build", "against the baseline"], &[], nodes.iter().map(row).collect()))
}

fn tasks(states: &[StateAnswer]) -> Option<String> {
    let row = |state: &StateAnswer| {
        let time = state.time.clone().unwrap_or_default();
        [state.name(), state.place(), state.step.to_string(), time]
    };
    (!states.is_empty()).then(|| table(["name", "is", "step", "since"], &[2], states.iter().map(row).collect()))
}

impl AdvanceAnswer {
    fn has_moved(&self) -> bool {
        !self.action.is_empty()
    }

    /// Why the task did not go forward; `None` if it did.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        match self.action.as_str() {
            "" => Some("the task stays in its phase: its gates do not pass, as said above"),
            "return" => Some("the task went back: a gate failed, as said above"),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> String {
        let state = self.state.as_ref().map(|state| format!("{}: {}", state.name(), state.place())).unwrap_or_default();
        let action = if self.has_moved() { &self.action } else { "stays" };
        let judged = judgements(&self.judgements).map(|judged| format!("\n\n{judged}")).unwrap_or_default();
        let current = self.state.as_ref().map(|state| format!("\ncurrent    {}", state.head)).unwrap_or_default();
        format!("{state} ({action}){current}{judged}")
    }
}

impl EvidenceAnswer {
    pub(super) fn text(&self) -> String {
        pieces(&self.evidence).unwrap_or_else(|| "there is no evidence of the task".to_owned())
    }
}

impl KeptAnswer {
    pub(super) fn text(&self) -> String {
        let kept = format!("kept by {}", self.nodes.join(", "));
        pieces(&self.evidence).map_or(kept.clone(), |pieces| format!("{kept}\n\n{pieces}"))
    }
}

impl EmergencyAnswer {
    pub(super) fn text(&self) -> String {
        let Self { on, reason, actor, time, node } = self;
        let since = time.as_ref().map(|time| format!(" since {time}, by {actor}")).unwrap_or_default();
        match on {
            true => format!("on{since}: {reason}; no gate blocks, as node {node} knows"),
            false => format!("off{since}, as node {node} knows"),
        }
    }
}

impl ListAnswer {
    /// How many may follow.
    pub(super) fn left(&self, limit: u32) -> u32 {
        limit.saturating_sub(u32::try_from(self.processes.len()).unwrap_or(u32::MAX))
    }

    /// Takes a page, and returns the token of the next one.
    pub(super) fn extend(&mut self, page: v1::ListProcessesResponse) -> String {
        self.processes.extend(page.processes.into_iter().map(StateAnswer::from));
        self.more = !page.next_page_token.is_empty();
        page.next_page_token
    }

    pub(super) fn text(&self) -> String {
        let Some(listed) = tasks(&self.processes) else { return "there is none".to_owned() };
        if self.more { format!("{listed}\n… and more: --limit") } else { listed }
    }
}

impl LogAnswer {
    /// How many may follow.
    pub(super) fn left(&self, limit: u32) -> u32 {
        limit.saturating_sub(u32::try_from(self.transitions.len()).unwrap_or(u32::MAX))
    }

    /// Takes a page, and returns the token of the next one.
    pub(super) fn extend(&mut self, page: v1::ListTransitionsResponse) -> String {
        self.transitions.extend(page.transitions.into_iter().map(TransitionAnswer::from));
        self.more = !page.next_page_token.is_empty();
        page.next_page_token
    }

    pub(super) fn text(&self) -> String {
        let row = |step: &TransitionAnswer| {
            let verdicts = step.judgements.iter().map(|judgement| format!("{} {}", judgement.gate, judgement.verdict));
            let verdicts = verdicts.collect::<Vec<_>>().join(", ");
            let forced = if step.forced { "forced" } else { "" };
            let watched = if step.was_watched() { "not blocked" } else { "" };
            let why = [forced, watched, &step.reason, &verdicts].into_iter().filter(|text| !text.is_empty());
            [
                step.step.to_string(),
                step.time.clone().unwrap_or_default(),
                step.what(),
                step.actor.clone(),
                numbers::short_hash(&step.hash),
                why.collect::<Vec<_>>().join("; "),
            ]
        };
        let rows = self.transitions.iter().map(row).collect();
        let log = table(["step", "time", "what", "by", "hash", "why"], &[0], rows);
        if self.more { format!("{log}\n… and older ones: --limit") } else { log }
    }
}

impl TransitionAnswer {
    /// Whether the task went on though a gate did not pass, since nothing was to block it.
    fn was_watched(&self) -> bool {
        self.mode == "watch" && self.judgements.iter().any(|judgement| judgement.verdict != "PASS")
    }

    fn what(&self) -> String {
        match (self.from.as_str(), self.to.as_str()) {
            ("", "") if self.action == "switch" => format!("mode {}", self.mode),
            ("", "") => self.action.replace('_', " "),
            (from, "") if self.action == "advance" => format!("done after {from}"),
            (from, "") => format!("{} from {from}", self.action),
            ("", to) => format!("{} in {to}", self.action),
            (from, to) => format!("{} from {from} to {to}", self.action),
        }
    }
}

fn time(time: Option<prost_types::Timestamp>) -> Option<String> {
    time.map(|time| numbers::time(time.seconds, time.nanos))
}

impl From<v1::ProcessState> for StateAnswer {
    fn from(state: v1::ProcessState) -> Self {
        Self {
            process: state.process,
            task: state.task,
            spec: state.spec,
            mode: state.mode,
            phase: state.phase,
            head: state.head,
            step: state.step,
            returns: state.returns,
            end: state.end,
            time: time(state.time),
            baseline: state.baseline,
            emergency: state.emergency,
            phase_hash: state.phase_hash,
            judgements: state.judgements.into_iter().map(JudgementAnswer::from).collect(),
            evidence: state.evidence.into_iter().map(PieceAnswer::from).collect(),
            nodes: state.nodes.into_iter().map(NodeAnswer::from).collect(),
            tasks: Vec::new(),
            node: state.node,
        }
    }
}

impl From<v1::GateJudgement> for JudgementAnswer {
    fn from(judgement: v1::GateJudgement) -> Self {
        let v1::GateJudgement { gate, verdict, hold, reason, readings, missing } = judgement;
        Self { gate, verdict, hold, reason, readings, missing }
    }
}

impl From<v1::EvidencePiece> for PieceAnswer {
    fn from(v1::EvidencePiece { name, sha256, size, time: _ }: v1::EvidencePiece) -> Self {
        Self { name, sha256, size }
    }
}

impl From<v1::NodeAttestationState> for NodeAnswer {
    fn from(node: v1::NodeAttestationState) -> Self {
        let v1::NodeAttestationState { node, build, protocol, settings, spec, status } = node;
        Self { node, build, protocol, settings, spec, status }
    }
}

impl From<v1::AdvanceTaskResponse> for AdvanceAnswer {
    fn from(v1::AdvanceTaskResponse { action, judgements, state }: v1::AdvanceTaskResponse) -> Self {
        let judgements = judgements.into_iter().map(JudgementAnswer::from).collect();
        Self { action, judgements, state: state.map(StateAnswer::from) }
    }
}

impl From<v1::EvidenceList> for KeptAnswer {
    fn from(v1::EvidenceList { pieces, nodes }: v1::EvidenceList) -> Self {
        Self { evidence: pieces.into_iter().map(PieceAnswer::from).collect(), nodes }
    }
}

impl From<v1::EmergencyState> for EmergencyAnswer {
    fn from(v1::EmergencyState { on, reason, actor, time: at, node }: v1::EmergencyState) -> Self {
        Self { on, reason, actor, time: time(at), node }
    }
}

impl From<v1::ProcessTransition> for TransitionAnswer {
    fn from(step: v1::ProcessTransition) -> Self {
        Self {
            step: step.step,
            hash: step.hash,
            predecessor: step.predecessor,
            action: step.action,
            from: step.from,
            to: step.to,
            mode: step.mode,
            spec: step.spec,
            time: time(step.time),
            node: step.node,
            actor: step.actor,
            forced: step.forced,
            reason: step.reason,
            judgements: step.judgements.into_iter().map(JudgementAnswer::from).collect(),
            evidence: step.evidence.into_iter().map(PieceAnswer::from).collect(),
            log: step.log,
            index: step.index,
        }
    }
}
