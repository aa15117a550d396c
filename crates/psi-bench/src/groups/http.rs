//! Group `http`: what `POST /step` costs, against handlers that do nothing, or only read the body and write an answer, in a
//! process of their own behind the same HTTP server.

mod client;
pub(crate) mod handlers;

use serde::Serialize;

use crate::{
    cluster::rig::{self, Rig},
    error::BenchError,
    plural::pluralize,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader, Target},
    },
    rounds::{Case, Label, Plan, Progress, Sample, meter},
};

use client::Caller;
use handlers::HandlerProcess;

pub(crate) const GROUP: &str = "http";
/// Clusters that are measured; the callers' node is one of them.
const NODES: [u32; 2] = [1, 3];
/// Callers at once, each with a connection of its own.
const CALLERS: [u32; 3] = [1, 8, 64];

/// The body of a step, as a client of ours would write it.
#[derive(Serialize)]
struct Body<'a> {
    x: &'a [f64],
    apply_guardian: bool,
    field: &'a str,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Responder {
    Empty,
    Parsing,
    Node(u32),
}

impl Responder {
    fn label(self, callers: u32) -> Label {
        match self {
            Self::Empty => Label::new("empty handler"),
            Self::Parsing => Label::new("parsing handler"),
            Self::Node(nodes) => Label::new("POST /step").nodes(nodes),
        }
        .callers(callers)
    }

    fn header(self, callers: u32) -> RowHeader {
        let questions = match self {
            Self::Empty | Self::Parsing => Vec::new(),
            Self::Node(_) => {
                let over = Question::ratio("over parsing handler", Part::Figure, Self::Parsing.label(callers));
                vec![if callers >= 8 { over.target(Target::AtLeast(0.85)) } else { over }]
            }
        };
        let unit = if matches!(self, Self::Node(_)) { "steps/s" } else { "calls/s" };
        RowHeader { label: self.label(callers), unit, questions }
    }
}

/// One row: who answers, and a number of callers.
struct HttpCase {
    label: Label,
    callers: u32,
    caller: Caller,
}

impl Case for HttpCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        // Before the turn begins, so that none waits for others to connect.
        let mut connections = Vec::new();
        for _ in 0..self.callers {
            connections.push(self.caller.connect().await?);
        }
        meter::callers(plan, self.callers, |number, meter| {
            let connection = connections.pop();
            let caller = self.caller.from(number);
            async move { caller.call(connection, meter).await }
        })
        .await
    }
}

/// Measures the group.
///
/// # Errors
/// If what is measured can't be started.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    let mut rigs = Vec::new();
    for nodes in NODES {
        progress.preparing(format!("starting {}", pluralize(nodes.into(), "node")));
        rigs.push(Rig::start(nodes).await?);
    }
    let bodies = bodies(rig::FIELD)?;
    let answer = Caller::new(rigs[0].nodes[0].http, "/step", bodies.clone()).once().await?;
    let handlers = HandlerProcess::start(&answer).await?;
    let mut responders = vec![
        (Responder::Empty, Caller::new(handlers.address, handlers::EMPTY, bodies.clone())),
        (Responder::Parsing, Caller::new(handlers.address, handlers::PARSING, bodies.clone())),
    ];
    for (nodes, rig) in NODES.into_iter().zip(&rigs) {
        responders.push((Responder::Node(nodes), Caller::new(rig.nodes[0].http, "/step", bodies.clone())));
    }
    let rows = CALLERS.into_iter().flat_map(|callers| responders.iter().map(move |(who, to)| (callers, *who, to)));
    let (mut cases, mut headers) = (Vec::new(), Vec::new());
    for (callers, who, caller) in rows {
        headers.push(who.header(callers));
        cases.push(HttpCase { label: who.label(callers), callers, caller: caller.clone() });
    }
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes(answer.len())))
}

/// The body of a step of each vector.
fn bodies(field: &str) -> Result<client::Bodies, BenchError> {
    let body = |x: Vec<f64>| serde_json::to_vec(&Body { x: &x, apply_guardian: false, field }).map(Into::into);
    let bodies: Result<_, serde_json::Error> = rig::vectors().into_iter().map(body).collect();
    bodies.map_err(|error| BenchError::failed(format!("{error}; this is a bug")))
}

fn notes(answer_bytes: usize) -> Vec<String> {
    vec![format!(
        "http: each caller keeps a connection of its own to a node, or to a process with two handlers behind the same HTTP \
         server: one ignores the body (204), one parses it into a typed struct and answers the {answer_bytes} bytes that a \
         node once answered."
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_held_against_the_parsing_handler_at_as_many_callers() {
        for (callers, target) in [(1, None), (8, Some(Target::AtLeast(0.85))), (64, Some(Target::AtLeast(0.85)))] {
            for nodes in NODES {
                let header = Responder::Node(nodes).header(callers);
                assert_eq!(header.questions.iter().map(|question| question.target).collect::<Vec<_>>(), [target]);
            }
            assert!(Responder::Parsing.header(callers).questions.is_empty());
        }
    }
}
