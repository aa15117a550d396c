//! The cluster as this node sees it: members, their runs and clocks, and nodes that will not come back.

use std::collections::{BTreeMap, BTreeSet};

use psi_api::{Cause, v1};
use psi_ledger::record::Kind;
use psi_replica::{EndStatus, NodeId, Origin, RunStage, RunStatus, TimeStatus};
use psi_state::{Replica, WriteError};
use tonic::Code;
use tracing::warn;

use super::{ops::Ops, readiness::is_writable};
use crate::{
    cluster::{claim::NameClaim, members::Member},
    links::lag::{Lag, lags},
    metrics::Traffic,
};

/// A node that was heard within this time is not to be forgotten, milliseconds: it would only go on as another run.
const HEARD_MS: u64 = 30_000;

impl Ops {
    /// The members that gossip knows, and the runs that the replica holds.
    pub(crate) fn members(&self) -> v1::ListMembersResponse {
        let (lags, status) = self.context.read(|replica| {
            self.context.metrics.peers.observe(replica);
            (lags(replica), replica.end_status())
        });
        let mut members: Vec<Member> = self.context.members.borrow().clone();
        for own in members.iter_mut().filter(|member| member.node == self.context.settings.node) {
            if let NameClaim::Waits { holder } = self.context.claim.now() {
                // To others, that one is the member of this name.
                let own_run = Member::own(&self.context.settings.node, self.context.addresses());
                *own = Member { namesakes: vec![holder], ..own_run };
            }
            self.update_own(own);
        }
        let members = members.iter().map(|member| self.member(member, &lags)).collect();
        v1::ListMembersResponse {
            node: self.context.settings.node.to_string(),
            cluster: self.context.settings.cluster.to_string(),
            members,
            runs: status.runs.iter().map(run_message).collect(),
            ended: Some(ended_message(status)),
        }
    }

    /// How the node's clocks stand against the members'.
    pub(crate) fn clock(&self) -> v1::Clock {
        self.clock_message(self.context.read(|replica| replica.time()))
    }

    /// Goes on from a clock that an operator accepts, if it is ahead.
    pub(crate) fn accept_clock(&self, hybrid_ms: u64) -> v1::Clock {
        self.record_object(&hybrid_ms.to_string());
        self.record_kind(Kind::ClockAcceptance);
        let (before, time) = self.context.write(|replica, _| {
            let before = replica.time();
            replica.accept_clock(hybrid_ms);
            (before, replica.time())
        });
        if time.steady > before.steady {
            let ahead_ms = time.steady.0 - before.steady.0;
            warn!(ahead_ms, "an operator accepted a clock: the steady clock goes on from it");
        }
        self.clock_message(time)
    }

    fn clock_message(&self, time: TimeStatus) -> v1::Clock {
        let TimeStatus { offset_ms, is_off, steady, agreed, hybrid, lead_ms } = time;
        v1::Clock {
            node: self.context.settings.node.to_string(),
            offset_ms,
            is_off,
            steady_ms: steady.0,
            agreed_ms: agreed.0,
            hybrid_ms: hybrid.0,
            lead_ms,
        }
    }

    /// A node knows more of itself than it has published.
    fn update_own(&self, own: &mut Member) {
        self.context.write(|replica, _| {
            replica.flush();
            own.ready = is_writable(replica);
            own.agreement = Some((replica.frontier().hash(), replica.digest()));
        });
    }

    fn member(&self, member: &Member, lags: &BTreeMap<NodeId, Lag>) -> v1::Member {
        let Member {
            node,
            // The incarnation distinguishes runs of one node.
            generation: _,
            live: _,
            left: _,
            gossip,
            grpc,
            http,
            ready,
            incarnation: _,
            agreement,
            version,
            protocol,
            claim: _,
            namesakes,
            voucher,
        } = member;
        let credentials = self.context.identity.credentials();
        let node_key = voucher.as_ref().and_then(|voucher| credentials.as_ref()?.vouched(node.as_str(), voucher));
        let is_own = *node == self.context.settings.node;
        let lag = lags.get(node).copied();
        let linked = is_own || lag.is_some();
        let Lag { versions, ms, clock_offset_ms } = lag.unwrap_or_default();
        v1::Member {
            node: node.to_string(),
            state: state(member).into(),
            grpc_address: grpc.map(|address| address.to_string()).unwrap_or_default(),
            http_address: http.map(|address| address.to_string()).unwrap_or_default(),
            gossip_address: gossip.to_string(),
            agreement: agreement.map(|(frontier, digest)| psi_api::agreement(frontier, digest)),
            linked,
            lag_versions: versions,
            clock_offset_ms: clock_offset_ms.unwrap_or(0),
            ready: *ready,
            lag_ms: ms,
            traffic: Some(traffic(self.context.metrics.peers.traffic(node.as_str()))),
            version: version.clone(),
            protocol: protocol.unwrap_or(0),
            namesakes: namesakes.iter().map(ToString::to_string).collect(),
            node_key: node_key.map(|key| key.to_string()).unwrap_or_default(),
        }
    }

