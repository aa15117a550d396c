//! Three nodes that vote, and what is asked of them.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use data_encoding::BASE64;
use psi_api::v1::{self, lease_service_client::LeaseServiceClient, process_service_client::ProcessServiceClient};
use psi_node::Settings;
use psi_security::node_key::NodeKey;
use psi_tests::{Member, eventually, settings};
use tonic::{Status, transport::Channel};

pub(crate) const NINE_PHASES: &str = include_str!("../../../examples/processes/nine-phases.toml");
pub(crate) const RELEASE: &str = include_str!("../../../examples/processes/release.toml");

/// Two phases without a lease, the first of which asks for a score.
pub(crate) const SMALL: &str = r#"
name = "small"
mode = "enforce"

[[phases]]
name = "a"
[[phases.gates]]
name = "score"
kind = "evidence"
document = "report"
thresholds = ["score >= 5"]

[[phases]]
name = "b"
"#;

/// What is asked of one node.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) processes: ProcessServiceClient<Channel>,
    pub(crate) leases: LeaseServiceClient<Channel>,
}

impl Desk {
    pub(crate) fn new(grpc: SocketAddr) -> Result<Self> {
        let channel = Channel::from_shared(format!("http://{grpc}"))?.connect_lazy();
        Ok(Self { processes: ProcessServiceClient::new(channel.clone()), leases: LeaseServiceClient::new(channel) })
    }

    pub(crate) fn of(member: &Member) -> Result<Self> {
        Self::new(member.node.addresses().grpc)
    }

    pub(crate) async fn apply(&self, toml: &str, predecessor: &str) -> Result<v1::ProcessState, Status> {
        let (toml, predecessor) = (toml.to_owned(), predecessor.to_owned());
        let request = v1::ApplySpecRequest { toml, predecessor, deadline_ms: 20_000, ..Default::default() };
        Ok(self.processes.clone().apply_spec(request).await?.into_inner())
    }

    pub(crate) async fn status(&self, process: &str, task: &str) -> Result<v1::ProcessState, Status> {
        let request = v1::GetProcessRequest { process: process.to_owned(), task: task.to_owned(), judged: true };
        Ok(self.processes.clone().get_process(request).await?.into_inner())
    }

    pub(crate) async fn advance(&self, process: &str, predecessor: &str) -> Result<v1::AdvanceTaskResponse, Status> {
        self.advance_by(request(process, predecessor)).await
    }

    pub(crate) async fn advance_by(&self, request: v1::AdvanceTaskRequest) -> Result<v1::AdvanceTaskResponse, Status> {
        Ok(self.processes.clone().advance_task(request).await?.into_inner())
    }

    pub(crate) async fn give(&self, process: &str, name: &str, document: &str) -> Result<v1::EvidenceList, Status> {
        let request = v1::AddEvidenceRequest {
            process: process.to_owned(),
            task: "main".to_owned(),
            name: name.to_owned(),
            document: document.as_bytes().to_vec(),
            ..Default::default()
        };
        Ok(self.processes.clone().add_evidence(request).await?.into_inner())
    }

    pub(crate) async fn switch(
        &self,
        process: &str,
        mode: &str,
        predecessor: &str,
    ) -> Result<v1::ProcessState, Status> {
        let request = v1::SwitchModeRequest {
            process: process.to_owned(),
            mode: mode.to_owned(),
            predecessor: predecessor.to_owned(),
            deadline_ms: 20_000,
            ..Default::default()
        };
        Ok(self.processes.clone().switch_mode(request).await?.into_inner())
    }

    pub(crate) async fn set_voters(&self, nodes: &[String]) -> Result<v1::Voters, Status> {
        Ok(self.leases.clone().set_voters(v1::SetVotersRequest { nodes: nodes.to_vec() }).await?.into_inner())
    }

    pub(crate) async fn acquire(&self, lease: &str, client: &str) -> Result<v1::LeaseGrant, Status> {
        let (name, client) = (lease.to_owned(), client.to_owned());
        let request = v1::AcquireLeaseRequest { name, client, duration_ms: 20_000, ..Default::default() };
        Ok(self.leases.clone().acquire_lease(request).await?.into_inner())
    }

    pub(crate) async fn release(&self, lease: &str, client: &str) -> Result<v1::Lease, Status> {
        let request = v1::ReleaseLeaseRequest { name: lease.to_owned(), client: client.to_owned(), deadline_ms: 0 };
        Ok(self.leases.clone().release_lease(request).await?.into_inner())
    }

