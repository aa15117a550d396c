//! Rollouts over real sockets: decided by a majority, rolled back by anyone, and the same on all nodes.

use anyhow::{Result, ensure};
use psi_api::v1::{self, rollout_service_client::RolloutServiceClient};
use psi_rollout::{Arm, KeyHash, Percent, RolloutId, StepKey};
use psi_tests::{Member, eventually};
use serde_json::{Value, json};
use tonic::{Status, transport::Channel};

use crate::support::{on_disk, reason, three};

/// What is asked of one node.
#[derive(Clone)]
pub(super) struct RolloutDesk(pub(super) RolloutServiceClient<Channel>);

impl RolloutDesk {
    pub(super) fn of(member: &Member) -> Result<Self> {
        let channel = Channel::from_shared(format!("http://{}", member.node.addresses().grpc))?.connect_lazy();
        Ok(Self(RolloutServiceClient::new(channel)))
    }

    async fn stage(&self, version: &str, stage: &str) -> Result<v1::ModelState, Status> {
        let (version, stage) = (version.to_owned(), stage.to_owned());
        let request = v1::SetStageRequest {
            model: "churn".to_owned(),
            version,
            stage,
            deadline_ms: 20_000,
            ..Default::default()
        };
        Ok(self.0.clone().set_stage(request).await?.into_inner())
    }

    pub(super) async fn start(&self, version: &str, plan: v1::RolloutPlan) -> Result<v1::Rollout, Status> {
        let (model, version) = ("churn".to_owned(), version.to_owned());
        let request =
            v1::StartRolloutRequest { model, version, plan: Some(plan), deadline_ms: 20_000, ..Default::default() };
        Ok(self.0.clone().start_rollout(request).await?.into_inner())
    }

    pub(super) async fn change(&self, command: &str, reason: &str, forced: bool) -> Result<v1::Rollout, Status> {
        let request = v1::ChangeRolloutRequest {
            model: "churn".to_owned(),
            command: command.to_owned(),
            reason: reason.to_owned(),
            forced,
            deadline_ms: 5_000,
            ..Default::default()
        };
        Ok(self.0.clone().change_rollout(request).await?.into_inner())
    }

    pub(super) async fn show(&self) -> Result<v1::Rollout, Status> {
        let request = v1::GetRolloutRequest { model: "churn".to_owned(), rollout: String::new() };
        Ok(self.0.clone().get_rollout(request).await?.into_inner())
    }

    /// Where the rollout stands, without who says so.
    async fn standing(&self) -> Option<(String, f64)> {
        let rollout = self.show().await.ok()?;
        Some((rollout.status, rollout.percent))
    }
}

pub(super) fn desks(members: &[Member]) -> Result<Vec<RolloutDesk>> {
    members.iter().map(RolloutDesk::of).collect()
}

