//! Steps as those who watch a node see them.

use anyhow::{Context, Result, bail};
use psi_api::v1::{
    AcceptedStep, Field, ResetFieldRequest, StepBatchRequest, StepRequest, Vector, WatchStepsRequest,
    WatchStepsResponse, watch_steps_response::Event,
};
use psi_tests::{DEADLINE, INCIDENT, Member, settings};
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};

struct Watch(Streaming<WatchStepsResponse>);

impl Watch {
    async fn start(member: &Member, field: &str) -> Result<(Self, Field)> {
        let request = WatchStepsRequest { field: field.to_owned() };
        let mut watch = Self(member.field.clone().watch_steps(request).await?.into_inner());
        match watch.next().await? {
            Event::Field(field) => Ok((watch, field)),
            other => bail!("the field comes first, not {other:?}"),
        }
    }

    async fn next(&mut self) -> Result<Event> {
        let next = tokio::time::timeout(DEADLINE, self.0.next()).await?;
        next.context("the stream goes on")??.event.context("an event")
    }

    async fn step(&mut self) -> Result<AcceptedStep> {
        match self.next().await? {
            Event::Step(step) => Ok(step),
            other => bail!("a step, not {other:?}"),
        }
    }
}

fn input(first: f64) -> Vec<f64> {
    let mut input = INCIDENT.to_vec();
    input[0] = first;
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_every_call_show_in_the_order_of_their_acceptance() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    member.step("", &INCIDENT).await?;
    let (mut watch, field) = Watch::start(&member, "").await?;
    let (mut other, _) = Watch::start(&member, "default").await?;
    assert_eq!((field.name.as_str(), field.engine.as_str(), field.width), ("default", "synthetic", 16));

    let answered = member.step("", &input(1.0)).await?;
    let batch = [2.0, 3.0].map(|first| Vector { values: input(first) }).to_vec();
    member.field.clone().step_batch(StepBatchRequest { inputs: batch, ..Default::default() }).await?;
    let request = |first| StepRequest {
        input: input(first),
        apply_guardian: true,
        request_id: "once".into(),
        ..Default::default()
    };
    let requests = tokio_stream::iter([request(f64::NEG_INFINITY), request(f64::NEG_INFINITY)]);
    let mut answers = member.field.clone().step_stream(requests).await?.into_inner();
    while let Some(answer) = answers.next().await {
        answer?;
    }
    let url = format!("http://{}/step", member.node.addresses().http);
    let posted = reqwest::Client::new().post(url).json(&serde_json::json!({ "x": input(5.0) })).send().await?;
    assert!(posted.status().is_success(), "{posted:?}");
    member.step("", &input(f64::NAN)).await.expect_err("refused, so it is not shown");

    for watch in [&mut watch, &mut other] {
        // What was stepped before the watch began is not shown; a repetition is no step; ±∞ was conditioned.
        for (k, first) in [(2, 1.0), (3, 2.0), (4, 3.0), (5, -1.0), (6, 5.0)] {
            let step = watch.step().await?;
            assert_eq!((step.k, &step.input), (k, &input(first)));
            assert_eq!(step.epoch, field.epoch);
            if k == 2 {
                assert_eq!(step.timestamp, answered.timestamp);
            }
        }
    }

    member.field.clone().reset_field(ResetFieldRequest { name: "default".into(), ..Default::default() }).await?;
    member.step("", &input(6.0)).await?;
    let step = watch.step().await?;
    assert!(step.k == 1 && step.epoch > field.epoch, "{step:?}");

    member.node.shutdown().await;
    assert!(watch.next().await.is_err(), "the node has stopped, and did not wait for its watchers");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_does_not_read_blocks_nobody_and_learns_what_it_missed() -> Result<()> {
    const BATCHES: u64 = 20;
    const BATCH: u64 = 4096;
    let member = Member::start(settings("n1", &[])).await?;
    let (mut slow, _) = Watch::start(&member, "").await?;
    for _ in 0..BATCHES {
        let inputs = vec![Vector { values: INCIDENT.to_vec() }; usize::try_from(BATCH)?];
        member.field.clone().step_batch(StepBatchRequest { inputs, ..Default::default() }).await?;
    }
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < BATCHES * BATCH {
        match slow.next().await? {
            Event::Step(step) => {
                shown += 1;
                assert_eq!(step.k, shown + missed, "nothing is missing but what was reported");
            }
            Event::Missed(steps) => missed += steps,
            Event::Field(_) => bail!("the field comes once"),
        }
    }
    assert!(missed > 0, "{shown} shown");
    member.step("", &INCIDENT).await?;
    assert_eq!(slow.step().await?.k, BATCHES * BATCH + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_is_not_there_can_not_be_watched() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let refused = member.field.clone().watch_steps(WatchStepsRequest { field: "nobody".into() }).await;
    let status = refused.err().context("refused")?;
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(psi_api::cause_of(&status).map(|(reason, _)| reason).as_deref(), Some("UNKNOWN_FIELD"));
    Ok(())
}
