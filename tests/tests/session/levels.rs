//! How far a write gets before it is answered.

use anyhow::{Context, Result};
use psi_api::v1::{
    InterveneRequest, Intervention, MemberState, ReplicationLevel, StepBatchRequest, StepRequest, Vector,
    step_stream_response::Outcome,
};
use psi_tests::{INCIDENT, Member, cluster, eventually, settings};
use tonic::Code;

use crate::{PATIENT_MS, SHORT_MS, check_refused, count, step, take, to, with_killable};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_is_missed_and_its_step_is_taken_all_the_same() -> Result<()> {
    let (member, killable) = with_killable().await?;
    let _other = Member::start(settings("n3", &[member.node.addresses().gossip])).await?;
    eventually("three are live", async || Ok(count(&member, MemberState::Live).await? == 3)).await?;
    let all = take(&member, to(ReplicationLevel::All)).await?.replicated.context("a level")?;
    assert_eq!((all.level(), all.nodes, all.of), (ReplicationLevel::All, 3, 3));
    killable.die();
    eventually("gossip says that it is dead", async || Ok(count(&member, MemberState::Dead).await? == 1)).await?;
    let majority = take(&member, to(ReplicationLevel::Majority)).await?.replicated.context("a level")?;
    assert_eq!((majority.level(), majority.nodes, majority.of), (ReplicationLevel::Majority, 2, 3));
    let request = StepRequest { deadline_ms: SHORT_MS, ..to(ReplicationLevel::All) };
    let all = take(&member, request).await?.replicated.context("a level")?;
    assert_eq!((all.level(), all.nodes, all.of), (ReplicationLevel::Majority, 2, 3), "reported, not an error");
    assert_eq!(member.state("").await?.k, 3, "and taken");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_were_stopped_on_purpose_are_not_missed() -> Result<()> {
    let mut members = cluster(5).await?;
    for gone in members.drain(2..) {
        gone.node.shutdown().await;
    }
    eventually("three have left", async || Ok(count(&members[0], MemberState::Left).await? == 3)).await?;
    for level in [ReplicationLevel::Majority, ReplicationLevel::All] {
        let reached = take(&members[0], to(level)).await?.replicated.context("a level")?;
        assert_eq!((reached.level(), reached.nodes, reached.of), (level, 2, 2));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_says_how_far_it_got() -> Result<()> {
    let members = cluster(3).await?;
    for (level, least) in [
        (ReplicationLevel::Local, 1),
        (ReplicationLevel::One, 2),
        (ReplicationLevel::Majority, 2),
        (ReplicationLevel::All, 3),
    ] {
        let taken = take(&members[0], to(level)).await?;
        let mut holding = 0;
        for member in &members {
            holding += u32::from(member.state("").await?.k >= taken.k);
        }
        let replicated = taken.replicated.context("a level was asked for")?;
        assert_eq!((replicated.level(), replicated.of), (level, 3));
        assert!((least..=holding).contains(&replicated.nodes), "{replicated:?}, held by {holding}");
    }
    assert_eq!(take(&members[0], step()).await?.replicated, None);
    // A batch says it once, an intervention too.
    let batch = StepBatchRequest {
        inputs: vec![Vector { values: INCIDENT.to_vec() }; 2],
        replicate_to: ReplicationLevel::One.into(),
        deadline_ms: PATIENT_MS,
        ..Default::default()
    };
    let steps = members[0].field.clone().step_batch(batch).await?.into_inner().steps;
    assert_eq!(steps[0].replicated, None);
    assert_eq!(steps[1].replicated.context("the last has it")?.level(), ReplicationLevel::One);
    let intervention = InterveneRequest {
        action: Intervention::Nigredo.into(),
        replicate_to: ReplicationLevel::Majority.into(),
        deadline_ms: PATIENT_MS,
        ..Default::default()
    };
    let done = members[1].field.clone().intervene(intervention).await?.into_inner();
    assert_eq!(done.replicated.context("a level")?.level(), ReplicationLevel::Majority);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_acknowledges_nothing_does_not_count() -> Result<()> {
    use psi_api::replica::{Frame, FrontierUpdate, Hello, frame::Body};
    let member = Member::start(settings("n1", &[])).await?;
    let open = Hello {
        cluster: "psi-field".to_owned(),
        node: "n9".to_owned(),
        protocol_min: 1,
        protocol_max: 1,
        wall_ms: u64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_millis())?,
        ..Default::default()
    };
    let listing = FrontierUpdate { number: 1, restart: true, complete: true, ..Default::default() };
    let frames = [Body::Hello(open), Body::FrontierUpdate(listing)].map(|body| Frame { body: Some(body) });
    let address = format!("http://{}", member.node.addresses().grpc);
    let mut client = psi_api::v1::replication_service_client::ReplicationServiceClient::connect(address).await?;
    // The link stays open, and nothing more is said on it.
    let frames = tokio_stream::StreamExt::chain(tokio_stream::iter(frames), tokio_stream::pending());
    let mut answers = client.link(frames).await?.into_inner();
    let mut until = async |wanted: fn(&Body) -> bool| -> Result<()> {
        while !answers.message().await?.context("the link ended")?.body.is_some_and(|body| wanted(&body)) {}
        Ok(())
    };
    until(|body| matches!(body, Body::FrontierAck(_))).await.context("it knows the peer now")?;
    let request = StepRequest { replicate_to: ReplicationLevel::One.into(), deadline_ms: PATIENT_MS, ..step() };
    let (mut field, first) = (member.field.clone(), request.clone());
    let waiting = tokio::spawn(async move { field.step(first).await });
    until(|body| matches!(body, Body::Delta(_))).await?;
    assert!(!waiting.is_finished(), "it was sent, and is not known to have arrived");
    waiting.abort();
    let late = take(&member, StepRequest { deadline_ms: SHORT_MS, ..request }).await?;
    let replicated = late.replicated.context("a level")?;
    assert_eq!((replicated.level(), replicated.nodes, replicated.of), (ReplicationLevel::Local, 1, 2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_answers_at_once_that_no_other_holds_it() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let request = StepRequest { replicate_to: ReplicationLevel::One.into(), deadline_ms: 60_000, ..step() };
    let replicated = take(&member, request).await?.replicated.context("a level")?;
    assert_eq!((replicated.level(), replicated.nodes, replicated.of), (ReplicationLevel::Local, 1, 1));
    let refused = take(&member, StepRequest { replicate_to: 9, ..step() }).await.unwrap_err();
    check_refused(&refused, Code::InvalidArgument, "UNKNOWN_LEVEL");
    let refused = take(&member, StepRequest { deadline_ms: 60_001, ..step() }).await.unwrap_err();
    check_refused(&refused, Code::InvalidArgument, "BAD_DEADLINE");
    assert_eq!(member.state("").await?.k, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_its_order_while_its_steps_wait_for_their_replication_together() -> Result<()> {
    let members = cluster(2).await?;
    let steps = (0..200).map(|number| StepRequest {
        replicate_to: if number % 3 == 0 { 0 } else { ReplicationLevel::One.into() },
        deadline_ms: PATIENT_MS,
        ..step()
    });
    let steps: Vec<StepRequest> = steps.collect();
    let mut answers = members[0].field.clone().step_stream(tokio_stream::iter(steps)).await?.into_inner();
    let mut sequence = 0;
    while let Some(answer) = answers.message().await? {
        let Some(Outcome::Step(taken)) = answer.outcome else { panic!("refused: {answer:?}") };
        assert_eq!((answer.sequence, taken.k), (sequence, sequence + 1));
        assert_eq!(taken.replicated.is_some(), sequence % 3 != 0);
        sequence += 1;
    }
    assert_eq!(sequence, 200);
    Ok(())
}
