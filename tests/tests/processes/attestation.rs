//! What nodes run, against what they should run.

use anyhow::{Context, Result, ensure};
use psi_api::v1;
use psi_node::Settings;
use psi_tests::{Member, eventually, series, settings};

use crate::support::{Desk, at_step, request, three};

const SAME_NODES: &str = r#"
name = "drift"
mode = "enforce"

[[phases]]
name = "a"
severity = "high"
[[phases.gates]]
name = "nodes"
kind = "attestation"
nodes = true

[[phases]]
name = "b"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_differs_blocks_or_warns() -> Result<()> {
    let members = three(None).await?;
    let desk = Desk::of(&members[0])?;
    let applied = desk.apply(SAME_NODES, "").await?;
    let started = desk.advance("drift", "").await?.state.unwrap_or_default();
    let held = desk.advance("drift", &started.head).await?;
    ensure!(held.judgements[0].hold == "MISSING_BASELINE" && held.action.is_empty(), "{held:?}");
    let set = v1::SetProcessBaselineRequest {
        process: "drift".to_owned(),
        predecessor: applied.head,
        deadline_ms: 20_000,
        ..Default::default()
    };
    let set = desk.processes.clone().set_process_baseline(set).await?.into_inner();
    eventually("all nodes are as the baseline says", async || {
        let nodes = desk.status("drift", "").await?.nodes;
        Ok(nodes.len() == 3 && nodes.iter().all(|node| node.status == "same"))
    })
    .await?;

    // A fourth has other settings.
    let seeds = [members[0].node.addresses().gossip];
    let fourth = Member::start(Settings { connections_max: 77, ..settings("n4", &seeds) }).await?;
    eventually("it differs", async || {
        let nodes = desk.status("drift", "").await?.nodes;
        Ok(nodes.iter().any(|node| node.node == "n4" && node.status.starts_with("settings is ")))
    })
    .await?;
    let failed = desk.advance("drift", &started.head).await?;
    let gate = &failed.judgements[0];
    ensure!((gate.verdict.as_str(), failed.action.as_str()) == ("FAIL", ""), "{failed:?}");
    ensure!(gate.reason.contains("node n4: drift of high severity: settings is"), "{gate:?}");
    let http = members[0].node.addresses().http;
    let drifts = series(http, r#"psi_process_drift_detected_total{severity="high"}"#).await?;
    ensure!(drifts == Some(1.0), "{drifts:?}");
    let verdicts = series(http, r#"psi_process_gates_total{verdict="fail"}"#).await?;
    ensure!(verdicts == Some(1.0), "{verdicts:?}");

    // Where the spec only warns, another task passes. All nodes differ by then, as they have another spec.
    let warned = desk.apply(&SAME_NODES.replace("mode", "attestation = \"warn\"\nmode"), &set.head).await?;
    ensure!(warned.step == 3, "{warned:?}");
    let other = |head: &str| v1::AdvanceTaskRequest { task: "other".to_owned(), ..request("drift", head) };
    let begun = desk.advance_by(other("")).await?.state.context("a state")?;
    let passed = desk.advance_by(other(&begun.head)).await?;
    ensure!(passed.action == "advance" && passed.judgements[0].reason.starts_with("warned"), "{passed:?}");
    fourth.node.shutdown().await;
    at_step(&desk, "drift", "other", 2).await?;
    Ok(())
}
