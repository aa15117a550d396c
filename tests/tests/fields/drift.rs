//! Drift as callers see it, over real sockets: the same from every node, by gRPC, HTTP and in metrics.

use std::time::Duration;

use anyhow::{Context, Result};
use psi_api::v1::{
    ClearBaselineRequest, CreateFieldRequest, DriftReport, DriftStatus, GetDriftRequest, Parameter, SetBaselineRequest,
    StepBatchRequest, StepResponse, Vector, drift_service_client::DriftServiceClient,
};
use psi_tests::{Member, settings};
use serde_json::{Value, json};
use tonic::{Code, transport::Channel};

const FIELD: &str = "plant.pumps";
/// Steps in a batch, and the time between two: 200 steps a second.
const BATCH: usize = 20;
const EVERY: Duration = Duration::from_millis(100);

/// Three nodes, and a source of vectors for them.
struct Plant {
    members: Vec<Member>,
    drift: Vec<DriftServiceClient<Channel>>,
    taken: u64,
}

impl Plant {
    async fn start() -> Result<Self> {
        let first = Member::start(settings("n1", &[])).await?;
        let seeds = [first.node.addresses().gossip];
        let members =
            vec![first, Member::start(settings("n2", &seeds)).await?, Member::start(settings("n3", &seeds)).await?];
        let mut drift = Vec::new();
        for member in &members {
            let address = format!("http://{}", member.node.addresses().grpc);
            drift.push(DriftServiceClient::new(Channel::from_shared(address)?.connect_lazy()));
        }
        let parameters = vec![Parameter { name: "baseline_after".to_owned(), value: 0.0 }];
        let request = CreateFieldRequest {
            name: FIELD.to_owned(),
            engine: "synthetic".to_owned(),
            width: 3,
            parameters,
            names: ["temp", "vibration", "speed"].map(str::to_owned).to_vec(),
            ..Default::default()
        };
        let token = members[0].field.clone().create_field(request).await?.into_inner().token;
        for drift in &drift {
            let request = GetDriftRequest { field: FIELD.to_owned(), after: token.clone(), deadline_ms: 20_000 };
            drift.clone().get_drift(request).await?;
        }
        Ok(Self { members, drift, taken: 0 })
    }

    /// About normal numbers, none of them like another; the first one shifted.
    fn vector(&mut self, shift: f64) -> Vector {
        let normal = |column: u64| {
            let parts = (0..12_u64).map(|part| {
                let hash = (self.taken * 36 + column * 12 + part).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
            });
            parts.sum::<f64>() - 6.0
        };
        let values = vec![10.0 + normal(0) + shift, normal(1), 500.0 + 30.0 * normal(2)];
        self.taken += 1;
        Vector { values }
    }

