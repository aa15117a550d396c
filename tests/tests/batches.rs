//! A batch that takes seconds holds up nobody but the field that it is for.

use anyhow::{Context, Result, ensure};
use psi_api::v1::{
    CreateFieldRequest, GetStateRequest, Parameter, ReplicationLevel, StepBatchRequest, StepRequest, Vector,
};
use psi_tests::{INCIDENT, agreed, cluster};
use tonic::Code;

/// Longer than anything takes that works.
const PATIENT_MS: u32 = 60_000;
const FIELD: &str = "large";
/// Each takes milliseconds in a field with the largest latents.
const VECTORS: usize = 4_000;

fn largest() -> CreateFieldRequest {
    let parameter = |name: &str, value| Parameter { name: name.to_owned(), value };
    CreateFieldRequest {
        name: FIELD.to_owned(),
        engine: "core".to_owned(),
        parameters: vec![parameter("latent_dim", 128.0), parameter("N", 128.0)],
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_batch_holds_up_nobody_else() -> Result<()> {
    let members = cluster(2).await?;
    let after = members[0].field.clone().create_field(largest()).await?.into_inner().token;
    let read = GetStateRequest { field: FIELD.to_owned(), after, deadline_ms: PATIENT_MS };
    members[1].field.clone().get_state(read).await?;

    let batch = StepBatchRequest {
        field: FIELD.to_owned(),
        inputs: vec![Vector { values: INCIDENT.to_vec() }; VECTORS],
        deadline_ms: PATIENT_MS,
        ..Default::default()
    };
    let mut client = members[0].field.clone();
    let working = tokio::spawn(async move { client.step_batch(batch).await });
    // Another step in the field waits for it as long as it may; so the batch has begun once one is refused.
    let step = |field: &str, deadline_ms| StepRequest {
        field: field.to_owned(),
        input: INCIDENT.to_vec(),
        deadline_ms,
        replicate_to: ReplicationLevel::All.into(),
        ..Default::default()
    };
    let refused = loop {
        match members[0].field.clone().step(step(FIELD, 1)).await {
            Ok(_) => ensure!(!working.is_finished(), "the batch was through before it could be looked at"),
            Err(status) => break status,
        }
    };
    ensure!(refused.code() == Code::DeadlineExceeded, "{refused:?}");
    ensure!(psi_api::cause_of(&refused).context("a cause")?.0 == "FIELD_BUSY", "{refused:?}");
    // Everything else goes on, replication to and fro included.
    for turn in 0..20_u64 {
        let member = &members[usize::try_from(turn % 2)?];
        let stepped = member.field.clone().step(step("", PATIENT_MS)).await?.into_inner();
        ensure!(stepped.replicated.context("a level was asked for")?.nodes == 2, "step {turn}");
        let elsewhere = members[1].field.clone().step(step(FIELD, PATIENT_MS)).await?.into_inner();
        ensure!(
            elsewhere.replicated.context("a level was asked for")?.nodes == 2,
            "the other node accepts steps in it"
        );
    }
    ensure!(!working.is_finished(), "the batch was through before the others");
    let waiting = members[0].field.clone().step(step(FIELD, PATIENT_MS)).await?.into_inner();
    let steps = working.await??.into_inner().steps;
    ensure!(steps.len() == VECTORS, "{}", steps.len());
    ensure!(waiting.k > steps.last().context("a step")?.k, "a call that waits for the field comes after the batch");
    agreed(&members).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_caller_leaves_is_counted_once_though_it_is_sent_again() -> Result<()> {
    let members = cluster(1).await?;
    members[0].field.clone().create_field(largest()).await?;
    let batch = StepBatchRequest {
        field: FIELD.to_owned(),
        inputs: vec![Vector { values: INCIDENT.to_vec() }; VECTORS],
        deadline_ms: PATIENT_MS,
        request_id: "the same".to_owned(),
        ..Default::default()
    };
    let (mut client, first) = (members[0].field.clone(), batch.clone());
    let caller = tokio::spawn(async move { client.step_batch(first).await });
    let step = StepRequest { field: FIELD.to_owned(), input: INCIDENT.to_vec(), deadline_ms: 1, ..Default::default() };
    let mut taken = 0;
    while members[0].field.clone().step(step.clone()).await.is_ok() {
        taken += 1;
    }
    caller.abort();
    ensure!(caller.await.is_err(), "the batch was through before its caller could leave");
    let again = members[0].field.clone().step_batch(batch).await?.into_inner().steps;
    let last = again.last().context("a step")?;
    ensure!((again.len() as u64, last.k) == (VECTORS as u64, taken + VECTORS as u64), "{}, k {}", again.len(), last.k);
    let read = GetStateRequest { field: FIELD.to_owned(), ..Default::default() };
    let state = members[0].field.clone().get_state(read).await?.into_inner();
    ensure!(state.k == taken + VECTORS as u64, "{} steps counted", state.k);
    Ok(())
}
