//! Bad input over real sockets: each is refused by name, and state and digest are as before.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use psi_api::{
    replica::{Delta, Entry, Frame, FrontierUpdate, Hello, Origin, frame::Body},
    v1::{self, replication_service_client::ReplicationServiceClient},
};
use psi_tests::{DEADLINE, INCIDENT, Member, settings};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

async fn node_with_a_step() -> Result<Member> {
    let member = Member::start(settings("n1", &[])).await?;
    member.step("", &INCIDENT).await?;
    Ok(member)
}

fn check(what: &str, refused: Result<(), Status>, code: Code, reason: &str) {
    let status = refused.expect_err(what);
    let (got, _) = psi_api::cause_of(&status).unwrap_or_default();
    assert_eq!((status.code(), got.as_str()), (code, reason), "{what}: {status}");
    assert!(!status.message().is_empty(), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_calls_are_refused_by_name_and_change_nothing() -> Result<()> {
    let member = node_with_a_step().await?;
    let before = (member.agreement().await?, member.state("").await?.k);
    let with = |at: usize, value: f64| {
        let mut input = INCIDENT;
        input[at] = value;
        input.to_vec()
    };
    for (what, field, input, code, reason) in [
        ("narrow", "", vec![1.0; 15], Code::InvalidArgument, "WRONG_WIDTH"),
        ("wide", "", vec![1.0; 17], Code::InvalidArgument, "WRONG_WIDTH"),
        ("empty", "", vec![], Code::InvalidArgument, "WRONG_WIDTH"),
        ("NaN", "", with(3, f64::NAN), Code::InvalidArgument, "NOT_FINITE"),
        ("infinity", "", with(15, f64::NEG_INFINITY), Code::InvalidArgument, "NOT_FINITE"),
        ("too large", "", with(0, 16_777_216.0), Code::InvalidArgument, "OUT_OF_RANGE"),
        ("unknown field", "nowhere", INCIDENT.to_vec(), Code::NotFound, "UNKNOWN_FIELD"),
        ("bad name", "no where", INCIDENT.to_vec(), Code::InvalidArgument, "BAD_NAME"),
    ] {
        check(what, member.step(field, &input).await.map(|_| ()), code, reason);
    }
    let mut client = member.field.clone();
    let vector = |values: &[f64]| v1::Vector { values: values.to_vec() };
    let batch = |inputs| v1::StepBatchRequest { inputs, ..Default::default() };
    let mixed = client.step_batch(batch(vec![vector(&INCIDENT), vector(&[1.0])])).await.map(|_| ());
    check("a batch with one bad vector", mixed, Code::InvalidArgument, "WRONG_WIDTH");
    let none = client.step_batch(batch(vec![])).await.map(|_| ());
    check("an empty batch", none, Code::InvalidArgument, "BATCH_SIZE");
    let shape = v1::CreateFieldRequest { name: "wide".to_owned(), width: 5000, ..Default::default() };
    check("too wide", client.create_field(shape).await.map(|_| ()), Code::InvalidArgument, "BAD_SHAPE");
    let engine = v1::CreateFieldRequest { name: "e".to_owned(), engine: "synthetik".to_owned(), ..Default::default() };
    check("no such engine", client.create_field(engine).await.map(|_| ()), Code::InvalidArgument, "UNKNOWN_ENGINE");
    let parameters = vec![v1::Parameter { name: "dt".to_owned(), value: -1.0 }];
    let reset = v1::ResetFieldRequest { name: "default".to_owned(), parameters, ..Default::default() };
    check("bad parameter", client.reset_field(reset).await.map(|_| ()), Code::InvalidArgument, "BAD_PARAMETER");
    let again = v1::CreateFieldRequest { name: "default".to_owned(), ..Default::default() };
    check("it exists", client.create_field(again).await.map(|_| ()), Code::AlreadyExists, "FIELD_EXISTS");
    let drop = v1::DropFieldRequest { name: "default".to_owned() };
    check("protected", client.drop_field(drop).await.map(|_| ()), Code::FailedPrecondition, "PROTECTED_FIELD");
    let action = v1::InterveneRequest { action: 9, ..Default::default() };
    check("no such action", client.intervene(action).await.map(|_| ()), Code::InvalidArgument, "UNKNOWN_ACTION");
    let large = v1::StepRequest { input: vec![0.5; 1_300_000], ..Default::default() };
    assert!(client.step(large).await.is_err(), "a message of 10 MB");

    assert_eq!((member.agreement().await?, member.state("").await?.k), before);
    Ok(())
}

/// A stranger on a link: what it sends goes out as it is.
struct Stranger {
    frames: mpsc::Sender<Frame>,
    answers: Streaming<Frame>,
}

impl Stranger {
    async fn dial(member: &Member) -> Result<Self> {
        let address = format!("http://{}", member.node.addresses().grpc);
        let (frames, outbound) = mpsc::channel(16);
        let mut client = ReplicationServiceClient::connect(address).await?;
        let answers = client.link(ReceiverStream::new(outbound)).await?.into_inner();
        let mut stranger = Self { frames, answers };
        let wall_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        stranger
            .send(Body::Hello(Hello {
                cluster: "psi-field".to_owned(),
                node: "stranger".to_owned(),
                protocol_min: 1,
                protocol_max: 1,
                wall_ms,
                ..Default::default()
            }))
            .await?;
        stranger.answer(|body| matches!(body, Body::Hello(_)).then_some(())).await?;
        Ok(stranger)
    }

    async fn send(&mut self, body: Body) -> Result<()> {
        Ok(self.frames.send(Frame { body: Some(body) }).await?)
    }

    /// The first answer that `wanted` takes.
    async fn answer<T>(&mut self, wanted: impl Fn(Body) -> Option<T>) -> Result<T> {
        let search = async {
            while let Some(frame) = self.answers.message().await? {
                if let Some(found) = frame.body.and_then(&wanted) {
                    return Ok(found);
                }
            }
            bail!("the link closed without the answer")
        };
        tokio::time::timeout(DEADLINE, search).await.context("no answer")?
    }

    /// Sends a delta of one frame; gives the reason by which it is refused.
    async fn refused(&mut self, delta: Delta) -> Result<String> {
        self.send(Body::Delta(delta)).await?;
        self.answer(|body| match body {
            Body::Nack(refusal) => Some(refusal.reason),
            _ => None,
        })
        .await
    }
}

fn origin(node: &str, incarnation: u64) -> Option<Origin> {
    Some(Origin { node: node.to_owned(), incarnation })
}

/// A delta in one frame, of one entry of a lane that nobody knows, as its origin would send it.
fn delta(node: &str, incarnation: u64, number: u64, base: u64, version: u64) -> Delta {
    let writer = psi_replica::Origin { node: node.parse().expect("a valid name"), incarnation };
    let field = psi_replica::FieldName::default_field();
    let key = psi_replica::Key {
        scope: psi_replica::Scope::Epoch(field, psi_replica::Epoch(0)),
        lane: psi_replica::Lane(99),
        index: 0,
    };
    let digest = psi_replica::Digest::of_entry(&writer, &key, psi_replica::Version(version), b"");
    Delta {
        origin: origin(node, incarnation),
        number,
        base,
        version,
        last: true,
        digest: digest.to_bytes().to_vec().into(),
        entries: vec![Entry { field: "default".to_owned(), epoch: Some(0), lane: 99, version, ..Default::default() }],
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_deltas_are_refused_by_name_and_change_nothing() -> Result<()> {
    let member = node_with_a_step().await?;
    let before = member.agreement().await?;
    let own = member.cluster.clone().get_frontier(v1::GetFrontierRequest {}).await?.into_inner().origins;
    let now_us = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let a_day = Duration::from_secs(86_400).as_micros();
    let tomorrow = now_us + u64::try_from(a_day)?;
    let mut stranger = Stranger::dial(&member).await?;
    for (want, delta) in [
        ("version_gap", delta("a", now_us, 1, 7, 9)),
        ("own_origin", delta(&own[0].node, own[0].incarnation, 2, 0, 9)),
        ("digest_mismatch", Delta { digest: vec![1; 32].into(), ..delta("a", now_us, 3, 0, 1) }),
        ("clock_ahead", delta("b", tomorrow, 4, 0, 1)),
    ] {
        assert_eq!(stranger.refused(delta).await?, want);
        assert_eq!(member.agreement().await?, before, "{want}");
    }
    // The same delta is taken where nothing is wrong with it.
    stranger.send(Body::Delta(delta("a", now_us, 5, 0, 1))).await?;
    stranger.answer(|body| matches!(body, Body::Ack(_)).then_some(())).await?;
    assert_ne!(member.agreement().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_claims_a_nodes_own_future_is_cut_off() -> Result<()> {
    let member = node_with_a_step().await?;
    let before = member.agreement().await?;
    let own = member.cluster.clone().get_frontier(v1::GetFrontierRequest {}).await?.into_inner().origins;
    let mut stranger = Stranger::dial(&member).await?;
    let origins = origin(&own[0].node, own[0].incarnation).into_iter().collect();
    let moved = vec![0, own[0].version + 1];
    stranger
        .send(Body::FrontierUpdate(FrontierUpdate {
            number: 1,
            origins,
            moved,
            restart: true,
            complete: true,
            ..Default::default()
        }))
        .await?;
    let error = stranger.answer(|_| None::<()>).await.expect_err("the link is closed");
    let status = error.downcast_ref::<Status>().context("a status")?;
    check("own future", Err(status.clone()), Code::FailedPrecondition, "OWN_FUTURE");
    assert_eq!(member.agreement().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_beyond_the_limits_is_refused_by_name_and_counted() -> Result<()> {
    let member = node_with_a_step().await?;
    let before = member.agreement().await?;
    let long = vec![0; psi_replica::FRAME_ENCODED_MAX + 1];
    let too_long = Delta { digest: long.into(), ..delta("a", 1, 1, 0, 1) };
    let too_many = Delta { entries: vec![Entry::default(); 100_000], ..delta("a", 1, 1, 0, 1) };
    for (what, delta) in [("too long", too_long), ("too many entries", too_many)] {
        let mut stranger = Stranger::dial(&member).await?;
        stranger.send(Body::Delta(delta)).await?;
        let error = stranger.answer(|_| None::<()>).await.expect_err("the link is closed");
        let status = error.downcast_ref::<Status>().context("a status")?;
        check(what, Err(status.clone()), Code::InvalidArgument, "NOT_A_FRAME");
    }
    let metrics = reqwest::get(format!("http://{}/metrics", member.node.addresses().http)).await?.text().await?;
    assert!(metrics.contains("psi_replica_refused_total{reason=\"not_a_frame\"} 2"), "{metrics}");
    assert_eq!(member.agreement().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_introduce_itself_is_sent_away() -> Result<()> {
    let member = node_with_a_step().await?;
    let mut client = ReplicationServiceClient::connect(format!("http://{}", member.node.addresses().grpc)).await?;
    let (_silent, frames) = mpsc::channel(1);
    let mut answers = client.link(ReceiverStream::new(frames)).await?.into_inner();
    let refused = async {
        while answers.message().await?.is_some() {}
        Ok(())
    };
    let refused = tokio::time::timeout(DEADLINE, refused).await.context("it is still there")?;
    check("silent", refused, Code::DeadlineExceeded, "SILENT_PEER");
    Ok(())
}
