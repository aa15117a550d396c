//! Tokens, replication levels and request ids, over real sockets.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use psi_api::v1::{
    GetStateRequest, InterveneRequest, Intervention, ListMembersRequest, MemberState, ReplicationLevel,
    StepBatchRequest, StepRequest, StepResponse, Vector, step_stream_response::Outcome,
};
use psi_node::Settings;
use psi_replica::{ClusterName, Now, Replica, TickMs, WallMs};
use psi_tests::{KillableNode, INCIDENT, Member, agreed, cluster, eventually, settings};
use tonic::{Code, Request, Status};

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

/// A token of a replica that no node has heard of.
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

async fn errors(member: &Member, reason: &str) -> Result<u64> {
    let text = reqwest::get(format!("http://{}/metrics", member.node.addresses().http)).await?.text().await?;
    let line = format!("psi_node_errors_total{{reason=\"{reason}\"}} ");
    Ok(text.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn own_writes_are_read_through_any_node() -> Result<()> {
    let members = cluster(3).await?;
    let mut token = String::new();
    for turn in 0..60_u64 {
        // The next node has hardly ever heard of it yet.
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
async fn a_token_that_is_not_reached_fails_by_name_and_says_what_is_lacking() -> Result<()> {
    // Two nodes that never meet.
    let (here, there) = (Member::start(settings("n1", &[])).await?, Member::start(settings("n2", &[])).await?);
    let token = take(&there, step()).await?.token;
    let late = take(&here, StepRequest { after: token.clone(), deadline_ms: SHORT_MS, ..step() }).await.unwrap_err();
    let metadata = check_refused(&late, Code::DeadlineExceeded, "TOKEN_NOT_REACHED");
    assert_eq!((metadata["lacking"].as_str(), metadata["waited_ms"].as_str()), ("1", "200"));
    assert!(late.message().contains("up to version 1 (held: 0)"), "{late}");
    // A deadline of gRPC's own is answered by name too, before it cuts the call off.
    let mut request = Request::new(GetStateRequest { after: token.clone(), ..Default::default() });
    request.set_timeout(Duration::from_millis(500));
    let late = here.field.clone().get_state(request).await.unwrap_err();
    check_refused(&late, Code::DeadlineExceeded, "TOKEN_NOT_REACHED");
    // So is a watch, and a step of a stream, which goes on.
    let watch = psi_api::v1::WatchStateRequest { after: token.clone(), deadline_ms: SHORT_MS, ..Default::default() };
    let late = here.field.clone().watch_state(watch).await.err().context("the watch began")?;
    check_refused(&late, Code::DeadlineExceeded, "TOKEN_NOT_REACHED");
    let steps = [StepRequest { after: token.clone(), deadline_ms: SHORT_MS, ..step() }, step()];
    let mut answers = here.field.clone().step_stream(tokio_stream::iter(steps)).await?.into_inner();
    let outcome = answers.message().await?.and_then(|answer| answer.outcome);
    let Some(Outcome::Error(error)) = outcome else { panic!("taken: {outcome:?}") };
    assert_eq!((error.code, error.reason.as_str()), (Code::DeadlineExceeded.into(), "TOKEN_NOT_REACHED"));
    assert!(matches!(answers.message().await?.and_then(|answer| answer.outcome), Some(Outcome::Step(_))));
    assert_eq!(here.state("").await?.k, 1, "what was late was not taken");
    assert_eq!(errors(&here, "TOKEN_NOT_REACHED").await?, 4);
    // HTTP says the same.
    let url = format!("http://{}/state?after={token}&deadline_ms={SHORT_MS}", here.node.addresses().http);
    let answer = reqwest::get(url).await?;
    assert_eq!(answer.status().as_u16(), 504);
    let body: serde_json::Value = answer.json().await?;
    assert_eq!(body["error"]["reason"], "TOKEN_NOT_REACHED", "{body}");
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
        (String::from_utf8(flipped)?, "TOKEN_DAMAGED"),
        (format!("{good}!"), "TOKEN_MALFORMED"),
        ("A".repeat(100_000), "TOKEN_MALFORMED"),
        (strange_token("strangers", "n1", 1), "TOKEN_OTHER_CLUSTER"),
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
async fn a_step_tells_how_far_it_got() -> Result<()> {
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
    use psi_api::replica::{Frame, News, Open, frame::Body};
    let member = Member::start(settings("n1", &[])).await?;
    let open = Open {
        cluster: "psi-field".to_owned(),
        node: "n9".to_owned(),
        protocol_min: 1,
        protocol_max: 1,
        wall_ms: u64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_millis())?,
        ..Default::default()
    };
    let listing = News { number: 1, restart: true, complete: true, ..Default::default() };
    let frames = [Body::Open(open), Body::News(listing)].map(|body| Frame { body: Some(body) });
    let address = format!("http://{}", member.node.addresses().grpc);
    let mut client = psi_api::v1::replication_service_client::ReplicationServiceClient::connect(address).await?;
    // The link stays open, and nothing more is said on it.
    let frames = tokio_stream::StreamExt::chain(tokio_stream::iter(frames), tokio_stream::pending());
    let mut answers = client.link(frames).await?.into_inner();
    let mut until = async |wanted: fn(&Body) -> bool| -> Result<()> {
        while !answers.message().await?.context("the link ended")?.body.is_some_and(|body| wanted(&body)) {}
        Ok(())
    };
    until(|body| matches!(body, Body::Heard(_))).await.context("it knows the peer now")?;
    let request = StepRequest { replicate_to: ReplicationLevel::One.into(), deadline_ms: PATIENT_MS, ..step() };
    let (mut field, first) = (member.field.clone(), request.clone());
    let waiting = tokio::spawn(async move { field.step(first).await });
    until(|body| matches!(body, Body::Pass(_))).await?;
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
    // Whoever repeats it waits until the node has noticed that the first caller is gone.
    let again = take(&member, StepRequest { deadline_ms: PATIENT_MS, ..request }).await?;
    let replicated = again.replicated.context("a level")?;
    assert_eq!((again.k, replicated.level(), replicated.nodes, replicated.of), (1, ReplicationLevel::Local, 1, 2));
    assert_eq!(member.state("").await?.k, 1);
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

#[tokio::test(flavor = "multi_thread")]
async fn http_takes_the_terms_in_the_address_or_in_the_body() -> Result<()> {
    let members = cluster(2).await?;
    let url = |at: usize, path: &str| format!("http://{}{path}", members[at].node.addresses().http);
    let client = reqwest::Client::new();
    let post = async |url: String, body: serde_json::Value| -> Result<(u16, serde_json::Value)> {
        let answer = client.post(url).json(&body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    };
    let x = serde_json::json!({ "x": INCIDENT });
    let (_, first) = post(url(0, "/step?replicate_to=one&deadline_ms=30000&request_id=a"), x.clone()).await?;
    assert_eq!(first["replicated"], serde_json::json!({ "level": "one", "nodes": 2, "of": 2 }), "{first}");
    let named = serde_json::json!({ "x": INCIDENT, "request_id": "a" });
    assert_eq!(post(url(0, "/step"), named.clone()).await?.1, first);
    let after =
        serde_json::json!({ "x": INCIDENT, "after": first["token"], "deadline_ms": 30_000, "request_id": null });
    let (_, second) = post(url(1, "/step"), after).await?;
    assert_eq!((&second["k"], &second["node"]), (&2.into(), &"n2".into()), "{second}");
    let token = second["token"].as_str().context("a token")?;
    let state = reqwest::get(url(0, &format!("/state?after={token}&deadline_ms=30000"))).await?;
    assert_eq!(state.json::<serde_json::Value>().await?["k"], 2);
    let nigredo = url(1, &format!("/guardian/nigredo?after={token}&replicate_to=all&deadline_ms=30000&request_id=b"));
    let (_, done) = post(nigredo, serde_json::Value::Null).await?;
    assert_eq!((&done["replicated"]["level"], &done["noise"]), (&"all".into(), &1.5.into()), "{done}");
    for (path, body, status, reason) in [
        ("/step?request_id=b", &named, 422, "BAD_BODY"),
        ("/step?request_id=a&field=other", &x, 422, "REQUEST_ID_REUSED"),
        ("/step?replicate_to=most", &x, 422, "UNKNOWN_LEVEL"),
        ("/step?deadline_ms=60001", &x, 422, "BAD_DEADLINE"),
        ("/step?deadline_ms=soon", &x, 422, "BAD_QUERY"),
        ("/step?afterr=x", &x, 422, "BAD_QUERY"),
        ("/step?after=x", &x, 422, "TOKEN_MALFORMED"),
    ] {
        let (got, answer) = post(url(0, path), body.clone()).await?;
        assert_eq!((got, &answer["error"]["reason"]), (status, &reason.into()), "{path}: {answer}");
    }
    let state = reqwest::get(url(0, "/state?request_id=a")).await?;
    assert_eq!(state.status().as_u16(), 422, "only writes have one");
    Ok(())
}
