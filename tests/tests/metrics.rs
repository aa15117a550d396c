//! What Prometheus and `psi-field members` see of replication: what crossed, who lags, what was refused.

use anyhow::{Context, Result};
use psi_api::v1::{LinkTraffic, ListMembersRequest};
use psi_tests::{INCIDENT, Member, agreed, cluster, eventually};

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
    assert_eq!((received.entries_received, received.entries_sent), (sent.entries_sent, 0), "{received:?}");
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
