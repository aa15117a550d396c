//! Group `processes`: how long a phase transition takes with all that may go with one, against one write by a majority.

use std::time::Instant;

use hdrhistogram::Histogram;
use psi_api::v1::{
    AcquireLeaseRequest, AddEvidenceRequest, AdvanceTaskRequest, AdvanceTaskResponse, ApplySpecRequest,
    GetProcessRequest, SetProcessBaselineRequest, SetVotersRequest,
};
use psi_client::Connection;
use tempfile::TempDir;
use tonic::Status;

use crate::{
    client,
    cluster::{
        process::Launch,
        rig::{Rig, until},
    },
    error::BenchError,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader, Target},
    },
    rounds::{Case, Label, Plan, Progress, Sample},
};

pub(crate) const GROUP: &str = "processes";
const NODES: u32 = 3;
const WORKER: &str = "worker";
const PROCESS: &str = "bench";
/// The gates that block are of evidence and of what nodes run, and work takes a lease.
const SPEC: &str = r#"
name = "bench"
mode = "enforce"

[lease]
seconds = 60
renewals_max = 10

[[phases]]
name = "verify"

[[phases.gates]]
name = "score"
kind = "evidence"
document = "report"
thresholds = ["score >= 5"]

[[phases.gates]]
name = "nodes"
kind = "attestation"

[[phases]]
name = "done"
"#;
/// The longest time that is distinguished from longer ones, microseconds.
const SEEN_US_MAX: u64 = 60_000_000;
/// Transitions are seldom next to calls, so turns are longer.
const LONGER: u32 = 3;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MajorityWrite {
    /// A lease is renewed: one round trip to the voters, who write their votes.
    Lease,
    /// A task leaves a phase: lease, evidence, attestation, ledger, majority.
    Transition,
}

impl MajorityWrite {
    const ALL: [Self; 2] = [Self::Lease, Self::Transition];

    fn label(self) -> Label {
        let name = match self {
            Self::Lease => "a lease is renewed",
            Self::Transition => "a task leaves a phase",
        };
        Label::new(name).nodes(NODES)
    }

    fn header(self) -> RowHeader {
        let questions = match self {
            Self::Lease => Vec::new(),
            Self::Transition => vec![
                Question::itself("p50, ms", Part::Figure).target(Target::AtMost(20.0)),
                Question::itself("p99, ms", Part::P99Ms).target(Target::AtMost(100.0)),
                Question::ratio("p50 over a renewal", Part::Figure, Self::Lease.label()).target(Target::AtMost(3.0)),
            ],
        };
        RowHeader { label: self.label(), unit: "ms (p50)", questions }
    }
}

/// One row.
struct WriteCase {
    written: MajorityWrite,
    label: Label,
    node: Connection,
    /// Tasks that there were.
    tasks: u64,
}

impl Case for WriteCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        self.timed(&plan.longer(LONGER)).await.map_err(|status| BenchError::refused("a node", &status))
    }
}

impl WriteCase {
    async fn timed(&mut self, plan: &Plan) -> Result<Sample, Status> {
        let mut us = Histogram::<u64>::new_with_bounds(1, SEEN_US_MAX, 3).expect("three digits are allowed");
        let begun = Instant::now();
        while us.is_empty() || begun.elapsed() < plan.warm_up() + plan.time {
            let took = match self.written {
                MajorityWrite::Lease => self.renew("bench").await?,
                MajorityWrite::Transition => self.leave_phase().await?,
            };
            if begun.elapsed() >= plan.warm_up() {
                us.saturating_record(took);
            }
        }
        let at = |quantile: f64| us.value_at_quantile(quantile) as f64;
        Ok(Sample { figure: at(0.5) / 1e3, p50_us: Some(at(0.5)), p99_us: Some(at(0.99)), ..Sample::default() })
    }

    /// Takes or renews a lease; for how long, microseconds.
    async fn renew(&self, lease: &str) -> Result<u64, Status> {
        let (name, client) = (lease.to_owned(), WORKER.to_owned());
        let request = AcquireLeaseRequest { name, client, duration_ms: 60_000, ..AcquireLeaseRequest::default() };
        let begun = Instant::now();
        client::leases(self.node.clone()).acquire_lease(request).await?;
        Ok(elapsed_us(begun))
    }

