//! Group `http`: what `POST /step` costs, against handlers that do nothing, or only read the body and write an answer, in a
//! process of their own behind the same HTTP server.

mod client;
pub(crate) mod handlers;

use serde::Serialize;

use super::{
    meter,
    plan::Plan,
    progress::Progress,
    report::Measured,
    rig::{self, Rig},
    rounds::{self, Case, Sample},
    row::{self, Heading, Label, Part, Question, Target},
};
use crate::failure::Failure;
use client::Posting;
use handlers::Handlers;

const GROUP: &str = "http";
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
enum Answering {
    Empty,
    Parsing,
    Node(u32),
}

impl Answering {
    fn label(self, callers: u32) -> Label {
        match self {
            Self::Empty => Label::new("empty handler"),
            Self::Parsing => Label::new("parsing handler"),
            Self::Node(nodes) => Label::new("POST /step").nodes(nodes),
        }
        .callers(callers)
    }

    fn heading(self, callers: u32) -> Heading {
        let questions = match self {
            Self::Empty | Self::Parsing => Vec::new(),
            Self::Node(_) => {
                let over = Question::ratio("over parsing handler", Part::Figure, Self::Parsing.label(callers));
                vec![if callers >= 8 { over.target(Target::AtLeast(0.85)) } else { over }]
            }
        };
        let unit = if matches!(self, Self::Node(_)) { "steps/s" } else { "calls/s" };
        Heading { label: self.label(callers), unit, questions }
    }
}

/// One row: who answers, and so many callers.
struct Calling {
    label: Label,
    callers: u32,
    posting: Posting,
}

impl Case for Calling {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, Failure> {
        // Before the turn begins, so that none waits for others to connect.
        let mut connections = Vec::new();
        for _ in 0..self.callers {
            connections.push(self.posting.connect().await?);
        }
        meter::callers(plan, self.callers, |number, meter| {
            let connection = connections.pop();
            let posting = self.posting.from(number);
            async move { posting.call(connection, meter).await }
        })
        .await
    }
}

/// Measures the group.
///
/// # Errors
/// If what is measured can't be started.
pub(super) async fn measure(plan: &Plan, progress: &Progress) -> Result<Measured, Failure> {
    let mut rigs = Vec::new();
    for nodes in NODES {
        progress.preparing(format!("starting {}", crate::output::counted(nodes.into(), "node")));
        rigs.push(Rig::start(nodes).await?);
    }
    let bodies = bodies(rig::FIELD)?;
    let answer = Posting::new(rigs[0].nodes[0].http, "/step", bodies.clone()).once().await?;
    let handlers = Handlers::start(&answer).await?;
    let mut answering = vec![
        (Answering::Empty, Posting::new(handlers.address, handlers::EMPTY, bodies.clone())),
        (Answering::Parsing, Posting::new(handlers.address, handlers::PARSING, bodies.clone())),
    ];
    for (nodes, rig) in NODES.into_iter().zip(&rigs) {
        answering.push((Answering::Node(nodes), Posting::new(rig.nodes[0].http, "/step", bodies.clone())));
    }
    let rows = CALLERS.into_iter().flat_map(|callers| answering.iter().map(move |(who, to)| (callers, *who, to)));
    let (mut cases, mut headings) = (Vec::new(), Vec::new());
    for (callers, who, posting) in rows {
        headings.push(who.heading(callers));
        cases.push(Calling { label: who.label(callers), callers, posting: posting.clone() });
    }
    progress.turns(cases.len() * plan.rounds as usize);
    let turns = rounds::interleaved(&mut cases, plan, progress).await;
    Ok(Measured { rows: row::rows(GROUP, headings, &turns), notes: notes(answer.len()) })
}

/// The body of a step of each vector.
fn bodies(field: &str) -> Result<client::Bodies, Failure> {
    let body = |x: Vec<f64>| serde_json::to_vec(&Body { x: &x, apply_guardian: false, field }).map(Into::into);
    let bodies: Result<_, serde_json::Error> = rig::vectors().into_iter().map(body).collect();
    bodies.map_err(|error| Failure::failed(format!("{error}; this is a bug")))
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
                let heading = Answering::Node(nodes).heading(callers);
                assert_eq!(heading.questions.iter().map(Question::wanted).collect::<Vec<_>>(), [target]);
            }
            assert!(Answering::Parsing.heading(callers).questions.is_empty());
        }
    }
}
