//! Drift leads to a rollout over real sockets: only where somebody said so, once, and the same on all nodes.

use std::time::Duration;

use anyhow::{Result, ensure};
use psi_api::v1::{self, rollout_service_client::RolloutServiceClient};
use psi_tests::{Member, eventually};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::support::three;

const MODEL: &str = "pumps";

/// Three nodes, and a source of inputs for the first version.
struct Works {
    members: [Member; 3],
    rollouts: [RolloutServiceClient<Channel>; 3],
    batches: u32,
}

impl Works {
    /// `v1` answers, and `v2` waits.
    async fn start() -> Result<Self> {
        let members = three(None).await?;
        let rollouts = members.each_ref().map(|member| {
            let address = format!("http://{}", member.node.addresses().grpc);
            RolloutServiceClient::new(Channel::from_shared(address).expect("an address").connect_lazy())
        });
        let works = Self { members, rollouts, batches: 0 };
        works.version("v1", "PRODUCTION").await?;
        works.version("v2", "STAGING").await?;
        eventually("all nodes know both versions", async || {
            let mut known = true;
            for (rollouts, member) in works.rollouts.iter().zip(&works.members) {
                let request = v1::GetModelRequest { model: MODEL.to_owned() };
                let model = rollouts.clone().get_model(request).await;
                known &= model.is_ok_and(|model| model.get_ref().versions.len() == 2);
                known &= member.state("pumps@v1").await.is_ok();
            }
            Ok(known)
        })
        .await?;
        Ok(works)
    }

    /// Makes the field of a version, and gives it a stage.
    async fn version(&self, version: &str, stage: &str) -> Result<()> {
        let (name, engine) = (format!("{MODEL}@{version}"), "synthetic".to_owned());
        let parameters = vec![v1::Parameter { name: "baseline_after".to_owned(), value: 1_000.0 }];
        let request = v1::CreateFieldRequest { name, engine, width: 3, parameters, ..Default::default() };
        self.members[0].field.clone().create_field(request).await?;
        let (model, version, stage) = (MODEL.to_owned(), version.to_owned(), stage.to_owned());
        let request = v1::SetStageRequest { model, version, stage, deadline_ms: 20_000, ..Default::default() };
        self.rollouts[0].clone().set_stage(request).await?;
        Ok(())
    }

    /// What a person does with the rollout.
    async fn change(&self, node: usize, command: &str) -> Result<()> {
        let (model, command, reason) = (MODEL.to_owned(), command.to_owned(), "not today".to_owned());
        let change = v1::ChangeRolloutRequest { model, command, reason, deadline_ms: 20_000, ..Default::default() };
        self.rollouts[node].clone().change_rollout(change).await?;
        Ok(())
    }

    /// Sends inputs of the first version to one node after the other, until `is_done`.
    async fn feed(&mut self, shift: f64, what: &str, is_done: impl AsyncFn(&Self) -> Result<bool>) -> Result<()> {
        // Four batches of 50 a second: a window needs 100 inputs.
        let mut due = tokio::time::interval(Duration::from_millis(250));
        for _ in 0..160 {
            due.tick().await;
            let batch = self.batches;
            self.batches += 1;
            let number = |row: u32, column: u32| (f64::from(batch * 50 + row) * 0.7 + f64::from(column)).sin() + shift;
            let input = |row| v1::Vector { values: (0..3).map(|column| number(row, column)).collect() };
            let (field, inputs) = ("pumps@v1".to_owned(), (0..50).map(input).collect());
            let request = v1::StepBatchRequest { field, inputs, ..Default::default() };
            self.members[batch as usize % 3].field.clone().step_batch(request).await?;
            if is_done(self).await? {
                return Ok(());
            }
        }
        anyhow::bail!("not within 40 s: {what}; {:?}", self.said(0).await?)
    }

    async fn say(&self, node: usize, mode: &str) -> Result<v1::Remediation> {
        let (model, mode) = (MODEL.to_owned(), mode.to_owned());
        let request = v1::SetRemediationRequest { model, mode, deadline_ms: 20_000, ..Default::default() };
        Ok(self.rollouts[node].clone().set_remediation(request).await?.into_inner())
    }