    /// Sends steps to one node after the other, until one is answered as wanted; at most for so many seconds.
    async fn feed(
        &mut self,
        shift: f64,
        seconds: u64,
        is_wanted: impl Fn(&StepResponse) -> bool,
    ) -> Result<Option<StepResponse>> {
        let mut due = tokio::time::interval(EVERY);
        for turn in 0..usize::try_from(seconds * 10)? {
            due.tick().await;
            let inputs = (0..BATCH).map(|_| self.vector(shift)).collect();
            let request = StepBatchRequest { field: FIELD.to_owned(), inputs, ..Default::default() };
            let mut member = self.members[turn % 3].field.clone();
            let last = member.step_batch(request).await?.into_inner().steps.pop().context("an answer each")?;
            if is_wanted(&last) {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    /// What every node says, once all hold the same.
    async fn reports(&self) -> Result<Vec<DriftReport>> {
        let said = std::sync::Mutex::new(Vec::new());
        psi_tests::eventually("all nodes say the same", async || {
            let mut reports = Vec::new();
            for drift in &self.drift {
                let request = GetDriftRequest { field: FIELD.to_owned(), ..Default::default() };
                let report = drift.clone().get_drift(request).await?.into_inner();
                reports.push(DriftReport { node: String::new(), token: String::new(), ..report });
            }
            let is_same = reports.windows(2).all(|two| two[0] == two[1]);
            *said.lock().expect("nobody panics with it") = reports;
            Ok(is_same)
        })
        .await?;
        Ok(said.into_inner().expect("nobody panics with it"))
    }

    async fn http(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let url = format!("http://{}{path}", self.members[1].node.addresses().http);
        let request = reqwest::Client::new().request(method, url).header("X-Tenant-ID", "plant");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

fn status(step: &StepResponse) -> DriftStatus {
    step.drift.as_ref().map_or(DriftStatus::Unspecified, |drift| drift.status())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_said_by_every_node_in_every_way() -> Result<()> {
    use reqwest::Method;

    let mut plant = Plant::start().await?;
    let refused = plant.http(Method::POST, "/api/v1/drift/models/pumps/baseline", Some(json!({}))).await?;
    assert_eq!((refused.0, &refused.1["error"]["reason"]), (409, &json!("TOO_FEW_INPUTS")), "{refused:?}");
    assert!(plant.feed(0.0, 13, |step| status(step) != DriftStatus::NoBaseline).await?.is_none());

    let asked = json!({ "version": "v1", "source": "test", "windowDays": 1 });
    let (code, set) = plant.http(Method::POST, "/api/v1/drift/models/pumps/baseline", Some(asked)).await?;
    assert_eq!((code, &set["baseline"]["version"], &set["model"]), (200, &json!("v1"), &json!("pumps")), "{set}");
    assert!(set["baseline"]["inputs"].as_u64() > Some(1000), "{set}");
    let stable = plant.feed(0.0, 5, |step| status(step) == DriftStatus::Stable).await?;
    assert!(stable.is_some(), "it never says that all is well");

    let found = plant.feed(1.2, 10, |step| status(step) >= DriftStatus::Warning).await?.context("it is found")?;
    let said = found.drift.context("a verdict")?;
    assert_eq!((said.columns.as_slice(), said.column_names.as_slice()), (&[0][..], &["temp".to_owned()][..]));
    let reports = plant.reports().await?;
    let drift = reports[0].drift.clone().context("a verdict")?;
    assert!(drift.severity >= 0.5 && drift.columns == [0], "{drift:?}");
    assert!(reports[0].since.is_some() && reports[0].baseline.is_some());
    assert_eq!(drift.column_names, ["temp"]);
    let singles = reports[0].columns.iter().filter(|column| column.paired_with.is_none());
    let mut named: Vec<(u32, &str)> = singles.map(|column| (column.column, column.name.as_str())).collect();
    named.sort_unstable();
    assert_eq!(named, [(0, "temp"), (1, "vibration"), (2, "speed")]);

    let (_, shown) = plant.http(Method::GET, "/api/v1/drift/models/pumps/status", None).await?;
    assert_eq!((&shown["driftDetected"], &shown["severity"]), (&json!(true), &json!(drift.severity)), "{shown}");
    assert_eq!((&shown["columns"], &shown["columnNames"]), (&json!([0]), &json!(["temp"])), "{shown}");
    let (_, models) = plant.http(Method::GET, "/api/v1/drift/models", None).await?;
    assert_eq!(models["content"].as_array().map(Vec::len), Some(1), "of this tenant alone: {models}");
    let (_, analysis) = plant.http(Method::GET, "/api/v1/drift/models/pumps/analyze", None).await?;
    assert!(analysis["analysis"].as_array().map(Vec::len) >= Some(3), "{analysis}");
    assert!(
        analysis["analysis"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "temp")),
        "{analysis}"
    );
    let (_, state) = plant.http(Method::GET, &format!("/state?field={FIELD}"), None).await?;
    assert_eq!(state["drift"]["severity"], json!(drift.severity));
    assert_eq!(state["drift"]["column_names"], json!(["temp"]), "{state}");
    let url = format!("http://{}/metrics", plant.members[2].node.addresses().http);
    let metrics = reqwest::get(url).await?.text().await?;
    let line = format!("psi_drift_severity{{model=\"{FIELD}\",version=\"v1\"}} {}", drift.severity);
    assert!(metrics.contains(&line), "{line} is not in {metrics}");

    let (code, cleared) = plant.http(Method::DELETE, "/api/v1/drift/models/pumps/baseline", None).await?;
    assert_eq!(
        (code, &cleared["status"], &cleared["baseline"]),
        (200, &json!("NO_BASELINE"), &Value::Null),
        "{cleared}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_done_is_refused_with_its_reason() -> Result<()> {
    use reqwest::Method;

    let plant = Plant::start().await?;
    for (method, path, body, code, reason) in [
        (Method::GET, "/api/v1/drift/models/none/status", None, 404, "UNKNOWN_FIELD"),
        (Method::POST, "/api/v1/drift/models/pumps/baseline", Some(json!({ "windowDays": 1.5 })), 422, "BAD_BODY"),
        (
            Method::POST,
            "/api/v1/drift/models/pumps/baseline",
            Some(json!({ "windowDays": 40_000 })),
            422,
            "BAD_BASELINE",
        ),
        (Method::POST, "/api/v1/drift/models/pumps/baseline", Some(json!({ "version": "a\nb" })), 422, "BAD_BASELINE"),
        (Method::GET, "/api/v1/drift/models/pumps/status?field=x", None, 422, "BAD_QUERY"),
        (Method::PUT, "/api/v1/config/drift", Some(json!({ "autoRemediationEnabled": true })), 404, "UNKNOWN_MODEL"),
        (Method::PUT, "/api/v1/config/drift", Some(json!({})), 422, "BAD_BODY"),
    ] {
        let (got, answer) = plant.http(method, path, body).await?;
        assert_eq!((got, &answer["error"]["reason"]), (code, &json!(reason)), "{path}: {answer}");
    }
    let off = json!({ "autoRemediationEnabled": false });
    assert_eq!(plant.http(Method::PUT, "/api/v1/config/drift", Some(off)).await?.0, 200);
    let (code, health) = plant.http(Method::GET, "/actuator/health", None).await?;
    assert_eq!((code, &health["status"]), (200, &json!("UP")));

    let too_few = SetBaselineRequest { field: FIELD.to_owned(), ..Default::default() };
    let refused = plant.drift[0].clone().set_baseline(too_few).await.expect_err("no steps were taken");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let unnamed = plant.drift[0].clone().clear_baseline(ClearBaselineRequest::default()).await;
    assert_eq!(unnamed.expect_err("an empty name is no field").code(), Code::InvalidArgument);
    Ok(())
}
