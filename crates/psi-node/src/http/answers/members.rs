//! Answers about members and the runs of nodes. gRPC has the same in messages; here are their names in JSON.

use psi_api::v1;
use serde::Serialize;

/// To `GET /members`.
#[derive(Debug, Serialize)]
pub(in super::super) struct MembersAnswer {
    members: Vec<MemberDescription>,
    runs: Vec<RunDescription>,
    ended: EndedDescription,
    cluster: String,
    node: String,
}

/// To `DELETE /members/{name}`.
#[derive(Debug, Serialize)]
pub(in super::super) struct ForgottenAnswer {
    forgotten: String,
    runs: Vec<ForgottenDescription>,
    node: String,
}

#[derive(Debug, Serialize)]
struct MemberDescription {
    node: String,
    state: &'static str,
    ready: bool,
    linked: bool,
    grpc_address: String,
    http_address: String,
    gossip_address: String,
    version: String,
    protocol: u32,
    namesakes: Vec<String>,
    node_key: String,
}

#[derive(Debug, Default, Serialize)]
struct RunDescription {
    node: String,
    incarnation: u64,
    stage: &'static str,
    version: u64,
    bytes: u64,
    silence_ms: u64,
}

#[derive(Debug, Serialize)]
struct ForgottenDescription {
    #[serde(flatten)]
    run: RunDescription,
    steps: u64,
}

#[derive(Debug, Serialize)]
struct EndedDescription {
    names: u64,
    checkpoint: u64,
    horizon_ms: u64,
    base_bytes: u64,
    bytes_freed: u64,
    late_runs: u64,
    waits_ms: u64,
    missing: Vec<String>,
}

impl ForgottenAnswer {
    pub(in super::super) fn new(forgotten: String, runs: Vec<v1::ForgottenRun>, node: &str) -> Self {
        Self { forgotten, runs: runs.into_iter().map(Into::into).collect(), node: node.to_owned() }
    }
}

impl From<v1::ListMembersResponse> for MembersAnswer {
    fn from(from: v1::ListMembersResponse) -> Self {
        let v1::ListMembersResponse { node, cluster, members, runs, ended } = from;
        Self {
            members: members.into_iter().map(Into::into).collect(),
            runs: runs.into_iter().map(Into::into).collect(),
            ended: ended.unwrap_or_default().into(),
            cluster,
            node,
        }
    }
}

impl From<v1::Member> for MemberDescription {
    fn from(from: v1::Member) -> Self {
        let state = match from.state() {
            v1::MemberState::Live => "live",
            v1::MemberState::Dead => "dead",
            v1::MemberState::Left => "left",
            v1::MemberState::Unspecified => "unknown",
        };
        let v1::Member {
            node,
            state: _,
            grpc_address,
            http_address,
            gossip_address,
            // Of the links of this node, metrics tell more.
            agreement: _,
            linked,
            lag_versions: _,
            clock_offset_ms: _,
            ready,
            lag_ms: _,
            traffic: _,
            version,
            protocol,
            namesakes,
            node_key,
        } = from;
        Self {
            node,
            state,
            ready,
            linked,
            grpc_address,
            http_address,
            gossip_address,
            version,
            protocol,
            namesakes,
            node_key,
        }
    }
}

impl From<v1::Run> for RunDescription {
    fn from(from: v1::Run) -> Self {
        let stage = match from.stage() {
            v1::RunStage::Live => "live",
            v1::RunStage::Closed => "closed",
            v1::RunStage::Silent => "silent",
            v1::RunStage::Unspecified => "unknown",
        };
        let v1::Run { node, incarnation, stage: _, version, bytes, silence_ms } = from;
        Self { node, incarnation, stage, version, bytes, silence_ms }
    }
}

impl From<v1::ForgottenRun> for ForgottenDescription {
    fn from(v1::ForgottenRun { run, steps }: v1::ForgottenRun) -> Self {
        Self { run: run.map(Into::into).unwrap_or_default(), steps }
    }
}

impl From<v1::EndedRuns> for EndedDescription {
    fn from(from: v1::EndedRuns) -> Self {
        let v1::EndedRuns { names, checkpoint, horizon_ms, base_bytes, bytes_freed, late_runs, waits_ms, missing } =
            from;
        Self { names, checkpoint, horizon_ms, base_bytes, bytes_freed, late_runs, waits_ms, missing }
    }
}