    async fn said(&self, node: usize) -> Result<v1::Remediation> {
        let request = v1::GetRemediationRequest { model: MODEL.to_owned() };
        Ok(self.rollouts[node].clone().get_remediation(request).await?.into_inner())
    }

    async fn plans(&self, node: usize) -> Result<Vec<v1::RemediationPlan>> {
        Ok(self.rollouts[node].clone().list_plans(v1::ListPlansRequest::default()).await?.into_inner().plans)
    }

    /// Waits until all nodes show one plan of a status, and the same one.
    async fn all_show(&self, status: &str) -> Result<v1::RemediationPlan> {
        eventually(&format!("all show one plan, {status}"), async || {
            let mut shown = Vec::new();
            for node in 0..3 {
                // What follows is said by each node in its own words.
                shown.extend(
                    self.plans(node).await?.into_iter().map(|plan| v1::RemediationPlan { next: String::new(), ..plan }),
                );
            }
            Ok(shown.len() == 3 && shown.iter().all(|plan| *plan == shown[0] && plan.status == status))
        })
        .await?;
        Ok(self.plans(0).await?.remove(0))
    }

    async fn stable(&self) -> Result<bool> {
        let address = format!("http://{}", self.members[1].node.addresses().http);
        let url = format!("{address}/api/v1/drift/models/pumps@v1/status");
        let status: Value = reqwest::get(url).await?.json().await?;
        Ok(status["status"] == "STABLE")
    }

    async fn metrics(&self, node: usize) -> Result<String> {
        let url = format!("http://{}/metrics", self.members[node].node.addresses().http);
        Ok(reqwest::get(url).await?.text().await?)
    }

