//! What changes where processes and tasks stand.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use psi_api::v1::{
    AbortProcessRequest, AdvanceTaskRequest, ApplySpecRequest, GetEmergencyRequest, SetProcessBaselineRequest,
    SwitchEmergencyRequest, SwitchModeRequest, WorkOrder,
};
use serde::Deserialize;

use super::{
    name::{SubjectName, parse_name},
    shown::{AdvanceAnswer, EmergencyAnswer, StateAnswer},
};
use crate::{
    client::{self, Nodes},
    output::{Failure, Output},
};

/// What says which transition is followed, and why.
#[derive(Clone, Debug, Args)]
pub(super) struct TransitionOptions {
    /// Refuse unless this transition is the current one; `status` shows it
    #[arg(long, value_name = "HASH")]
    after: Option<String>,
    /// Why, in words
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Application {
    /// The spec, in TOML
    file: PathBuf,
    #[command(flatten)]
    options: TransitionOptions,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Advance {
    /// The task, as PROCESS/TASK; of PROCESS the task `main`
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    /// Let the task pass though gates do not; needs --reason
    #[arg(long, requires = "reason")]
    force: bool,
    /// Who holds the lease of the task, where the spec has one
    #[arg(long, default_value = "operator", value_name = "NAME")]
    client: String,
    /// What the work is asked to be: TOML with requirements, gates, artifacts, model, persona
    #[arg(long, value_name = "FILE")]
    work: Option<PathBuf>,
    #[command(flatten)]
    options: TransitionOptions,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Abortion {
    /// The task, as PROCESS/TASK; of PROCESS the task `main`
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    /// End the process itself
    #[arg(long)]
    process: bool,
    #[command(flatten)]
    options: TransitionOptions,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ModeChange {
    /// The process
    process: String,
    /// What gates do from now on
    mode: Mode,
    #[command(flatten)]
    options: TransitionOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// They are judged and recorded
    Watch,
    /// Only PASS advances
    Enforce,
}

#[derive(Clone, Debug, Args)]
pub(super) struct BaselineChange {
    /// The task, as PROCESS/TASK; of PROCESS the task `main`
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    /// What all nodes should run: what the answering one does
    #[arg(long, conflicts_with = "work")]
    process: bool,
    /// What the work is asked to be: TOML with requirements, gates, artifacts, model, persona
    #[arg(long, value_name = "FILE")]
    work: Option<PathBuf>,
    #[command(flatten)]
    options: TransitionOptions,
}

#[derive(Clone, Debug, Args)]
pub(super) struct EmergencyTarget {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
pub(super) struct EmergencyChange {
    /// Why, in words
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    nodes: Nodes,
}

/// What work was asked to be, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct WorkFile {
    requirements: String,
    gates: Vec<String>,
    artifacts: Vec<String>,
    model: String,
    persona: String,
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("can't read {}: {error}", path.display())))
}

fn read_work(path: Option<&PathBuf>) -> Result<Option<WorkOrder>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let refusal =
        |error: toml::de::Error| Failure::usage(format!("{}: {}", path.display(), error.to_string().trim_end()));
    let work: WorkFile = toml::from_str(&read(path)?).map_err(refusal)?;
    let WorkFile { requirements, gates, artifacts, model, persona } = work;
    Ok(Some(WorkOrder { requirements, gates, artifacts, model, persona }))
}

/// The name of the process in a spec; the node says what else is wrong with it.
fn name_in(toml: &str) -> String {
    #[derive(Deserialize)]
    struct SpecName {
        name: String,
    }
    toml::from_str(toml).map(|SpecName { name }| name).unwrap_or_default()
}

impl Application {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { file, options: TransitionOptions { after, reason, nodes } } = self;
        let toml = read(&file)?;
        let named = name_in(&toml);
        let subject = SubjectName { process: named.clone(), task: String::new() };
        let predecessor = if named.is_empty() { String::new() } else { subject.head(&nodes, after).await? };
        let request = ApplySpecRequest { toml, predecessor, reason, deadline_ms: nodes.deadline_ms() };
        let reply = nodes.ask(async |channel| client::processes(channel).apply_spec(request.clone()).await);
        output.print(&reply.await?.answer.into(), StateAnswer::text)
    }
}

