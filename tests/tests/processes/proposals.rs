//! Voters vote only for what follows by the rules, no matter which node proposes it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use psi_api::v1::{self, lease_service_client::LeaseServiceClient, quorum_service_client::QuorumServiceClient};
use psi_quorum::{
    Answer, BootTime, Envelope, Proposer, ProposerId, Register, RegisterName, Response, RetryPolicy, VoterSet,
};
use psi_security::node_key::NodePublicKey;
use psi_tests::Member;
use tonic::{Code, Status, transport::Channel};

use crate::support::{Desk, SMALL, at_step, three};

/// Asks the voters as a node would, and proposes these bytes as the next step of a register. Returns their refusals.
async fn propose(members: &[Member], register: &str, body: &[u8]) -> Result<Vec<Status>> {
    let channel = |member: &Member| -> Result<Channel> {
        Ok(Channel::from_shared(format!("http://{}", member.node.addresses().grpc))?.connect_lazy())
    };
    let mut leases = LeaseServiceClient::new(channel(&members[0])?);
    let voters = leases.get_voters(v1::GetVotersRequest {}).await?.into_inner().voters;
    let (mut keys, mut asked) = (Vec::new(), BTreeMap::new());
    for voter in voters {
        let key: [u8; 32] = HEXLOWER.decode(voter.key.as_bytes())?.try_into().ok().context("32 bytes")?;
        let member = members.iter().find(|member| member.node.node_id().as_str() == voter.node).context("a voter")?;
        asked.insert(key, QuorumServiceClient::new(channel(member)?));
        keys.push(NodePublicKey::from_bytes(key));
    }
    let voters = VoterSet::new(keys)?;
    let id = ProposerId { key: voters.keys()[0], run: 7 };
    let of = Register::new(RegisterName::new(register)?, voters.clone());
    let mut proposer = Proposer::new(id, of, RetryPolicy::default());
    let (mut refused, mut is_learning) = (Vec::new(), true);
    let mut sends = proposer.propose(BootTime(0), voters.clone(), body.to_vec())?.sends;
    while let Some(Envelope { to, request }) = sends.pop() {
        let voter = asked.get_mut(to.as_bytes()).context("a voter")?;
        match voter.ask(v1::AskRequest { request: request.encode(), transition: Vec::new() }).await {
            Err(status) => refused.push(status),
            Ok(answer) => {
                let response = Response::decode(&answer.into_inner().response)?;
                ensure!(response.answer() != &Answer::Vote, "{to} voted for what does not follow");
                sends.extend(proposer.handle(BootTime(1), 0, to, &response).sends);
            }
        }
        // What it learned of earlier steps is followed.
        if sends.is_empty() && is_learning && !proposer.is_busy() {
            is_learning = false;
            sends = proposer.propose(BootTime(2), voters.clone(), body.to_vec())?.sends;
        }
    }
    Ok(refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_follow_gets_no_vote() -> Result<()> {
    let members = three(None).await?;
    let desk = Desk::of(&members[0])?;
    let applied = desk.apply(SMALL, "").await?;
    for member in &members {
        at_step(&Desk::of(member)?, "small", "", 1).await?;
    }
    // No chain, a chain that a transition leads to which nobody has, and the step of before once more.
    let made_up = {
        let mut bytes = vec![0x0a, 5];
        bytes.extend(b"small");
        bytes.extend([0x18, 2]);
        bytes
    };
    for body in [&b"nonsense"[..], b"", &made_up] {
        let refused = propose(&members, "process/small", body).await?;
        ensure!(refused.len() >= 2, "{body:?}: {refused:?}");
        ensure!(refused.iter().all(|status| status.code() == Code::FailedPrecondition), "{refused:?}");
    }
    // Of a task, also what would take it out of its bucket, and nothing else.
    let started = desk.advance("small", "").await?.state.context("a state")?;
    // SHA-256 of `psi-field v1 task: small/main` begins with f5 80: 21, as the lowest 5 bits say.
    let bucket = "tasks/small/21";
    for body in [&b"nonsense"[..], b"", &made_up] {
        let refused = propose(&members, bucket, body).await?;
        ensure!(refused.len() >= 2, "{bucket}, {body:?}: {refused:?}");
        ensure!(refused.iter().all(|status| status.code() == Code::FailedPrecondition), "{refused:?}");
    }
    ensure!(desk.status("small", "main").await?.head == started.head, "the task is where it was");
    let refused = propose(&members, "process/nobody", b"nonsense").await?;
    ensure!(refused.iter().all(|status| status.code() == Code::Unavailable), "{refused:?}");
    let switched = desk.switch("small", "watch", &applied.head).await?;
    ensure!(switched.step == 2, "it goes on: {switched:?}");
    Ok(())
}