    async fn http(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let url = format!("http://{}{path}", self.members[1].node.addresses().http);
        let request = reqwest::Client::new().request(method, url);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_leads_to_one_rollout_of_the_version_that_waits_once_somebody_says_so() -> Result<()> {
    use reqwest::Method;

    let mut works = Works::start().await?;
    let mut events = works.rollouts[2].clone().watch_events(v1::WatchEventsRequest::default()).await?.into_inner();
    works.feed(0.0, "a baseline", async |works| works.stable().await).await?;
    // Nothing follows before somebody says so, though the inputs drift.
    works.feed(3.0, "drift", async |works| Ok(works.said(1).await?.severity >= 0.75)).await?;
    ensure!(works.said(1).await?.next.starts_with("remediation is off") && works.plans(1).await?.is_empty());
    ensure!(works.say(1, "watch").await?.mode == "watch");
    works.feed(3.0, "a plan", async |works| Ok(!works.plans(0).await?.is_empty())).await?;
    let plan = works.all_show("PENDING").await?;
    ensure!(plan.id == "drift-pumps-1" && plan.champion == "v1" && plan.severity >= 0.75, "{plan:?}");
    ensure!(plan.next.contains("watch: with `on`, a rollout of v2 would begin"), "{plan:?}");
    let tools: Vec<&str> = plan.actions.iter().map(|action| action.tool.as_str()).collect();
    ensure!(tools == ["drift-remediation-notifier", "drift-remediation-canary"], "{plan:?}");

    // The switch that other programs know.
    let on = json!({ "autoRemediationEnabled": true });
    let (code, answer) = works.http(Method::PUT, "/api/v1/config/drift", Some(on)).await?;
    ensure!(code == 200 && answer["models"] == json!({ "pumps": "on" }), "{answer}");
    works.feed(3.0, "a rollout", async |works| Ok(works.plans(2).await?[0].status == "EXECUTING")).await?;
    let plan = works.all_show("EXECUTING").await?;
    ensure!((plan.canary.as_str(), plan.rollout.as_str()) == ("v2", "pumps-v2-1"), "{plan:?}");
    let (code, shown) = works.http(Method::GET, "/api/v1/plans/drift-pumps-1", None).await?;
    ensure!(code == 200 && shown["status"] == "EXECUTING" && shown["deployment"] == "pumps-v2-1", "{shown}");
    let (_, actions) = works.http(Method::GET, "/api/v1/actions/nexus?rimNodeId=rim:model:pumps", None).await?;
    ensure!(actions["content"][0]["tool"] == "drift-remediation-monitor", "{actions}");

    // A person stops it. Nothing begins again by itself, though the inputs drift as before.
    works.change(1, "cancel").await?;
    let plan = works.all_show("PARTIAL").await?;
    ensure!(plan.ended.is_some() && plan.actions.len() == 4, "{plan:?}");
    works
        .feed(3.0, "a reason", async |works| Ok(works.said(0).await?.next.contains("a rollout of v2 was cancelled")))
        .await?;
    ensure!(works.plans(0).await?.len() == 1 && works.said(0).await?.severity >= 0.75);
    ensure!(works.metrics(0).await?.contains(r#"psi_remediations_failed_total{model="pumps"} 1"#));
    another_version_is_tried(&mut works).await?;

    let (code, answer) =
        works.http(Method::PUT, "/api/v1/config/drift", Some(json!({ "autoRemediationEnabled": false }))).await?;
    ensure!(code == 200 && answer["models"] == json!({ "pumps": "off" }), "{answer}");
    // All of it was told on the third node.
    let wanted = ["SetRemediation", "drift", "start", "ChangeRollout"];
    let mut told = Vec::new();
    while wanted.iter().any(|wanted| !told.iter().any(|told: &String| told.contains(wanted))) {
        let event = tokio::time::timeout(Duration::from_secs(20), events.message()).await??;
        told.extend(event.map(|event| format!("{} {}", event.method, event.object)));
    }
    Ok(())
}

/// What was rolled back is rejected; all else is decided as before, and another version is tried.
async fn another_version_is_tried(works: &mut Works) -> Result<()> {
    works.change(1, "rollback").await?;
    works.say(2, "watch").await?;
    works.version("v3", "STAGING").await?;
    works.say(0, "on").await?;
    let tries = async |works: &Works| Ok(works.plans(2).await?[0].canary == "v3");
    works.feed(3.0, "a rollout of v3", tries).await?;
    works.change(2, "rollback").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_said_of_remediation_is_refused_by_name() -> Result<()> {
    use reqwest::Method;

    let works = Works::start().await?;
    for (method, path, body, code, reason) in [
        (Method::PUT, "/api/v1/models/pumps/remediation", Some(json!({ "mode": "maybe" })), 422, "BAD_ROLLOUT"),
        (Method::PUT, "/api/v1/models/none/remediation", Some(json!({ "mode": "on" })), 404, "UNKNOWN_MODEL"),
        (Method::PUT, "/api/v1/models/pumps/remediation", Some(json!({})), 422, "BAD_BODY"),
        (Method::PUT, "/api/v1/config/drift", Some(json!({ "autoRemediationEnabled": 1 })), 422, "BAD_BODY"),
        (Method::GET, "/api/v1/plans/drift-pumps-9", None, 404, "UNKNOWN_PLAN"),
        (Method::GET, "/api/v1/plans?status=DONE", None, 422, "BAD_ROLLOUT"),
        (Method::GET, "/api/v1/plans?limit=x", None, 422, "BAD_QUERY"),
        (Method::GET, "/api/v1/actions/by-plato-plan/x", None, 404, "UNKNOWN_PLAN"),
    ] {
        let (got, answer) = works.http(method, path, body).await?;
        ensure!(got == code && answer["error"]["reason"] == reason, "{path}: {got} {answer}");
    }
    let config = json!({ "mode": "watch", "config": { "rolloutSchedule": [1, 10], "evaluationWindow": "10m" } });
    let (code, set) = works.http(Method::PUT, "/api/v1/models/pumps/remediation", Some(config)).await?;
    ensure!(code == 200 && set["config"]["rolloutSchedule"] == json!([1.0, 10.0]), "{set}");
    // How it goes stays, where another mode is set without it.
    ensure!(works.say(2, "on").await?.plan.is_some_and(|plan| plan.schedule == [1.0, 10.0]));
    let (code, plans) = works.http(Method::GET, "/api/v1/plans?planType=OTHER&limit=5", None).await?;
    ensure!(code == 200 && plans["content"] == json!([]), "{plans}");
    Ok(())
}
