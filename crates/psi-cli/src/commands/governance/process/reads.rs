//! Where processes and tasks stand, and what was decided.

use clap::Args;
use psi_api::v1::{ListProcessesRequest, ListTransitionsRequest};

use super::{
    name::{SubjectName, parse_name},
    shown::{ListAnswer, LogAnswer, StateAnswer},
};
use crate::{
    client::{self, Nodes},
    output::{Failure, Output},
};

/// Most processes, and transitions, of a page.
const PROCESSES_MAX: u32 = 1_000;
const TRANSITIONS_MAX: u32 = 200;

#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The process, or a task of it as PROCESS/TASK
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
pub(super) struct History {
    /// The task, as PROCESS/TASK; of PROCESS the task `main`
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    /// What was decided of the process itself
    #[arg(long)]
    process: bool,
    /// How many transitions to show
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
pub(super) struct ListQuery {
    /// Show the tasks of this process
    process: Option<String>,
    /// How many to show
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    nodes: Nodes,
}

impl Target {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, nodes } = self;
        let state = name.state(&nodes, true).await?;
        if !name.task.is_empty() {
            return output.print(&state, StateAnswer::text);
        }
        let tasks = list(&nodes, &name.process, 100).await?;
        output.print(&state.with_tasks(tasks), StateAnswer::text)
    }
}

impl History {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, process, limit, nodes } = self;
        let SubjectName { process, task } = name.of(process)?;
        let (mut log, mut page_token) = (LogAnswer::default(), String::new());
        loop {
            let page_size = log.left(limit).min(TRANSITIONS_MAX);
            let (process, task) = (process.clone(), task.clone());
            let request = ListTransitionsRequest { process, task, page_size, page_token };
            let reply = nodes.ask(async |channel| client::processes(channel).list_transitions(request.clone()).await);
            page_token = log.extend(reply.await?.answer);
            if page_token.is_empty() || log.left(limit) == 0 {
                return output.print(&log, LogAnswer::text);
            }
        }
    }
}

impl ListQuery {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let listed = list(&self.nodes, &self.process.unwrap_or_default(), self.limit).await?;
        output.print(&listed, ListAnswer::text)
    }
}

/// Processes, or tasks of one, page by page.
async fn list(nodes: &Nodes, process: &str, limit: u32) -> Result<ListAnswer, Failure> {
    let (mut listed, mut page_token) = (ListAnswer::default(), String::new());
    loop {
        let page_size = listed.left(limit).min(PROCESSES_MAX);
        let request = ListProcessesRequest { process: process.to_owned(), page_size, page_token };
        let reply = nodes.ask(async |channel| client::processes(channel).list_processes(request.clone()).await);
        page_token = listed.extend(reply.await?.answer);
        if page_token.is_empty() || listed.left(limit) == 0 {
            return Ok(listed);
        }
    }
}
