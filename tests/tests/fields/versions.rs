//! Versions of a model as callers see them, over real sockets: every node counts the same, wherever steps were sent.

use anyhow::{Context, Result};
use psi_api::v1::{
    CreateFieldRequest, ListVersionsRequest, ListVersionsResponse, ModelVersion, StepBatchRequest, StepOutcome,
    StepRequest, StepResponse, StepStreamResponse, Vector, step_stream_response::Outcome,
    version_service_client::VersionServiceClient,
};
use psi_tests::{Member, eventually, settings};
use serde_json::{Value, json};
use tonic::{Code, Status, transport::Channel};

use crate::refused;

/// Three nodes with two versions of a model.
struct Models {
    members: Vec<Member>,
}

fn outcome(error: bool, latency_ms: Option<f64>) -> Option<StepOutcome> {
    Some(StepOutcome { error, latency_ms })
}

/// A step of `churn@VERSION`.
fn step(version: &str) -> StepRequest {
    let (field, version, input) = ("churn".to_owned(), Some(version.to_owned()), vec![0.5, 1.5]);
    StepRequest { field, version, input, ..StepRequest::default() }
}

impl Models {
    async fn start() -> Result<Self> {
        let first = Member::start(settings("n1", &[])).await?;
        let seeds = [first.node.addresses().gossip];
        let (second, third) =
            (Member::start(settings("n2", &seeds)).await?, Member::start(settings("n3", &seeds)).await?);
        let models = Self { members: vec![first, second, third] };
        let token = models.create(&["churn@v1", "churn@v2"]).await?;
        for member in 0..3 {
            models.list(member, &token).await?;
        }
        Ok(models)
    }

    async fn create(&self, fields: &[&str]) -> Result<String> {
        let mut token = String::new();
        for name in fields {
            let engine = "synthetic".to_owned();
            let request = CreateFieldRequest { name: (*name).to_owned(), engine, width: 2, ..Default::default() };
            token = self.members[0].field.clone().create_field(request).await?.into_inner().token;
        }
        Ok(token)
    }

    async fn step(&self, member: usize, request: StepRequest) -> Result<StepResponse, Status> {
        Ok(self.members[member].field.clone().step(request).await?.into_inner())
    }

    async fn list(&self, member: usize, after: &str) -> Result<ListVersionsResponse> {
        let address = format!("http://{}", self.members[member].node.addresses().grpc);
        let mut versions = VersionServiceClient::new(Channel::from_shared(address)?.connect_lazy());
        let (model, after) = ("churn".to_owned(), after.to_owned());
        let request = ListVersionsRequest { model, after, deadline_ms: 20_000 };
        Ok(versions.list_versions(request).await?.into_inner())
    }

