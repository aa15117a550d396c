//! What a token promises on any node, and how a bad one is refused.

use std::time::Duration;

use anyhow::{Context, Result};
use psi_api::v1::{GetStateRequest, StepRequest, step_stream_response::Outcome};
use psi_node::Settings;
use psi_replica::{ClusterName, Now, TickMs, WallMs};
use psi_state::Replica;
use psi_tests::{INCIDENT, Member, cluster, eventually, settings};
use tonic::{Code, Request};

use crate::{PATIENT_MS, SHORT_MS, check_refused, errors, read, step, take};

/// A token of a replica that no node knows.
fn strange_token(cluster: &str, node: &str, steps: u64) -> String {
    let config = psi_replica::Config {
        join_ms: 0,
        ..psi_replica::Config::new(ClusterName::new(cluster).expect("a name"), node.parse().expect("a name"))
    };
    let now = Now { tick: TickMs(0), wall: WallMs(1_750_000_000_000) };
    let mut replica = Replica::new(config, now);
    replica.tick(now);
    for _ in 0..steps {
        replica.step(now, &psi_replica::FieldName::default_field(), &INCIDENT).expect("it is ready");
    }
    replica.token().to_string()
}

/// Reads without a token until the node shows so many steps; returns the token of that read.
async fn eventually_seen(member: &Member, k: u64) -> Result<String> {
    let request = || GetStateRequest::default();
    eventually("the step has arrived", async || {
        Ok(member.field.clone().get_state(request()).await?.into_inner().k >= k)
    })
    .await?;
    Ok(member.field.clone().get_state(request()).await?.into_inner().token)
}