impl Advance {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, force: forced, client, work, options: TransitionOptions { after, reason, nodes } } = self;
        let work = read_work(work.as_ref())?;
        let name = name.into_task();
        let predecessor = name.head(&nodes, after).await?;
        let deadline_ms = nodes.deadline_ms();
        let SubjectName { process, task } = name;
        let request = AdvanceTaskRequest { process, task, predecessor, forced, reason, client, work, deadline_ms };
        let reply = nodes.ask(async |channel| client::processes(channel).advance_task(request.clone()).await);
        let answer = AdvanceAnswer::from(reply.await?.answer);
        output.print(&answer, AdvanceAnswer::text)?;
        answer.refusal().map_or(Ok(()), |why| Err(Failure::failed(why)))
    }
}

impl Abortion {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, process, options: TransitionOptions { after, reason, nodes } } = self;
        let name = name.of(process)?;
        let predecessor = name.head(&nodes, after).await?;
        let SubjectName { process, task } = name;
        let request = AbortProcessRequest { process, task, predecessor, reason, deadline_ms: nodes.deadline_ms() };
        let reply = nodes.ask(async |channel| client::processes(channel).abort_process(request.clone()).await);
        output.print(&reply.await?.answer.into(), StateAnswer::text)
    }
}

impl ModeChange {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { process, mode, options: TransitionOptions { after, reason, nodes } } = self;
        let name = SubjectName { process: process.clone(), task: String::new() };
        let predecessor = name.head(&nodes, after).await?;
        let mode = match mode {
            Mode::Watch => "watch",
            Mode::Enforce => "enforce",
        };
        let (mode, deadline_ms) = (mode.to_owned(), nodes.deadline_ms());
        let request = SwitchModeRequest { process, mode, predecessor, reason, deadline_ms };
        let reply = nodes.ask(async |channel| client::processes(channel).switch_mode(request.clone()).await);
        output.print(&reply.await?.answer.into(), StateAnswer::text)
    }
}

impl BaselineChange {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, process, work, options: TransitionOptions { after, reason, nodes } } = self;
        let work = read_work(work.as_ref())?;
        let name = name.of(process)?;
        let predecessor = name.head(&nodes, after).await?;
        let SubjectName { process, task } = name;
        let deadline_ms = nodes.deadline_ms();
        let request = SetProcessBaselineRequest { process, task, predecessor, reason, work, deadline_ms };
        let reply = nodes.ask(async |channel| client::processes(channel).set_process_baseline(request.clone()).await);
        output.print(&reply.await?.answer.into(), StateAnswer::text)
    }
}

impl EmergencyTarget {
    pub(super) async fn show(self, output: Output) -> Result<(), Failure> {
        let reply =
            self.nodes.ask(async |channel| client::processes(channel).get_emergency(GetEmergencyRequest {}).await);
        output.print(&reply.await?.answer.into(), EmergencyAnswer::text)
    }

    pub(super) async fn end(self, output: Output) -> Result<(), Failure> {
        switch(self.nodes, false, String::new(), output).await
    }
}

impl EmergencyChange {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        switch(self.nodes, true, self.reason, output).await
    }
}

async fn switch(nodes: Nodes, on: bool, reason: String, output: Output) -> Result<(), Failure> {
    let request = SwitchEmergencyRequest { on, reason, deadline_ms: nodes.deadline_ms() };
    let reply = nodes.ask(async |channel| client::processes(channel).switch_emergency(request.clone()).await);
    output.print(&reply.await?.answer.into(), EmergencyAnswer::text)
}