    pub(crate) async fn log(&self, process: &str, task: &str) -> Result<Vec<v1::ProcessTransition>, Status> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let (process, task) = (process.to_owned(), task.to_owned());
            let request = v1::ListTransitionsRequest { process, task, page_size: 3, page_token };
            let page = self.processes.clone().list_transitions(request).await?.into_inner();
            all.extend(page.transitions);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }
}

pub(crate) fn request(process: &str, predecessor: &str) -> v1::AdvanceTaskRequest {
    v1::AdvanceTaskRequest {
        process: process.to_owned(),
        task: "main".to_owned(),
        predecessor: predecessor.to_owned(),
        deadline_ms: 20_000,
        ..Default::default()
    }
}

pub(crate) fn reason(status: &Status) -> String {
    psi_api::cause_of(status).map(|(reason, _)| reason).unwrap_or_default()
}

pub(crate) fn detail(status: &Status, name: &str) -> String {
    let details = psi_api::cause_of(status).map(|(_, details)| details).unwrap_or_default();
    details.get(name).cloned().unwrap_or_default()
}

/// Where a task stands, without who says so.
pub(crate) fn standing(state: &v1::ProcessState) -> (u64, String, String, String, String) {
    let v1::ProcessState { step, head, phase, end, spec, .. } = state.clone();
    (step, head, phase, end, spec)
}

/// Settings of a node with a disk.
pub(crate) fn on_disk(name: &str, directory: &Path, seeds: &[SocketAddr]) -> Settings {
    Settings { data_directory: Some(directory.join(name)), ..settings(name, seeds) }
}

/// Three nodes that know each other and vote.
pub(crate) async fn three(directory: Option<&Path>) -> Result<[Member; 3]> {
    let of = |name: &str, seeds: &[SocketAddr]| match directory {
        Some(directory) => on_disk(name, directory, seeds),
        None => settings(name, seeds),
    };
    let first = Member::start(of("n1", &[])).await?;
    let seeds = [first.node.addresses().gossip];
    let members = [first, Member::start(of("n2", &seeds)).await?, Member::start(of("n3", &seeds)).await?];
    let desks = members.iter().map(Desk::of).collect::<Result<Vec<_>>>()?;
    name_voters(&desks).await?;
    Ok(members)
}

/// Names `n1` to `n3` as voters, once each knows of the others' stores.
pub(crate) async fn name_voters(desks: &[Desk]) -> Result<()> {
    let nodes: Vec<String> = ["n1", "n2", "n3"].map(str::to_owned).into();
    let mut first = desks.first().context("a node")?.leases.clone();
    eventually("the nodes know each other's stores", async || {
        let mut leases = first.clone();
        Ok(leases.set_voters(v1::SetVotersRequest { nodes: nodes.clone() }).await.is_ok())
    })
    .await?;
    let _ = first.get_voters(v1::GetVotersRequest {}).await?;
    eventually("all know the voters", async || {
        let mut known = true;
        for desk in desks {
            let voters = desk.leases.clone().get_voters(v1::GetVotersRequest {}).await?.into_inner().voters;
            known &= voters.len() == 3 && voters.iter().all(|voter| voter.current);
        }
        Ok(known)
    })
    .await
}

/// Waits until a node knows of a step.
pub(crate) async fn at_step(desk: &Desk, process: &str, task: &str, step: u64) -> Result<v1::ProcessState> {
    eventually(&format!("step {step} of {process}/{task} is known"), async || {
        Ok(desk.status(process, task).await.is_ok_and(|state| state.step >= step))
    })
    .await?;
    Ok(desk.status(process, task).await?)
}

/// An in-toto statement in an envelope that some of the example's keys have signed.
pub(crate) fn envelope(task: &str, phase_hash: &str, predicate: &str, signers: &[u8]) -> String {
    let payload = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\
         \"subject\":[{{\"name\":\"{task}\",\"digest\":{{\"sha256\":\"{phase_hash}\"}}}}],\
         \"predicateType\":\"https://psi-field.dev/review/v1\",\"predicate\":{predicate}}}"
    );
    let kind = "application/vnd.in-toto+json";
    let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
    let signature = |signer: &u8| {
        let signature = NodeKey::from_random(&[*signer; 32]).sign(signed.as_bytes());
        format!("{{\"keyid\":\"any\",\"sig\":\"{}\"}}", BASE64.encode(signature.as_bytes()))
    };
    let signatures: Vec<_> = signers.iter().map(signature).collect();
    let payload = BASE64.encode(payload.as_bytes());
    format!("{{\"payload\":\"{payload}\",\"payloadType\":\"{kind}\",\"signatures\":[{}]}}", signatures.join(","))
}
