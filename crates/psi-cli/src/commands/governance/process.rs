//! `psi-field process`: tasks that go through phases, each of which has gates.

mod changes;
mod evidence;
mod name;
mod reads;
mod shown;

use clap::{Args, Subcommand};

use self::{
    changes::{Abortion, Advance, Application, BaselineChange, EmergencyChange, EmergencyTarget, ModeChange},
    evidence::{EvidenceAddition, EvidenceTarget},
    reads::{History, ListQuery, Target},
};
use crate::output::{Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  psi-field process apply nine-phases.toml
  psi-field process advance nine-phases
  psi-field process evidence add nine-phases goal.md --as goal
  psi-field process status nine-phases/main
  psi-field process log nine-phases

A majority of the voters decides each step (psi-field lease voters). NAME is a process, or a task of it as \
PROCESS/TASK; where it is the process alone, the task `main` is meant.";

const APPLY_EXAMPLES: &str = "\
Examples:
  psi-field process apply nine-phases.toml
  psi-field process apply nine-phases.toml --reason \"also ask for a design\"

Begins a process by its spec, or changes its spec. Tasks that go on keep theirs.";

const STATUS_EXAMPLES: &str = "\
Examples:
  psi-field process status nine-phases
  psi-field process status nine-phases/main --output json | jq .judgements

Of a process: its mode, its tasks, and what nodes run. Of a task: its phase, what its gates say now, and its evidence.";

const ADVANCE_EXAMPLES: &str = "\
Examples:
  psi-field process advance nine-phases
  psi-field process advance nine-phases/T-17 --work order.toml
  psi-field process advance nine-phases --force --reason \"the test is broken\"

Starts the task if there is none. Else its gates are judged: PASS advances, FAIL goes back where the spec says so, and \
HOLD stays. Exit code 1 if it stays. With --after it is refused unless that transition is the current one.";

const ABORT_EXAMPLES: &str = "\
Examples:
  psi-field process abort nine-phases --reason \"no longer wanted\"
  psi-field process abort nine-phases --process

Ends a task where it is, for good. With --process, no more tasks of the process start.";

const LOG_EXAMPLES: &str = "\
Examples:
  psi-field process log nine-phases
  psi-field process log nine-phases --process
  psi-field process log nine-phases --limit 500 --output json";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field process list
  psi-field process list nine-phases";

const MODE_EXAMPLES: &str = "\
Examples:
  psi-field process mode nine-phases enforce
  psi-field process mode nine-phases watch --reason \"judges wrongly\"

In `watch`, gates are judged and recorded, and block nothing. In `enforce`, only PASS advances.";

const BASELINE_EXAMPLES: &str = "\
Examples:
  psi-field process baseline nine-phases --process
  psi-field process baseline nine-phases/main --work order.toml

With --process: what the answering node runs is what all should run. Of a task: what its work is to be.";

const EVIDENCE_EXAMPLES: &str = "\
Examples:
  psi-field process evidence add nine-phases goal.md --as goal
  psi-field process evidence add nine-phases image.tar --as image --hash
  psi-field process evidence list nine-phases";

const EMERGENCY_EXAMPLES: &str = "\
Examples:
  psi-field process emergency show
  psi-field process emergency on --reason \"the review service is down\"
  psi-field process emergency off

While it is on, no gate of any process blocks. Each step records that. An alert fires until it is off.";

/// Take tasks through phases, past gates that look at evidence
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ProcessCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Begin a process by its spec, or change its spec
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Application),
    /// Where a process or a task stands
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Target),
    /// Start a task, or judge its gates and do what they say
    #[command(after_help = ADVANCE_EXAMPLES)]
    Advance(Advance),
    /// End a task where it is
    #[command(after_help = ABORT_EXAMPLES)]
    Abort(Abortion),
    /// What was decided, the latest first
    #[command(after_help = LOG_EXAMPLES)]
    Log(History),
    /// Processes, or the tasks of one
    #[command(after_help = LIST_EXAMPLES)]
    List(ListQuery),
    /// Let gates block, or only be recorded
    #[command(after_help = MODE_EXAMPLES)]
    Mode(ModeChange),
    /// Set what later attestations are compared with
    #[command(after_help = BASELINE_EXAMPLES)]
    Baseline(BaselineChange),
    /// Give or list the evidence of a task
    #[command(after_help = EVIDENCE_EXAMPLES)]
    Evidence {
        #[command(subcommand)]
        action: EvidenceAction,
    },
    /// Let no gate of any process block, for a while
    #[command(after_help = EMERGENCY_EXAMPLES)]
    Emergency {
        #[command(subcommand)]
        action: EmergencyAction,
    },
}

#[derive(Clone, Debug, Subcommand)]
enum EvidenceAction {
    /// Give a piece of evidence, or another of its name
    #[command(after_help = EVIDENCE_EXAMPLES)]
    Add(EvidenceAddition),
    /// The evidence of a task
    #[command(after_help = EVIDENCE_EXAMPLES)]
    List(EvidenceTarget),
}

#[derive(Clone, Debug, Subcommand)]
enum EmergencyAction {
    /// Whether it is on, since when and why
    #[command(after_help = EMERGENCY_EXAMPLES)]
    Show(EmergencyTarget),
    /// Switch it on
    #[command(after_help = EMERGENCY_EXAMPLES)]
    On(EmergencyChange),
    /// Switch it off
    #[command(after_help = EMERGENCY_EXAMPLES)]
    Off(EmergencyTarget),
}

impl ProcessCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::Apply(application) => application.run(output).await,
            Action::Status(target) => target.run(output).await,
            Action::Advance(advance) => advance.run(output).await,
            Action::Abort(abortion) => abortion.run(output).await,
            Action::Log(history) => history.run(output).await,
            Action::List(listing) => listing.run(output).await,
            Action::Mode(change) => change.run(output).await,
            Action::Baseline(change) => change.run(output).await,
            Action::Evidence { action: EvidenceAction::Add(addition) } => addition.run(output).await,
            Action::Evidence { action: EvidenceAction::List(target) } => target.run(output).await,
            Action::Emergency { action: EmergencyAction::Show(target) } => target.show(output).await,
            Action::Emergency { action: EmergencyAction::On(change) } => change.run(output).await,
            Action::Emergency { action: EmergencyAction::Off(target) } => target.end(output).await,
        }
    }
}
