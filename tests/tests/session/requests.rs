//! A request that is sent again is answered again and not counted again.

use anyhow::{Context, Result};
use psi_api::v1::{
    InterveneRequest, Intervention, MemberState, ReplicationLevel, StepBatchRequest, StepRequest, Vector,
    step_stream_response::Outcome,
};
use psi_tests::{INCIDENT, Member, agreed, cluster, eventually, settings};
use tonic::Code;

use crate::{PATIENT_MS, check_refused, count, errors, step, take, to, with_killable};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_again_is_answered_again_and_not_counted_again() -> Result<()> {
    let members = cluster(2).await?;
    let named = |id: &str| StepRequest { request_id: id.to_owned(), ..step() };
    let first = take(&members[0], named("a")).await?;
    take(&members[0], step()).await?;
    assert_eq!(take(&members[0], named("a")).await?, first, "to the last bit, though the field moved on");
    // Many at once, some of which come while the first is in progress.
    let request = StepRequest { replicate_to: ReplicationLevel::One.into(), deadline_ms: PATIENT_MS, ..named("b") };
    let calls = (0..50).map(|_| {
        let (mut field, request) = (members[0].field.clone(), request.clone());
        tokio::spawn(async move { field.step(request).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await??.into_inner());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(members[0].state("").await?.k, 3);
    // So do repetitions on one stream, behind the first.
    let repeated = (0..10).map(|_| StepRequest { request_id: "on a stream".to_owned(), ..request.clone() });
    let repeated: Vec<StepRequest> = repeated.collect();
    let mut answers = members[0].field.clone().step_stream(tokio_stream::iter(repeated)).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        let Some(Outcome::Step(taken)) = answer.outcome else { panic!("refused: {answer:?}") };
        assert_eq!(taken.k, 4);
    }
    // Batches, interventions and HTTP know the same names.
    let batch = StepBatchRequest {
        inputs: vec![Vector { values: INCIDENT.to_vec() }; 2],
        request_id: "c".to_owned(),
        ..Default::default()
    };
    let once = members[0].field.clone().step_batch(batch.clone()).await?.into_inner();
    assert_eq!(members[0].field.clone().step_batch(batch).await?.into_inner(), once);
    let intervention =
        InterveneRequest { action: Intervention::Nigredo.into(), request_id: "d".to_owned(), ..Default::default() };
    let once = members[0].field.clone().intervene(intervention.clone()).await?.into_inner();
    assert_eq!(members[0].field.clone().intervene(intervention).await?.into_inner(), once);
    let body = serde_json::json!({"x": INCIDENT, "request_id": "a"});
    let url = format!("http://{}/step", members[0].node.addresses().http);
    let again: serde_json::Value = reqwest::Client::new().post(url).json(&body).send().await?.json().await?;
    assert_eq!(again["k"], 1, "{again}");
    let state = members[0].state("").await?;
    assert_eq!((state.k, state.interventions), (6, 1));
    // Another node does not know them.
    agreed(&members).await?;
    assert_eq!(take(&members[1], named("a")).await?.k, 7);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_of_another_request_is_refused_and_a_refused_request_is_not_remembered() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let named = |input: &[f64]| StepRequest { input: input.to_vec(), request_id: "a".to_owned(), ..step() };
    check_refused(&take(&member, named(&[1.0])).await.unwrap_err(), Code::InvalidArgument, "WRONG_WIDTH");
    take(&member, named(&INCIDENT)).await?;
    let others = [
        named(&[0.5; 16]),
        StepRequest { field: "other".to_owned(), ..named(&INCIDENT) },
        StepRequest { apply_guardian: true, ..named(&INCIDENT) },
    ];
    for other in others {
        let refused = take(&member, other).await.unwrap_err();
        check_refused(&refused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    }
    let long = StepRequest { request_id: "x".repeat(129), ..step() };
    check_refused(&take(&member, long).await.unwrap_err(), Code::InvalidArgument, "BAD_REQUEST_ID");
    assert_eq!(member.state("").await?.k, 1);
    assert_eq!(errors(&member, "REQUEST_ID_REUSED").await?, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_caller_left_while_it_waited_is_answered_and_not_counted_again() -> Result<()> {
    let (member, killable) = with_killable().await?;
    killable.die();
    eventually("gossip says that it is dead", async || Ok(count(&member, MemberState::Dead).await? == 1)).await?;
    let request = StepRequest { request_id: "a".to_owned(), ..to(ReplicationLevel::All) };
    let (mut field, first) = (member.field.clone(), request.clone());
    let call = tokio::spawn(async move { field.step(first).await });
    eventually("the step is taken", async || Ok(member.state("").await?.k == 1)).await?;
    call.abort();
    // A caller that repeats it waits until the node has noticed that the first caller is gone.
    let again = take(&member, StepRequest { deadline_ms: PATIENT_MS, ..request }).await?;
    let replicated = again.replicated.context("a level")?;
    assert_eq!((again.k, replicated.level(), replicated.nodes, replicated.of), (1, ReplicationLevel::Local, 1, 2));
    assert_eq!(member.state("").await?.k, 1);
    Ok(())
}
