//! Gates on what steps measure, and on drift: over real sockets, with steps that have keys and no outcome.

use anyhow::{Context, Result, ensure};
use psi_api::v1;
use psi_tests::{Member, eventually};

use super::steering::{RolloutDesk, all_say, desks, quick, two_versions};
use crate::support::{reason, three};

/// A plan that asks for nothing but these.
fn plan(metrics: &[(&str, f64)], drift_severity: f64) -> v1::RolloutPlan {
    let metrics = metrics.iter().map(|(name, margin)| ((*name).to_owned(), *margin)).collect();
    v1::RolloutPlan { metrics, drift_severity, error_rate: Some(0.0), ..quick(&[50.0]) }
}

/// Sends a thousand steps with keys to one node after the other. What `v2` is given lies `shift` off in the second column.
async fn send(members: &[Member], shift: f64) -> Result<()> {
    for number in 0..1_000_u32 {
        let member = &members[number as usize % members.len()];
        let spread = f64::from(number % 11) / 10.0;
        let (field, key) = ("churn".to_owned(), Some(format!("user-{number}")));
        let step = v1::StepRequest { field, input: vec![0.5, spread], key, ..Default::default() };
        // The version is picked first, as a caller does that asks a model of its own for its inputs.
        let request = v1::StepRequest { version: Some(version_of(member, &step).await?), ..step };
        let input = if request.version.as_deref() == Some("v2") { vec![0.5, spread + shift] } else { request.input };
        member.field.clone().step(v1::StepRequest { input, ..request }).await?;
    }
    Ok(())
}

/// Which version a key leads to, as a client computes it.
async fn version_of(member: &Member, step: &v1::StepRequest) -> Result<String> {
    use psi_rollout::{Arm, KeyHash, Percent, RolloutId, StepKey};
    let shown = RolloutDesk::of(member)?.show().await?;
    let hash = KeyHash::new(&RolloutId::new(&shown.id)?, StepKey::new(step.key.as_deref().unwrap_or_default())?);
    let is_canary = hash.arm(Percent::new(shown.percent)?) == Arm::Canary;
    Ok(if is_canary { shown.canary } else { shown.champion })
}

fn gate<'a>(rollout: &'a v1::Rollout, name: &str) -> Result<&'a v1::RolloutJudgement> {
    rollout.gates.iter().find(|gate| gate.gate == name).with_context(|| format!("no gate {name}: {rollout:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_column_moved_is_rolled_back_and_one_whose_did_not_is_promoted() -> Result<()> {
    let members = three(None).await?;
    let desks = desks(&members)?;
    two_versions(&members, &desks).await?;
    let unknown = desks[0].start("v2", plan(&[("column:price", 1.0)], 0.0)).await.expect_err("no such column");
    ensure!(reason(&unknown) == "ROLLOUT_REFUSED", "{unknown:?}");
    ensure!(unknown.message().contains("has no column `price`: it has columns 0 to 1"), "{unknown:?}");
    let metrics = [("column:1", 0.5), ("prediction_error", -5.0)];
    desks[0].start("v2", plan(&metrics, 0.0)).await?;
    all_say(&desks, "IN_PROGRESS", 50.0).await?;
    send(&members, 0.0).await?;
    all_say(&desks, "PROMOTED", 50.0).await?;
    let ended = desks[1].show().await?;
    ensure!(ended.plan.as_ref().is_some_and(|plan| plan.metrics.len() == 2), "{ended:?}");
    // Now `v1` is to take over again, and what it is given is the wrong unit.
    let metrics = [("column:1", -0.5)];
    desks[2].start("v1", plan(&metrics, 0.0)).await?;
    all_say(&desks, "IN_PROGRESS", 50.0).await?;
    // `v2` is the champion, and lies above.
    send(&members, 2.0).await?;
    all_say(&desks, "ROLLED_BACK", 50.0).await?;
    let back = desks[0].show().await?;
    let words = "column:1 FAIL: mean column:1 of the canary";
    ensure!(back.change_reason.contains(words), "{back:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_verdict_on_drift_it_holds_and_says_why() -> Result<()> {
    let members = three(None).await?;
    let desks = desks(&members)?;
    two_versions(&members, &desks).await?;
    desks[0].start("v2", plan(&[], 0.75)).await?;
    eventually("all hold until there is a verdict", async || {
        let mut held = true;
        for desk in &desks {
            let shown = desk.show().await?;
            held &= shown.hold == "INSUFFICIENT_DATA"
                && gate(&shown, "drift_severity").is_ok_and(|gate| {
                    gate.verdict == "HOLD"
                        && gate.reason.contains("no verdict on the inputs of the canary: its baseline is not complete")
                });
        }
        Ok(held)
    })
    .await?;
    let none = desks[1].start("v3", plan(&[], 0.0)).await.expect_err("nothing would be judged");
    ensure!(none.message().contains("all gates are left out"), "{none:?}");
    Ok(())
}
