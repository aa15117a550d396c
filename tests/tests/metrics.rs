//! What Prometheus and `psi-field members` see of replication: what crossed, who lags, what was refused.

use anyhow::{Context, Result};
use psi_api::v1::{LinkTraffic, ListMembersRequest, StepBatchRequest, StepRequest, Vector};
use psi_tests::{INCIDENT, KillableNode, Member, agreed, cluster, eventually, settings};

/// The value of a series that is there.
async fn series(member: &Member, name: &str) -> Result<f64> {
    psi_tests::series(member.node.addresses().http, name).await?.with_context(|| format!("there is no {name}"))
}

async fn traffic(member: &Member, peer: &str) -> Result<(u64, LinkTraffic)> {
    let known = member.cluster.clone().list_members(ListMembersRequest {}).await?.into_inner().members;
    let peer = known.into_iter().find(|known| known.node == peer).context("the peer is known")?;
    Ok((peer.lag_versions, peer.traffic.context("links are counted")?))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crosses_links_is_counted_by_peer_and_lag_ends() -> Result<()> {
    let members = cluster(2).await?;
    for _ in 0..5 {
        members[0].step("", &INCIDENT).await?;
    }
    agreed(&members).await?;
    eventually("the peer has acknowledged all", async || Ok(traffic(&members[0], "n2").await?.0 == 0)).await?;
    let (_, sent) = traffic(&members[0], "n2").await?;
    let (_, received) = traffic(&members[1], "n1").await?;
    assert!(sent.entries_sent >= 3 && sent.bytes_sent > 500, "moments, window and latest step: {sent:?}");
    // The other node has written its ledger.
    let crossed = (received.entries_received, received.entries_sent);
    assert_eq!(crossed, (sent.entries_sent, sent.entries_received), "{received:?}");
    assert_eq!((sent.deltas_cut, sent.deltas_refused), (0, 0));
    let shown = series(&members[0], r#"psi_replica_peer_entries_total{direction="sent",peer="n2"}"#).await?;
    assert!(shown >= 3.0, "{shown}");
    for name in ["psi_replica_lag_versions", "psi_replica_lag_seconds"] {
        eventually("the lag is shown to have ended", async || {
            Ok(series(&members[0], &format!(r#"{name}{{peer="n2"}}"#)).await? == 0.0)
        })
        .await?;
    }
    for member in &members {
        assert_eq!(series(member, "psi_replica_agree").await?, 1.0);
        assert_eq!(series(member, "psi_replica_divergences_total").await?, 0.0);
    }
    Ok(())
}

/// What the objectives of Step are judged by: see deploy/prometheus/rules/slo.yml.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_step_are_counted_by_outcome_from_the_start() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let outcomes = async || -> Result<[f64; 3]> {
        let mut counts = [0.0; 3];
        for (count, outcome) in counts.iter_mut().zip(["ok", "refused", "failed"]) {
            *count = series(&member, &format!(r#"psi_node_step_calls_total{{outcome="{outcome}"}}"#)).await?;
        }
        Ok(counts)
    };
    assert_eq!(outcomes().await?, [0.0; 3]);
    member.step("", &INCIDENT).await?;
    let inputs = vec![Vector { values: INCIDENT.to_vec() }; 3];
    member.field.clone().step_batch(StepBatchRequest { inputs, ..Default::default() }).await?;
    assert_eq!(outcomes().await?, [2.0, 0.0, 0.0], "a batch is one call");
    let url = format!("http://{}/step", member.node.addresses().http);
    let posted = reqwest::Client::new().post(url).json(&serde_json::json!({ "x": INCIDENT })).send().await?;
    assert!(posted.status().is_success(), "{posted:?}");
    assert_eq!(outcomes().await?, [3.0, 0.0, 0.0], "over HTTP too");
    member.step("", &[1.0]).await.expect_err("too short");
    member.step("nobody", &INCIDENT).await.expect_err("no such field");
    assert_eq!(outcomes().await?, [3.0, 2.0, 0.0], "the caller's mistakes");
    // A node that this one never meets knows of writes that are missing here.
    let stranger = Member::start(settings("n2", &[])).await?;
    let after = stranger.step("", &INCIDENT).await?.token;
    let request = StepRequest { input: INCIDENT.to_vec(), after, deadline_ms: 100, ..Default::default() };
    member.field.clone().step(request).await.expect_err("a token that can't be reached");
    assert_eq!(outcomes().await?, [3.0, 2.0, 1.0], "no mistake of the caller's");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_failures_to_come_have_series_from_the_start() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    assert_eq!(series(&member, r#"psi_node_info{cluster="psi-field",node="n1"}"#).await?, 1.0);
    for operation in ["create", "write", "sync_file", "rename", "sync_directory"] {
        let name = format!(r#"psi_snapshot_failures_total{{operation="{operation}"}}"#);
        assert_eq!(series(&member, &name).await?, 0.0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_dies_is_named_dead_until_it_is_back() -> Result<()> {
    let member = Member::start(settings("n1", &[])).await?;
    let seed = member.node.addresses().gossip;
    // A member whose heartbeat came only once is taken for dead, for a moment: there may be a series early.
    let dead =
        async || anyhow::Ok(series(&member, r#"psi_cluster_member_dead{node="n2"}"#).await.unwrap_or(0.0) == 1.0);
    let n2 = KillableNode::start(settings("n2", &[seed])).await?;
    let live = async || anyhow::Ok(series(&member, r#"psi_cluster_members{state="live"}"#).await? == 2.0);
    eventually("it is live", live).await?;
    assert!(!dead().await?, "it is live");
    n2.die();
    eventually("it is dead", dead).await?;
    let back = Member::start(settings("n2", &[seed])).await?;
    // One that was never seen alive can't be seen to leave, nor one that has met nobody.
    let own_view = r#"psi_cluster_members{state="live"}"#;
    let is_back = async || Ok(live().await? && !dead().await? && series(&back, own_view).await? == 2.0);
    eventually("it is back", is_back).await?;
    back.node.shutdown().await;
    eventually("it has left", async || Ok(series(&member, r#"psi_cluster_members{state="left"}"#).await? == 1.0))
        .await?;
    assert!(!dead().await?, "it has left");
    Ok(())
}

/// Which program a node runs, and what it takes of the machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_what_it_runs_and_what_it_takes() -> Result<()> {
    let members = cluster(2).await?;
    let build = format!(
        r#"psi_build_info{{commit="unknown",protocol="{}",version="{}"}}"#,
        psi_replica::PROTOCOL,
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(series(&members[0], &build).await?, 1.0);
    if cfg!(target_os = "linux") {
        assert!(series(&members[0], "process_resident_memory_bytes").await? > 1e6);
        assert!(series(&members[0], "process_open_fds").await? > 2.0);
        assert!(series(&members[0], "process_start_time_seconds").await? > 1e9);
    }
    let known = members[0].cluster.clone().list_members(ListMembersRequest {}).await?.into_inner().members;
    let said: Vec<(&str, u32)> = known.iter().map(|member| (member.version.as_str(), member.protocol)).collect();
    assert_eq!(said, [(env!("CARGO_PKG_VERSION"), psi_replica::PROTOCOL); 2], "by gossip too");
    Ok(())
}