/// Waits until all say the same.
pub(super) async fn all_say(desks: &[RolloutDesk], status: &str, percent: f64) -> Result<()> {
    eventually(&format!("all say {status} at {percent} %"), async || {
        let mut same = true;
        for desk in desks {
            same &= desk.standing().await == Some((status.to_owned(), percent));
        }
        Ok(same)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_begins_by_itself_and_people_steer_it_from_any_node() -> Result<()> {
    let members = three(None).await?;
    let desks = desks(&members)?;
    let unknown = desks[0].show().await.expect_err("nobody named a version");
    ensure!(reason(&unknown) == "UNKNOWN_MODEL", "{unknown:?}");
    let fieldless = desks[0].stage("v1", "PRODUCTION").await.expect_err("it has no field");
    ensure!(fieldless.message().contains("psi-field field create churn@v1"), "{fieldless:?}");
    two_versions(&members, &desks).await?;
    let started = desks[0].start("v2", v1::RolloutPlan::default()).await?;
    ensure!(started.id == "churn-v2-1" && started.status == "PENDING" && started.decided, "{started:?}");
    all_say(&desks, "IN_PROGRESS", 5.0).await?;
    // Nothing is counted yet: it holds, and says so on each node.
    for desk in &desks {
        let shown = desk.show().await?;
        ensure!(shown.hold == "INSUFFICIENT_DATA" && !shown.reason.is_empty() && shown.gates.len() == 2, "{shown:?}");
    }
    let scraped = reqwest::get(format!("http://{}/metrics", members[2].node.addresses().http)).await?.text().await?;
    let held = "psi_rollout_hold{model=\"churn\",reason=\"INSUFFICIENT_DATA\"} 1";
    ensure!(scraped.contains(held), "{held} is missing");
    let held = desks[1].change("advance", "", false).await.expect_err("no data");
    ensure!(reason(&held) == "ROLLOUT_REFUSED" && held.message().contains("INSUFFICIENT_DATA"), "{held:?}");
    desks[1].change("advance", "no traffic at night", true).await?;
    all_say(&desks, "IN_PROGRESS", 10.0).await?;
    desks[2].change("pause", "", false).await?;
    all_say(&desks, "PAUSED", 10.0).await?;
    let paused = desks[0].change("advance", "", false).await.expect_err("it is paused");
    ensure!(paused.message().contains("PAUSED") && paused.message().contains("resume it first"), "{paused:?}");
    desks[0].change("resume", "", false).await?;
    let back = desks[1].change("rollback", "support is called", false).await?;
    ensure!(back.status == "ROLLED_BACK" && back.decided && back.change_reason == "support is called", "{back:?}");
    all_say(&desks, "ROLLED_BACK", 10.0).await?;
    let again = desks[0].start("v2", v1::RolloutPlan::default()).await.expect_err("it is rejected");
    ensure!(again.message().contains("REJECTED"), "{again:?}");
    let ended = desks[2].change("promote", "", false).await.expect_err("it has ended");
    ensure!(ended.message().contains("ROLLED_BACK"), "{ended:?}");
    Ok(())
}

/// Makes the fields of two versions, of which `v1` answers.
pub(super) async fn two_versions(members: &[Member], desks: &[RolloutDesk]) -> Result<()> {
    for name in ["churn@v1", "churn@v2"] {
        let engine = "synthetic".to_owned();
        let request = v1::CreateFieldRequest { name: name.to_owned(), engine, width: 2, ..Default::default() };
        members[0].field.clone().create_field(request).await?;
    }
    desks[0].stage("v1", "PRODUCTION").await?;
    eventually("all nodes have both fields, and know who answers", async || {
        let mut known = true;
        for desk in desks {
            let request = v1::GetModelRequest { model: "churn".to_owned() };
            known &= desk.0.clone().get_model(request).await.is_ok_and(|model| model.get_ref().champion == "v1");
        }
        for member in members {
            for field in ["churn@v1", "churn@v2"] {
                let request = v1::GetStateRequest { field: field.to_owned(), ..Default::default() };
                known &= member.field.clone().get_state(request).await.is_ok();
            }
        }
        Ok(known)
    })
    .await
}

/// Steps with keys and no version, to one node after the other, until the rollout has ended. Every `fails`th step of the
/// canary fails, and every tenth of the champion: what must be ruled out is twice that, so that few steps suffice.
async fn send_until_it_ends(members: &[Member], desks: &[RolloutDesk], fails: usize) -> Result<(usize, usize)> {
    let (mut by_canary, mut sent, mut rollout) = (0, 0, desks[0].show().await?);
    for number in 0..100_000_usize {
        let (key, member) = (format!("user-{number}"), &members[number % members.len()]);
        if number % 20 == 0 {
            rollout = desks[0].show().await?;
        }
        if rollout.ended.is_some() {
            return Ok((by_canary, sent));
        }
        // As a client does that knows the rollout: it needs no node for that.
        let hash = KeyHash::new(&RolloutId::new(&rollout.id)?, StepKey::new(&key)?);
        let is_canary = hash.arm(Percent::new(rollout.percent)?) == Arm::Canary;
        let error = if is_canary { by_canary % fails == fails - 1 } else { number % 10 == 9 };
        let outcome = Some(v1::StepOutcome { error, latency_ms: Some(10.0 + (number % 7) as f64) });
        let (field, input) = ("churn".to_owned(), vec![0.5, 1.5]);
        let step = v1::StepRequest { field, input, key: Some(key), outcome, ..Default::default() };
        let answer = member.field.clone().step(step).await?.into_inner();
        by_canary += usize::from(answer.version == "v2");
        sent += 1;
    }
    anyhow::bail!("it does not end: {:?}", desks[0].show().await?)
}

pub(super) fn quick(schedule: &[f64]) -> v1::RolloutPlan {
    // Errors alone are judged: machines of tests are busy.
    v1::RolloutPlan {
        schedule: schedule.to_vec(),
        window_ms: 1_000,
        minimum_predictions: 100,
        error_rate: Some(0.2),
        latency: Some(0.0),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_version_is_rolled_back_and_a_good_one_promoted_by_themselves() -> Result<()> {
    let members = three(None).await?;
    let desks = desks(&members)?;
    two_versions(&members, &desks).await?;
    let keyless = v1::StepRequest { field: "churn".to_owned(), input: vec![0.5, 1.5], ..Default::default() };
    let named = v1::StepRequest { request_id: "once".to_owned(), ..keyless.clone() };
    let once = members[1].field.clone().step(named.clone()).await?.into_inner();
    desks[0].start("v2", quick(&[50.0])).await?;
    let (by_canary, sent) = send_until_it_ends(&members, &desks, 2).await?;
    all_say(&desks, "ROLLED_BACK", 50.0).await?;
    let rolled_back = desks[1].show().await?;
    ensure!(rolled_back.status == "ROLLED_BACK" && rolled_back.change_reason.contains("error_rate"), "{rolled_back:?}");
    ensure!(by_canary >= 100 && by_canary * 3 < sent * 2, "half of the keys, {by_canary} of {sent}");
    // The same version by force, since it is mended: now it never fails.
    let request = v1::StartRolloutRequest {
        model: "churn".to_owned(),
        version: "v2".to_owned(),
        plan: Some(quick(&[20.0, 60.0])),
        forced: true,
        reason: "it is mended".to_owned(),
        deadline_ms: 20_000,
    };
    let second = desks[2].0.clone().start_rollout(request).await?.into_inner();
    ensure!(second.id == "churn-v2-2", "{second:?}");
    eventually("all know of it", async || {
        let mut known = true;
        for desk in &desks {
            known &= desk.show().await.is_ok_and(|shown| shown.id == second.id && shown.status == "IN_PROGRESS");
        }
        Ok(known)
    })
    .await?;
    send_until_it_ends(&members, &desks, 1_000_000).await?;
    all_say(&desks, "PROMOTED", 60.0).await?;
    let answer = members[1].field.clone().step(keyless).await?.into_inner();
    ensure!(answer.version == "v2", "the new champion answers: {answer:?}");
    // What was answered is repeated, though another version would answer now.
    let again = members[1].field.clone().step(named).await?.into_inner();
    ensure!(again == once && again.version == "v1", "{again:?}");
    // Both rollouts are remembered, and the ledger has what was decided.
    let listed = desks[1].0.clone().list_rollouts(v1::ListRolloutsRequest::default()).await?.into_inner().rollouts;
    let statuses: Vec<&str> = listed.iter().map(|rollout| rollout.status.as_str()).collect();
    ensure!(statuses == ["PROMOTED", "ROLLED_BACK"], "{listed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_that_reaches_no_majority_rolls_back_and_a_majority_decides_that_later() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let members = three(Some(directory.path())).await?;
    two_versions(&members, &desks(&members)?).await?;
    let [n1, n2, n3] = members;
    let desk = RolloutDesk::of(&n1)?;
    desk.start("v2", v1::RolloutPlan::default()).await?;
    all_say(std::slice::from_ref(&desk), "IN_PROGRESS", 5.0).await?;
    n2.node.shutdown().await;
    n3.node.shutdown().await;
    for command in ["advance", "promote", "pause", "cancel"] {
        let refused = desk.change(command, "alone", true).await.expect_err(command);
        ensure!(["NO_MAJORITY", "ROLLOUT_REFUSED"].contains(&reason(&refused).as_str()), "{command}: {refused:?}");
    }
    ensure!(desk.standing().await == Some(("IN_PROGRESS".to_owned(), 5.0)), "nothing has changed");
    let back = desk.change("rollback", "errors everywhere", false).await?;
    ensure!(back.status == "ROLLED_BACK" && !back.decided, "{back:?}");
    // A second caller is told the same.
    let again = desk.change("rollback", "once more", false).await?;
    ensure!(again.status == "ROLLED_BACK" && again.change_reason == "errors everywhere", "{again:?}");
    let n2 = Member::start(on_disk("n2", directory.path(), &[n1.node.addresses().gossip])).await?;
    eventually("it is decided as soon as a majority is there", async || {
        let shown = RolloutDesk::of(&n2)?.show().await;
        Ok(shown.is_ok_and(|shown| shown.status == "ROLLED_BACK" && shown.decided) && desk.show().await?.decided)
    })
    .await?;
    ensure!(back.change_reason == "errors everywhere", "{back:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_steered_over_http_by_the_names_of_the_seed() -> Result<()> {
    let members = three(None).await?;
    let client = reqwest::Client::new();
    let base = format!("http://{}/api/v1/models/churn", members[1].node.addresses().http);
    let send = async |path: &str, body: Option<Value>| -> Result<(u16, Value)> {
        let url = format!("{base}{path}");
        let request = body.map_or_else(|| client.get(&url), |body| client.post(&url).json(&body));
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), serde_json::from_str(&answer.text().await?)?))
    };
    let config = json!({
        "rolloutSchedule": [5, 10, 25, 50, 100], "evaluationWindow": "1h", "minimumPredictions": 100,
        "errorRateThreshold": 0.05, "latencyDegradationThreshold": 1.5, "initiatedBy": "ann",
    });
    let canary = json!({ "version": "v2", "config": config });
    let (status, refused) = send("/deployments/canary", Some(canary.clone())).await?;
    ensure!((status, refused["error"]["reason"].as_str()) == (404, Some("UNKNOWN_MODEL")), "{refused}");
    two_versions(&members, &desks(&members)?).await?;
    let (status, model) =
        send("/versions/v1/promote", Some(json!({ "stage": "PRODUCTION", "reason": "first" }))).await?;
    ensure!(status == 200 && model["champion"] == "v1", "{model}");
    let (_, answers) = send("/versions?stage=PRODUCTION", None).await?;
    ensure!(answers["content"].as_array().is_some_and(|content| content.len() == 1), "{answers}");
    let (status, refused) = send("/versions?stage=LATER", None).await?;
    ensure!(status == 422 && refused.to_string().contains("stage `LATER` is none"), "{status} {refused}");
    let (status, made) = send("/deployments/canary", Some(canary)).await?;
    ensure!(status == 200 && made["id"] == "churn-v2-1" && made["because"] == "initiated by ann", "{made}");
    ensure!(made["config"]["evaluationWindow"] == "1h", "{made}");
    eventually("it begins by itself", async || {
        Ok(send("/deployments/churn-v2-1", None).await?.1["status"] == "IN_PROGRESS")
    })
    .await?;
    let (status, paused) = send("/deployments/churn-v2-1/pause", Some(json!({}))).await?;
    ensure!(status == 200 && paused["status"] == "PAUSED" && paused["percentage"] == 5.0, "{paused}");
    let (status, refused) = send("/deployments/churn-v2-1/stop", Some(json!({}))).await?;
    ensure!((status, refused["error"]["reason"].as_str()) == (422, Some("BAD_ROLLOUT")), "{status} {refused}");
    let (status, refused) = send("/deployments/churn-v9-9/pause", Some(json!({}))).await?;
    ensure!((status, refused["error"]["reason"].as_str()) == (404, Some("UNKNOWN_ROLLOUT")), "{refused}");
    let (_, listed) = send("/deployments?status=PAUSED", None).await?;
    ensure!(listed["content"].as_array().is_some_and(|content| content.len() == 1), "{listed}");
    let (_, listed) = send("/deployments?status=PROMOTED", None).await?;
    ensure!(listed["content"] == json!([]), "{listed}");
    for (config, want) in [
        (json!({ "rolloutSchedule": [50, 10] }), "rolloutSchedule goes from 50 % to 10 %"),
        (json!({ "evaluationWindow": "soon" }), "evaluationWindow takes a time such as 90s"),
        (json!({ "errorRateThreshold": 5 }), "errorRateThreshold is 5"),
        (json!({ "rolloutSchedule": "5" }), "rolloutSchedule takes an array of numbers"),
        (json!({ "metricThresholds": { "psi": 0.1 } }), "`psi` is no value of a step: give one of density"),
        (json!({ "metricThresholds": { "density": "low" } }), "metricThresholds takes an object of numbers"),
        (json!({ "driftSeverityThreshold": 2 }), "driftSeverityThreshold is 2"),
    ] {
        let (status, refused) = send("/deployments/canary", Some(json!({ "version": "v3", "config": config }))).await?;
        let text = refused.to_string();
        ensure!([400, 422].contains(&status) && text.contains(want), "{status} {text}: {want}");
    }
    Ok(())
}