    async fn http(&self, member: usize, method: reqwest::Method, path: &str, body: Value) -> Result<(u16, Value)> {
        let url = format!("http://{}{path}", self.members[member].node.addresses().http);
        let answer = reqwest::Client::new().request(method, url).json(&body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// What every node says, once all hold so many outcomes.
    async fn agreed(&self, outcomes: u64) -> Result<Vec<ModelVersion>> {
        eventually("all nodes count the same", async || {
            let mut counted = Vec::new();
            for member in 0..3 {
                counted.push(self.list(member, "").await?.versions);
            }
            let all = counted[0].iter().map(|version| version.outcomes).sum::<u64>();
            Ok(all == outcomes && counted.iter().all(|one| *one == counted[0]))
        })
        .await?;
        Ok(self.list(0, "").await?.versions)
    }
}

/// 12 steps of v2 and five of v1, by every way there is, to one node after the other.
async fn take_steps(models: &Models) -> Result<()> {
    for turn in 0..12_usize {
        let latency = (turn % 3 != 2).then_some(10.0 + turn as f64);
        let (key, outcome) = (Some(format!("user-{turn}")), outcome(turn % 4 == 0, latency));
        let answer = models.step(turn % 3, StepRequest { key, outcome, ..step("v2") }).await?;
        assert_eq!((answer.field.as_str(), answer.version.as_str()), ("churn@v2", "v2"));
    }
    // The whole name is the same field, and what nobody says counts as a step alone.
    let whole = StepRequest { field: "churn@v1".to_owned(), version: None, ..step("v1") };
    let answer = models.step(1, StepRequest { outcome: outcome(true, Some(0.5)), ..whole.clone() }).await?;
    assert_eq!((answer.field.as_str(), answer.version.as_str()), ("churn@v1", "v1"));
    models.step(2, whole).await?;
    let outcomes = [(true, None), (false, Some(1.5))].map(|(error, latency_ms)| StepOutcome { error, latency_ms });
    let batch = StepBatchRequest {
        field: "churn".to_owned(),
        version: Some("v1".to_owned()),
        inputs: vec![Vector { values: vec![0.5, 1.5] }; 2],
        keys: vec!["a".to_owned(), "b".to_owned()],
        outcomes: outcomes.to_vec(),
        ..StepBatchRequest::default()
    };
    let steps = models.members[0].field.clone().step_batch(batch).await?.into_inner().steps;
    assert!(steps.iter().all(|step| step.version == "v1"));
    let body =
        json!({ "field": "churn", "version": "v1", "x": [0.5, 1.5], "key": "c", "outcome": { "latency_ms": 4 } });
    let (status, answer) = models.http(2, reqwest::Method::POST, "/step", body).await?;
    assert_eq!((status, &answer["field"], &answer["version"]), (200, &json!("churn@v1"), &json!("v1")), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_counts_what_came_of_steps_on_any() -> Result<()> {
    let models = Models::start().await?;
    take_steps(&models).await?;
    let versions = models.agreed(16).await?;
    let [v1, v2] = &versions[..] else { anyhow::bail!("{versions:?}") };
    assert_eq!((v1.version.as_str(), v1.field.as_str(), v1.steps, v1.outcomes, v1.errors), ("v1", "churn@v1", 5, 4, 2));
    let latency = v1.latency_ms.context("latencies")?;
    assert_eq!((v1.error_rate, latency.steps, latency.mean), (Some(0.5), 3, 2.0));
    assert_eq!((v2.version.as_str(), v2.steps, v2.outcomes, v2.errors), ("v2", 12, 12, 3));
    let latency = v2.latency_ms.context("latencies")?;
    assert_eq!((v2.error_rate, latency.steps, latency.mean), (Some(0.25), 8, 15.0));
    for member in 0..3 {
        let path = "/api/v1/models/churn/versions";
        let (status, answer) = models.http(member, reqwest::Method::GET, path, json!(null)).await?;
        let want = json!([
            { "version": "v1", "stage": null, "field": "churn@v1", "steps": 5, "outcomes": 4, "errors": 2,
              "error_rate": 0.5, "latency_ms": { "steps": 3, "mean": 2.0 } },
            { "version": "v2", "stage": null, "field": "churn@v2", "steps": 12, "outcomes": 12, "errors": 3,
              "error_rate": 0.25, "latency_ms": { "steps": 8, "mean": 15.0 } },
        ]);
        assert_eq!((status, &answer["content"], &answer["model"]), (200, &want, &json!("churn")), "{answer}");
        let metrics = reqwest::get(format!("http://{}/metrics", models.members[member].node.addresses().http)).await?;
        let text = metrics.text().await?;
        for line in [
            "psi_version_outcomes{model=\"churn\",version=\"v2\"} 12",
            "psi_version_errors{model=\"churn\",version=\"v1\"} 2",
            "psi_version_timed_outcomes{model=\"churn\",version=\"v2\"} 8",
            "psi_version_latency_sum_seconds{model=\"churn\",version=\"v1\"} 0.006",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is missing");
        }
    }
    Ok(())
}

/// Requests that are refused over gRPC: what is wrong with them, the reason, and what the message says.
fn refusals() -> Vec<(StepRequest, &'static str, &'static str)> {
    let good = || StepRequest { outcome: outcome(false, Some(1.0)), ..step("v1") };
    let unversioned = |field: &str| StepRequest { field: field.to_owned(), version: None, ..good() };
    let late = |ms| StepRequest { outcome: outcome(false, Some(ms)), ..step("v1") };
    vec![
        (unversioned(""), "BAD_OUTCOME", "names no version"),
        (StepRequest { key: Some(String::new()), ..good() }, "BAD_KEY", "0 bytes: give 1 to 256"),
        (StepRequest { key: Some("x".repeat(257)), ..good() }, "BAD_KEY", "257 bytes"),
        (StepRequest { version: Some(String::new()), ..good() }, "BAD_NAME", "is empty"),
        (StepRequest { version: Some("a@b".to_owned()), ..good() }, "BAD_NAME", "holds an `@`"),
        (StepRequest { version: Some("a/b".to_owned()), ..good() }, "BAD_NAME", "holds a `/`"),
        (StepRequest { field: "churn@v1".to_owned(), ..good() }, "BAD_NAME", "holds an `@`"),
        (unversioned("churn@v1@v2"), "BAD_NAME", "with one @ between them"),
        (unversioned("churn@"), "BAD_NAME", "with one @ between them"),
        (unversioned("a/b@v1"), "BAD_NAME", "with one @ between them"),
        (late(-0.1), "BAD_OUTCOME", "give 0 to 3,600,000 ms"),
        (late(3_600_000.1), "BAD_OUTCOME", "give 0 to 3,600,000 ms"),
        (late(f64::NAN), "BAD_OUTCOME", "give 0 to 3,600,000 ms"),
        (StepRequest { version: Some("v9".to_owned()), ..good() }, "UNKNOWN_FIELD", "churn@v9"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() -> Result<()> {
    let models = Models::start().await?;
    models.step(0, StepRequest { outcome: outcome(false, Some(1.0)), ..step("v1") }).await?;
    let before = models.agreed(1).await?;
    for (request, reason, says) in refusals() {
        let code = if reason == "UNKNOWN_FIELD" { Code::NotFound } else { Code::InvalidArgument };
        refused(says, models.step(0, request.clone()).await, code, reason, says);
        // As one of a stream, it is an answer.
        let stream = tokio_stream::iter([request.clone()]);
        let mut answers = models.members[0].field.clone().step_stream(stream).await?.into_inner();
        match answers.message().await? {
            Some(StepStreamResponse { outcome: Some(Outcome::Error(error)), .. }) => assert_eq!(error.reason, reason),
            other => anyhow::bail!("{request:?}: {other:?}"),
        }
    }
    let batch = |keys: &[&str], outcomes| StepBatchRequest {
        field: "churn".to_owned(),
        version: Some("v1".to_owned()),
        inputs: vec![Vector { values: vec![0.5, 1.5] }; 2],
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        outcomes: vec![StepOutcome { error: false, latency_ms: Some(7e6) }; outcomes],
        ..StepBatchRequest::default()
    };
    for (request, reason, says) in [
        (batch(&["a"], 0), "BAD_OUTCOME", "1 keys were given for 2 steps"),
        (batch(&[], 3), "BAD_OUTCOME", "3 outcomes were given for 2 steps"),
        (batch(&["a", ""], 0), "BAD_KEY", "0 bytes"),
        (batch(&["a", "b"], 2), "BAD_OUTCOME", "7000000 is out of range"),
    ] {
        let answer = models.members[0].field.clone().step_batch(request).await;
        refused(says, answer, Code::InvalidArgument, reason, says);
    }
    for (body, reason) in [
        (json!({ "x": [0.5, 1.5], "field": "churn", "outcome": {} }), "BAD_OUTCOME"),
        (json!({ "x": [0.5, 1.5], "field": "churn", "version": "v1", "outcome": { "latency": 3 } }), "BAD_BODY"),
        (json!({ "x": [0.5, 1.5], "field": "churn", "version": "v1", "outcome": { "error": 1 } }), "BAD_BODY"),
        (json!({ "x": [0.5, 1.5], "field": "churn", "version": "v1", "outcome": 3 }), "BAD_BODY"),
        (json!({ "x": [0.5, 1.5], "field": "churn", "version": 1 }), "BAD_BODY"),
        (json!({ "x": [0.5, 1.5], "field": "churn", "version": "v1", "key": "" }), "BAD_KEY"),
        (json!({ "x": [0.5, 1.5], "field": "churn", "version": "", "key": "a" }), "BAD_NAME"),
    ] {
        let (status, answer) = models.http(1, reqwest::Method::POST, "/step", body.clone()).await?;
        assert_eq!((status, &answer["error"]["reason"]), (422, &json!(reason)), "{body}: {answer}");
    }
    assert_eq!(models.agreed(1).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_version_that_takes_steps_is_refused() -> Result<()> {
    let models = Models::start().await?;
    let token = models.create(&["churn@v3", "churn@v4", "churn@v5"]).await?;
    for version in ["v1", "v2", "v3", "v4"] {
        models.step(0, step(version)).await?;
    }
    let fifth = StepRequest { outcome: outcome(false, None), ..step("v5") };
    let says = "version v5 would be live beside v1, v2, v3, v4";
    refused(says, models.step(0, fifth).await, Code::FailedPrecondition, "TOO_MANY_VERSIONS", says);
    let listed = models.list(0, &token).await?.versions;
    let steps: Vec<(&str, u64)> = listed.iter().map(|version| (version.version.as_str(), version.steps)).collect();
    assert_eq!(steps, [("v1", 1), ("v2", 1), ("v3", 1), ("v4", 1), ("v5", 0)]);
    Ok(())
}