    /// Starts a task, gives it what its phase asks for, and has it leave that; for how long this last took, microseconds.
    async fn leave_phase(&mut self) -> Result<u64, Status> {
        self.tasks += 1;
        let task = format!("T-{}", self.tasks);
        let started = self.advance(&task, String::new()).await?;
        let evidence = AddEvidenceRequest {
            process: PROCESS.to_owned(),
            task: task.clone(),
            name: "report".to_owned(),
            document: br#"{"score":7}"#.to_vec(),
            ..AddEvidenceRequest::default()
        };
        client::processes(self.node.clone()).add_evidence(evidence).await?;
        self.renew(&format!("process/{PROCESS}/{task}")).await?;
        let head = started.state.map(|state| state.head).unwrap_or_default();
        let begun = Instant::now();
        let left = self.advance(&task, head).await?;
        let took = elapsed_us(begun);
        let head = left.state.map(|state| state.head).unwrap_or_default();
        if left.action != "advance" {
            return Err(Status::internal(format!("{task} stayed: {:?}", left.judgements)));
        }
        self.advance(&task, head).await?;
        Ok(took)
    }

    async fn advance(&self, task: &str, predecessor: String) -> Result<AdvanceTaskResponse, Status> {
        let request = AdvanceTaskRequest {
            process: PROCESS.to_owned(),
            task: task.to_owned(),
            predecessor,
            client: WORKER.to_owned(),
            ..AdvanceTaskRequest::default()
        };
        Ok(client::processes(self.node.clone()).advance_task(request).await?.into_inner())
    }
}

fn elapsed_us(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Measures the group.
///
/// # Errors
/// If the cluster can't be started.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    progress.preparing(format!("starting {NODES} nodes with disks"));
    let directory = TempDir::new().map_err(|error| BenchError::failed(format!("can't make a directory: {error}")))?;
    let mut nodes = Vec::new();
    for number in 1..=NODES {
        let name = format!("node-{number}");
        let launch = Launch::new(&name).with("--data-dir", &directory.path().join(&name).display());
        let seed = nodes.first().map(|first: &crate::cluster::process::Node| first.gossip);
        nodes.push(
            seed.map_or_else(|| launch.clone(), |seed| launch.clone().with("--cluster-seeds", &seed)).start().await?,
        );
    }
    let rig = Rig::of(nodes).await?;
    prepare(&rig).await?;
    let node = rig.nodes[0].connect().await?;
    let case = |written: MajorityWrite| WriteCase { written, label: written.label(), node: node.clone(), tasks: 0 };
    let (headers, cases) = (MajorityWrite::ALL.map(MajorityWrite::header).into(), MajorityWrite::ALL.map(case).into());
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

/// Names voters, applies the spec, and says what nodes should run.
async fn prepare(rig: &Rig) -> Result<(), BenchError> {
    let node = rig.nodes[0].connect().await?;
    let names: Vec<String> = rig.nodes.iter().map(|node| node.name.clone()).collect();
    let are_named = async || {
        let request = SetVotersRequest { nodes: names.clone() };
        client::leases(node.clone()).set_voters(request).await.map(|_| true)
    };
    until("the voters to be known", are_named).await?;
    let mut processes = client::processes(node.clone());
    let refused = |status: Status| BenchError::refused("a node", &status);
    let spec = ApplySpecRequest { toml: SPEC.to_owned(), ..ApplySpecRequest::default() };
    let head = processes.apply_spec(spec).await.map_err(refused)?.into_inner().head;
    for node in &rig.nodes {
        let channel = node.connect().await?;
        let is_known = async || {
            let request = GetProcessRequest { process: PROCESS.to_owned(), ..GetProcessRequest::default() };
            client::processes(channel.clone()).get_process(request).await.map(|_| true)
        };
        until(&format!("node `{}` to know the process", node.name), is_known).await?;
    }
    let process = PROCESS.to_owned();
    let baseline = SetProcessBaselineRequest { process, predecessor: head, ..SetProcessBaselineRequest::default() };
    processes.set_process_baseline(baseline).await.map_err(refused)?;
    Ok(())
}

fn notes() -> Vec<String> {
    vec![format!(
        "processes: {NODES} nodes with disks, all of which vote; one caller. A task leaves a phase under the lease of its \
         worker, in mode enforce: the lease is renewed, evidence of all nodes is gathered and judged, nodes are attested, the \
         transition is written to the ledger, decided by a majority, and the lease is given back."
    )]
}
