//! What commands are about: a process, or a task of it.

use psi_api::v1::GetProcessRequest;
use tonic::Code;

use super::shown::StateAnswer;
use crate::{
    client::{self, Nodes},
    output::Failure,
};

/// The task that is meant where none is named.
const TASK: &str = "main";

/// A process, or a task of it.
#[derive(Clone, Debug)]
pub(super) struct SubjectName {
    pub(super) process: String,
    /// Empty: none was named.
    pub(super) task: String,
}

/// Reads PROCESS or PROCESS/TASK.
pub(super) fn parse_name(text: &str) -> Result<SubjectName, String> {
    let (process, task) = text.split_once('/').unwrap_or((text, ""));
    if process.is_empty() || text.ends_with('/') {
        return Err("takes PROCESS or PROCESS/TASK".to_owned());
    }
    Ok(SubjectName { process: process.to_owned(), task: task.to_owned() })
}

impl SubjectName {
    /// The task, `main` where none was named.
    pub(super) fn into_task(self) -> Self {
        let task = if self.task.is_empty() { TASK.to_owned() } else { self.task };
        Self { task, ..self }
    }

    /// The process itself where that is asked for, else the task.
    pub(super) fn of(self, is_process: bool) -> Result<Self, Failure> {
        match (is_process, self.task.is_empty()) {
            (true, true) => Ok(self),
            (true, false) => Err(Failure::usage("--process is for a process; leave out /TASK")),
            (false, _) => Ok(self.into_task()),
        }
    }

    /// Where it stands.
    pub(super) async fn state(&self, nodes: &Nodes, judged: bool) -> Result<StateAnswer, Failure> {
        let request = GetProcessRequest { process: self.process.clone(), task: self.task.clone(), judged };
        let reply = nodes.ask(async |channel| client::processes(channel).get_process(request.clone()).await);
        Ok(reply.await?.answer.into())
    }

    /// The transition that the next one follows: the one that was given, or else the current one; empty for none.
    pub(super) async fn head(&self, nodes: &Nodes, after: Option<String>) -> Result<String, Failure> {
        if let Some(after) = after {
            return Ok(after);
        }
        let request = GetProcessRequest { process: self.process.clone(), task: self.task.clone(), judged: false };
        let head = nodes.ask(async |channel| match client::processes(channel).get_process(request.clone()).await {
            // There is none yet.
            Err(status) if status.code() == Code::NotFound => Ok(tonic::Response::new(String::new())),
            answer => Ok(answer?.map(|state| state.head)),
        });
        Ok(head.await?.answer)
    }
}