#[tokio::test(flavor = "multi_thread")]
async fn own_writes_are_read_through_any_node() -> Result<()> {
    let members = cluster(3).await?;
    let mut token = String::new();
    for turn in 0..60_u64 {
        // The next node rarely knows it yet.
        let writer = &members[usize::try_from(turn)? % 3];
        let taken = take(writer, StepRequest { after: token, deadline_ms: PATIENT_MS, ..step() }).await?;
        assert_eq!(taken.k, turn + 1, "the step was scored with all before it");
        for reader in &members {
            assert_eq!(read(reader, &taken.token, PATIENT_MS).await?, turn + 1);
        }
        token = taken.token;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_read_on_one_node_for_what_another_wrote_is_honoured_by_a_third() -> Result<()> {
    let members = cluster(3).await?;
    for _ in 0..20 {
        let written = take(&members[2], step()).await?;
        let seen = eventually_seen(&members[1], written.k).await?;
        assert!(read(&members[0], &seen, PATIENT_MS).await? >= written.k);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_reached_fails_by_name_and_says_what_is_missing() -> Result<()> {
    // Two nodes that never meet.
    let (here, there) = (Member::start(settings("n1", &[])).await?, Member::start(settings("n2", &[])).await?);
    let token = take(&there, step()).await?.token;
    let late = take(&here, StepRequest { after: token.clone(), deadline_ms: SHORT_MS, ..step() }).await.unwrap_err();
    let metadata = check_refused(&late, Code::DeadlineExceeded, "SESSION_TOKEN_NOT_REACHED");
    assert_eq!((metadata["missing"].as_str(), metadata["waited_ms"].as_str()), ("1", "200"));
    assert!(late.message().contains("up to version 2 (held: 0)"), "{late}");
    // A deadline of gRPC's own is answered by name too, before it cuts the call off.
    let mut request = Request::new(GetStateRequest { after: token.clone(), ..Default::default() });
    request.set_timeout(Duration::from_millis(500));
    let late = here.field.clone().get_state(request).await.unwrap_err();
    check_refused(&late, Code::DeadlineExceeded, "SESSION_TOKEN_NOT_REACHED");
    // So is a watch, and a step of a stream, which goes on.
    let watch = psi_api::v1::WatchStateRequest { after: token.clone(), deadline_ms: SHORT_MS, ..Default::default() };
    let late = here.field.clone().watch_state(watch).await.err().context("the watch began")?;
    check_refused(&late, Code::DeadlineExceeded, "SESSION_TOKEN_NOT_REACHED");
    let steps = [StepRequest { after: token.clone(), deadline_ms: SHORT_MS, ..step() }, step()];
    let mut answers = here.field.clone().step_stream(tokio_stream::iter(steps)).await?.into_inner();
    let outcome = answers.message().await?.and_then(|answer| answer.outcome);
    let Some(Outcome::Error(error)) = outcome else { panic!("taken: {outcome:?}") };
    assert_eq!((error.code, error.reason.as_str()), (Code::DeadlineExceeded.into(), "SESSION_TOKEN_NOT_REACHED"));
    assert!(matches!(answers.message().await?.and_then(|answer| answer.outcome), Some(Outcome::Step(_))));
    assert_eq!(here.state("").await?.k, 1, "what was late was not taken");
    assert_eq!(errors(&here, "SESSION_TOKEN_NOT_REACHED").await?, 4);
    // HTTP says the same.
    let url = format!("http://{}/state?after={token}&deadline_ms={SHORT_MS}", here.node.addresses().http);
    let answer = reqwest::get(url).await?;
    assert_eq!(answer.status().as_u16(), 504);
    let body: serde_json::Value = answer.json().await?;
    assert_eq!(body["error"]["reason"], "SESSION_TOKEN_NOT_REACHED", "{body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_refused_by_name_counted_and_changes_nothing() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let good = take(&member, step()).await?.token;
    let before = member.agreement().await?;
    let mut flipped = good.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    let bad = [
        (String::from_utf8(flipped)?, "SESSION_TOKEN_DAMAGED"),
        (format!("{good}!"), "SESSION_TOKEN_MALFORMED"),
        ("A".repeat(100_000), "SESSION_TOKEN_MALFORMED"),
        (strange_token("strangers", "n1", 1), "SESSION_TOKEN_OTHER_CLUSTER"),
    ];
    for (token, reason) in bad {
        let count = errors(&member, reason).await?;
        let refused = take(&member, StepRequest { after: token.clone(), ..step() }).await.unwrap_err();
        check_refused(&refused, Code::InvalidArgument, reason);
        let refused = read(&member, &token, 0).await.unwrap_err();
        check_refused(&refused, Code::InvalidArgument, reason);
        assert_eq!(errors(&member, reason).await?, count + 2);
    }
    assert_eq!(member.agreement().await?, before);
    assert_eq!(read(&member, &good, 0).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_ready_refuses_tokens() -> Result<()> {
    let token = strange_token("psi-field", "n2", 1);
    // Its only seed is nobody.
    let lonely = Settings { seeds: vec!["127.0.0.1:9".to_owned()], ..settings("n1", &[]) };
    let node = psi_node::Node::start(lonely).await?;
    let url = format!("http://{}/state?after={token}&deadline_ms={PATIENT_MS}", node.addresses().http);
    let answer = reqwest::get(url).await?;
    assert_eq!(answer.status().as_u16(), 503);
    let body: serde_json::Value = answer.json().await?;
    assert_eq!(body["error"]["reason"], "NOT_READY", "{body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_field_is_stepped_into_on_another_node_with_its_token() -> Result<()> {
    let members = cluster(2).await?;
    let create = psi_api::v1::CreateFieldRequest { name: "narrow".to_owned(), width: 2, ..Default::default() };
    let created = members[0].field.clone().create_field(create).await?.into_inner();
    let request = StepRequest {
        field: "narrow".to_owned(),
        input: vec![1.0, 2.0],
        after: created.token,
        deadline_ms: PATIENT_MS,
        ..Default::default()
    };
    assert_eq!(take(&members[1], request).await?.k, 1);
    Ok(())
}
