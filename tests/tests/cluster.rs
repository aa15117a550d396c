//! Whole clusters over real sockets.

use anyhow::Result;
use psi_api::v1::{FieldState, Intervention, Metrics};
use psi_tests::{INCIDENT, Member, agreed, cluster, eventually, linked, settings};

/// The incident's figures, as both pods reported them.
const AFTER_INTERVENTIONS: [(&str, f64); 6] =
    [("Psi", 0.5259), ("Phi", 0.1535), ("C", 0.7757), ("U", 0.6370), ("H", 0.6332), ("PE", 0.8625)];

fn figures(metrics: &Metrics) -> [(&'static str, f64); 6] {
    [
        ("Psi", metrics.density),
        ("Phi", metrics.phase_coherence),
        ("C", metrics.continuity),
        ("U", metrics.futurity),
        ("H", metrics.temporal_entropy),
        ("PE", metrics.prediction_error),
    ]
}

fn check_incident(state: &FieldState) {
    for metrics in [state.last.as_ref(), state.window_mean.as_ref()] {
        let got = figures(metrics.expect("steps were taken"));
        for ((name, got), (_, want)) in got.into_iter().zip(AFTER_INTERVENTIONS) {
            assert!((got - want).abs() < 5e-5, "{name} on {}: {got}, want {want}", state.node);
        }
    }
}

async fn states(members: &[Member], field: &str) -> Result<Vec<FieldState>> {
    let mut states = Vec::new();
    for member in members {
        states.push(member.state(field).await?);
    }
    Ok(states)
}

/// What of a state must be the same everywhere, to the last bit.
fn bits(state: &FieldState) -> (u64, Vec<u64>, Vec<u64>, u64, Vec<u64>) {
    let numbers = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let metrics: Vec<f64> = [state.last, state.window_mean]
        .into_iter()
        .flatten()
        .flat_map(|metrics| figures(&metrics).map(|(_, value)| value))
        .collect();
    (state.k, numbers(&state.mean), numbers(&state.variance), state.noise.to_bits(), numbers(&metrics))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_can_not_happen_with_replication() -> Result<()> {
    let members = cluster(3).await?;
    members[0].intervene("", Intervention::Nigredo).await?;
    agreed(&members).await?;
    members[1].intervene("", Intervention::Albedo).await?;
    agreed(&members).await?;
    for (turn, member) in [0, 1, 2, 2, 0, 1].into_iter().map(|at| &members[at]).enumerate() {
        let step = member.step("", &INCIDENT).await?;
        assert!((step.metrics.expect("metrics").prediction_error - 0.8625).abs() < 5e-5, "step {turn}");
    }
    agreed(&members).await?;
    let states = states(&members, "").await?;
    for state in &states {
        assert_eq!(state.k, 6);
        check_incident(state);
        assert_eq!(bits(state), bits(&states[0]), "{} and {}", state.node, states[0].node);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_incident_happens_without_replication() -> Result<()> {
    let mut members = Vec::new();
    for name in ["n1", "n2"] {
        members.push(Member::start(psi_node::Settings { replication: false, ..settings(name, &[]) }).await?);
    }
    members[0].intervene("", Intervention::Nigredo).await?;
    members[0].intervene("", Intervention::Albedo).await?;
    let mut errors = Vec::new();
    for member in &members {
        errors.push(member.step("", &INCIDENT).await?.metrics.expect("metrics").prediction_error);
    }
    assert!((errors[0] - 0.8625).abs() < 5e-5 && (errors[1] - 0.0625).abs() < 5e-5, "{errors:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_returns_has_everything_and_its_old_steps_still_count() -> Result<()> {
    let mut members = cluster(3).await?;
    for member in &members {
        member.step("", &INCIDENT).await?;
    }
    agreed(&members).await?;
    let seed = members[0].node.addresses().gossip;
    let stopped = members.pop().expect("three members");
    stopped.node.shutdown().await;
    for member in &members {
        member.step("", &INCIDENT).await?;
    }
    members.push(Member::start(settings("n3", &[seed])).await?);
    linked(&members).await?;
    members[2].step("", &INCIDENT).await?;
    agreed(&members).await?;
    for state in states(&members, "").await? {
        assert_eq!(state.k, 6, "{}", state.node);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_written_just_before_a_graceful_stop_are_handed_over() -> Result<()> {
    let mut members = cluster(2).await?;
    let leaving = members.pop().expect("two members");
    for _ in 0..50 {
        leaving.step("", &INCIDENT).await?;
    }
    leaving.node.shutdown().await;
    eventually("the survivor has all steps", async || Ok(members[0].state("").await?.k == 50)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_cluster_is_refused_and_learns_nothing() -> Result<()> {
    let ours = Member::start(settings("n1", &[])).await?;
    ours.step("", &INCIDENT).await?;
    let stranger = psi_node::Settings {
        cluster: psi_replica::ClusterName::new("strangers")?,
        ..settings("n2", &[ours.node.addresses().gossip])
    };
    let stranger = psi_node::Node::start(stranger).await?;
    // Gossip checks the cluster's name on first contact only, so the link must too: dial it by hand.
    let frame = |cluster: &str, min, max| psi_api::replica::Frame {
        body: Some(psi_api::replica::frame::Body::Hello(psi_api::replica::Hello {
            cluster: cluster.to_owned(),
            node: "n9".to_owned(),
            protocol_min: min,
            protocol_max: max,
            ..Default::default()
        })),
    };
    for (open, reason) in [(frame("strangers", 1, 1), "WRONG_CLUSTER"), (frame("psi-field", 7, 9), "UNKNOWN_PROTOCOL")]
    {
        let mut client = psi_api::v1::replication_service_client::ReplicationServiceClient::connect(format!(
            "http://{}",
            ours.node.addresses().grpc
        ))
        .await?;
        let mut answers = client.link(tokio_stream::iter([open])).await?.into_inner();
        let status = loop {
            match answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => anyhow::bail!("the link closed without a reason"),
                Err(status) => break status,
            }
        };
        let (got, _) = psi_api::cause_of(&status).expect("a cause");
        assert_eq!(got, reason, "{status}");
    }
    assert!(!stranger.is_ready(), "it has met nobody of its own cluster");
    assert_eq!(ours.state("").await?.k, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_created_dropped_and_kept_apart_everywhere() -> Result<()> {
    let members = cluster(3).await?;
    let create = psi_api::v1::CreateFieldRequest { name: "narrow".to_owned(), width: 2, ..Default::default() };
    members[0].field.clone().create_field(create).await?;
    eventually("the field is known everywhere", async || {
        Ok(members[1].state("narrow").await.is_ok() && members[2].state("narrow").await.is_ok())
    })
    .await?;
    for member in &members {
        member.step("narrow", &[1.0, 2.0]).await?;
        member.step("", &INCIDENT).await?;
    }
    agreed(&members).await?;
    for state in states(&members, "narrow").await? {
        assert_eq!((state.k, state.mean.as_slice()), (3, [1.0, 2.0].as_slice()));
    }
    let drop = psi_api::v1::DropFieldRequest { name: "narrow".to_owned() };
    members[2].field.clone().drop_field(drop).await?;
    eventually("the field is gone everywhere", async || {
        Ok(members[0].state("narrow").await.is_err() && members[1].state("narrow").await.is_err())
    })
    .await?;
    agreed(&members).await?;
    for state in states(&members, "").await? {
        assert_eq!(state.k, 3, "`default` is untouched");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_meet_over_ipv6() -> Result<()> {
    let loopback = psi_node::Endpoint::new("[::1]:0".parse()?);
    let six = |settings| psi_node::Settings { grpc: loopback, http: loopback, gossip: loopback, ..settings };
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        assert!(std::env::var_os("CI").is_none(), "this machine has no IPv6 loopback");
        eprintln!("SKIPPED: this machine has no IPv6 loopback; enable it to run this test");
        return Ok(());
    }
    let first = Member::start(six(settings("n1", &[]))).await?;
    let second = Member::start(six(settings("n2", &[first.node.addresses().gossip]))).await?;
    second.step("", &INCIDENT).await?;
    let members = [first, second];
    agreed(&members).await?;
    assert_eq!(members[0].state("").await?.k, 1);
    Ok(())
}
