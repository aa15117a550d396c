//! Tokens, replication levels and request ids, over real sockets.

mod http;
mod issuer;
mod levels;
mod requests;
mod tokens;

use std::collections::BTreeMap;

use anyhow::Result;
use psi_api::v1::{GetStateRequest, ListMembersRequest, MemberState, ReplicationLevel, StepRequest, StepResponse};
use psi_tests::{INCIDENT, KillableNode, Member, eventually, settings};
use tonic::{Code, Status};

/// Longer than anything takes that works.
const PATIENT_MS: u32 = 30_000;
/// As long as a test likes to wait for what will not come.
const SHORT_MS: u32 = 200;

fn step() -> StepRequest {
    StepRequest { input: INCIDENT.to_vec(), ..Default::default() }
}

async fn take(member: &Member, request: StepRequest) -> Result<StepResponse, Status> {
    Ok(member.field.clone().step(request).await?.into_inner())
}

async fn read(member: &Member, after: &str, deadline_ms: u32) -> Result<u64, Status> {
    let request = GetStateRequest { after: after.to_owned(), deadline_ms, ..Default::default() };
    Ok(member.field.clone().get_state(request).await?.into_inner().k)
}

fn check_refused(status: &Status, code: Code, reason: &str) -> BTreeMap<String, String> {
    let (got, metadata) = psi_api::cause_of(status).unwrap_or_else(|| panic!("no cause: {status:?}"));
    assert_eq!((status.code(), got.as_str()), (code, reason), "{status}");
    metadata.into_iter().collect()
}

async fn errors(member: &Member, reason: &str) -> Result<u64> {
    let text = reqwest::get(format!("http://{}/metrics", member.node.addresses().http)).await?.text().await?;
    let line = format!("psi_node_errors_total{{reason=\"{reason}\"}} ");
    Ok(text.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0))
}

/// A step that is to get so far.
fn to(level: ReplicationLevel) -> StepRequest {
    StepRequest { replicate_to: level.into(), deadline_ms: PATIENT_MS, ..step() }
}

/// A node, and one that it knows and that can die.
async fn with_killable() -> Result<(Member, KillableNode)> {
    let member = Member::start(settings("n1", &[])).await?;
    let killable = KillableNode::start(settings("n2", &[member.node.addresses().gossip])).await?;
    eventually("two are live", async || Ok(count(&member, MemberState::Live).await? == 2)).await?;
    Ok((member, killable))
}

/// How many members a node knows in a state.
async fn count(member: &Member, state: MemberState) -> Result<usize> {
    let known = member.cluster.clone().list_members(ListMembersRequest {}).await?.into_inner().members;
    Ok(known.iter().filter(|member| member.state() == state).count())
}
