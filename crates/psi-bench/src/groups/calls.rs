//! Group `calls`: what a step costs over gRPC, against a call to the same server that does nothing.

mod caller;

use std::sync::Arc;

use psi_client::Connection;

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

use caller::{BATCH, Call, Requests, WINDOW};

pub(crate) const GROUP: &str = "calls";
/// Clusters that are measured; the callers' node is one of them.
const NODES: [u32; 2] = [1, 3];
/// Callers at once.
const CALLERS: [u32; 3] = [1, 8, 64];
/// Connections that callers share, where there are that many.
const CONNECTIONS: usize = 4;

impl Call {
    fn label(self, nodes: u32, callers: u32) -> Label {
        let name = match self {
            Self::Ping => "ping (empty call)".to_owned(),
            Self::LargePing => "ping as large as a step".to_owned(),
            Self::Step => "step (unary)".to_owned(),
            Self::Stream => "stream, one at a time".to_owned(),
            Self::Pipelined => format!("stream, {WINDOW} unanswered"),
            Self::Batch => format!("batch of {BATCH}"),
        };
        Label::new(name).nodes(nodes).callers(callers)
    }

    fn header(self, nodes: u32, callers: u32) -> RowHeader {
        let unit = if matches!(self, Self::Ping | Self::LargePing) { "calls/s" } else { "steps/s" };
        let mut questions = match self {
            Self::Ping | Self::LargePing | Self::Stream => Vec::new(),
            Self::Step => step_over_pings(nodes, callers),
            Self::Pipelined => vec![over_step(nodes, callers, 4.0)],
            Self::Batch => vec![over_step(nodes, callers, 10.0)],
        };
        questions.push(Question::itself("µs of the node's CPU", Part::Cpu));
        RowHeader { label: self.label(nodes, callers), unit, questions }
    }
}

fn step_over_pings(nodes: u32, callers: u32) -> Vec<Question> {
    let (ping, large) = (Call::Ping.label(nodes, callers), Call::LargePing.label(nodes, callers));
    let mut throughput = Question::ratio("throughput over ping", Part::Figure, ping.clone());
    let mut p99 = Question::ratio("p99 over ping", Part::P99, ping.clone());
    if nodes == 3 && callers >= 8 {
        (throughput, p99) = (throughput.target(Target::AtLeast(0.85)), p99.target(Target::AtMost(1.5)));
    }
    vec![
        throughput,
        Question::ratio("throughput over the large ping", Part::Figure, large.clone()),
        p99,
        Question::ratio("node's CPU over ping", Part::Cpu, ping),
        Question::ratio("node's CPU over the large ping", Part::Cpu, large),
    ]
}

fn over_step(nodes: u32, callers: u32, least: f64) -> Question {
    let ratio = Question::ratio("steps/s over unary", Part::Figure, Call::Step.label(nodes, callers));
    if nodes == 3 && callers == 64 { ratio.target(Target::AtLeast(least)) } else { ratio }
}

/// One row: a call, a cluster, and a number of callers.
struct CallCase {
    call: Call,
    callers: u32,
    label: Label,
    cluster: Arc<Rig>,
    /// To the first node of the cluster.
    channels: Arc<[Connection]>,
    requests: Requests,
}

impl Case for CallCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        let connections = self.channels.len().min(self.callers as usize);
        let calls = meter::callers(plan, self.callers, |number, meter| {
            let channel = self.channels[number as usize % connections].clone();
            caller::call(self.call, channel, self.requests.from(number), meter)
        });
        let (sample, cpu_s) = tokio::try_join!(calls, self.cpu_s(plan))?;
        Ok(Sample { cpu_us: Some(1e6 * cpu_s / (sample.figure * plan.time.as_secs_f64())), ..sample })
    }
}

impl CallCase {
    /// CPU time that the node which is called takes while calls are counted, seconds.
    async fn cpu_s(&self, plan: &Plan) -> Result<f64, BenchError> {
        let node = &self.cluster.nodes[0];
        tokio::time::sleep(plan.warm_up()).await;
        let before = node.usage()?;
        tokio::time::sleep(plan.time).await;
        Ok(node.usage()?.cpu_s_since(&before))
    }
}

/// Measures the group.
///
/// # Errors
/// If the clusters can't be started.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    let requests = Requests::new(rig::FIELD);
    let (mut cases, mut headers) = (Vec::new(), Vec::new());
    for nodes in NODES {
        progress.preparing(format!("starting {}", pluralize(nodes.into(), "node")));
        let cluster = Arc::new(Rig::start(nodes).await?);
        let channels: Arc<[Connection]> = cluster.connections(CONNECTIONS).await?.into();
        for (callers, call) in CALLERS.into_iter().flat_map(|callers| Call::ALL.map(|call| (callers, call))) {
            let (cluster, channels, requests) = (cluster.clone(), channels.clone(), requests.clone());
            headers.push(call.header(nodes, callers));
            cases.push(CallCase { call, callers, label: call.label(nodes, callers), cluster, channels, requests });
        }
    }
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn notes() -> Vec<String> {
    vec![
        format!(
            "calls: callers are tasks of one process on the machine of the nodes, on half of its cores; they share \
             min(callers, {CONNECTIONS}) connections to the first node, evenly. On three nodes that one replicates to two others, on the same cores."
        ),
        format!(
            "calls: p50 and p99 are of a call; on a stream from sending a step to its answer, with {WINDOW} unanswered \
             mostly time in line; of a batch the whole call. Pings and step use the same server, connections and client."
        ),
        "calls: the node's CPU is that of the first node's process over what it answered; replication is in it."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_three_nodes_under_load() {
        let targets = |call: Call, nodes, callers| -> Vec<String> {
            let questions = call.header(nodes, callers).questions;
            questions.iter().filter_map(|question| question.target).map(|target| target.to_string()).collect()
        };
        assert_eq!(targets(Call::Step, 3, 8), [">= 0.85", "<= 1.5"]);
        assert_eq!(targets(Call::Step, 3, 64), [">= 0.85", "<= 1.5"]);
        assert_eq!(targets(Call::Pipelined, 3, 64), [">= 4"]);
        assert_eq!(targets(Call::Batch, 3, 64), [">= 10"]);
        for (call, nodes, callers) in
            [(Call::Step, 3, 1), (Call::Step, 1, 64), (Call::Batch, 3, 8), (Call::Ping, 3, 64)]
        {
            assert!(targets(call, nodes, callers).is_empty(), "{call:?} {nodes} {callers}");
        }
    }
}