    /// Says that a node will not come back, unless it is a `dry_run`; returns the runs that end for it.
    pub(crate) fn forget_node(&self, node: &str, dry_run: bool) -> Result<Vec<v1::ForgottenRun>, Cause> {
        self.record_object(node);
        self.record_kind(Kind::NodeRemoval);
        if let Some(audit) = self.audit.as_ref().filter(|_| dry_run) {
            audit.withdraw();
        }
        let node = self.record_refusal(NodeId::new(node).map_err(|error| Cause::from(&error)))?;
        let forgotten = self.context.write(|replica, now| {
            let runs = forgotten_runs(replica, &node)?;
            if !dry_run {
                replica.forget_node(now, &node).map_err(|error| Cause::from(&WriteError::NotReady(error)))?;
            }
            Ok(runs)
        });
        let runs = self.record_refusal(forgotten)?;
        if !dry_run {
            warn!(forgotten = %node, runs = runs.len(), "told that a node will not come back; its runs end without it");
        }
        Ok(runs)
    }
}

/// The runs that end if a node is forgotten.
///
/// # Errors
/// If it must not be.
fn forgotten_runs(replica: &Replica, node: &NodeId) -> Result<Vec<v1::ForgottenRun>, Cause> {
    let status = replica.end_status();
    if replica.node() == node {
        let message = format!("`{node}` is the node that was asked; ask another one, or stop this one by SIGTERM");
        return Err(Cause::new(Code::FailedPrecondition, "OWN_NODE", message).with("node", node));
    }
    let runs: Vec<&RunStatus> = status.runs.iter().filter(|run| run.run.node == *node).collect();
    if runs.is_empty() {
        let known: BTreeSet<&str> = status.runs.iter().map(|run| run.run.node.as_str()).collect();
        let known = match known.into_iter().collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "no node has written anything yet".to_owned(),
            some => format!("there are runs of: {some}"),
        };
        let message = format!("no run of a node `{node}` is held that has not ended; {known}");
        return Err(Cause::new(Code::NotFound, "UNKNOWN_NODE", message).with("node", node));
    }
    let live = runs.iter().filter(|run| run.stage == RunStage::Live).map(|run| run.silence_ms).min();
    if let Some(heard_ms) = live.filter(|silence_ms| *silence_ms < HEARD_MS) {
        let message = format!(
            "node `{node}` was heard {} s ago, so it may live; stop it first, or wait until it has been silent for {} s",
            heard_ms / 1000,
            HEARD_MS / 1000
        );
        let cause = Cause::new(Code::FailedPrecondition, "NODE_IS_LIVE", message).with("node", node);
        return Err(cause.with("heard_ms_ago", heard_ms));
    }
    let forgotten =
        |run: &&RunStatus| v1::ForgottenRun { run: Some(run_message(run)), steps: replica.steps_of(&run.run) };
    Ok(runs.iter().map(forgotten).collect())
}

fn state(member: &Member) -> v1::MemberState {
    match (member.live, member.left) {
        (true, _) => v1::MemberState::Live,
        (false, true) => v1::MemberState::Left,
        (false, false) => v1::MemberState::Dead,
    }
}

fn traffic(from: Traffic) -> v1::LinkTraffic {
    let Traffic { bytes_sent, bytes_received, entries_sent, entries_received, cut, resent, refused } = from;
    v1::LinkTraffic {
        bytes_sent,
        bytes_received,
        entries_sent,
        entries_received,
        deltas_cut: cut,
        deltas_refused: refused,
        resent,
    }
}

fn run_message(status: &RunStatus) -> v1::Run {
    let RunStatus { run: Origin { node, incarnation }, stage, version, silence_ms, bytes } = status;
    let stage = match stage {
        RunStage::Live => v1::RunStage::Live,
        RunStage::Closed => v1::RunStage::Closed,
        RunStage::Silent => v1::RunStage::Silent,
    };
    v1::Run {
        node: node.to_string(),
        incarnation: *incarnation,
        stage: stage.into(),
        version: version.0,
        bytes: *bytes as u64,
        silence_ms: *silence_ms,
    }
}

fn ended_message(status: EndStatus) -> v1::EndedRuns {
    let EndStatus { runs: _, ended, checkpoint, horizon, base_bytes, bytes_freed, late_runs, waits_ms, missing } =
        status;
    v1::EndedRuns {
        names: ended as u64,
        checkpoint,
        // Incarnations are microseconds.
        horizon_ms: horizon / 1000,
        base_bytes: base_bytes as u64,
        bytes_freed,
        late_runs,
        waits_ms,
        missing: missing.iter().map(ToString::to_string).collect(),
    }
}
