//! A cluster of real nodes on loopback, for tests: real UDP, gRPC and HTTP between them, nothing shared in memory.
//!
//! Here are nodes within the test's own process; [`fleet`] has processes of their own, and a network to break.

pub mod certificates;
pub mod datagrams;
pub mod fleet;
pub mod load;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod service;

use std::{future::Future, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use psi_api::v1::{
    FieldState, GetDigestRequest, GetStateRequest, InterveneRequest, Intervention, StepRequest, StepResponse,
    cluster_service_client::ClusterServiceClient, psi_field_service_client::PsiFieldServiceClient,
};
use psi_node::{Endpoint, Node, Settings};
use psi_replica::NodeId;
use tokio::time::Instant;
use tonic::transport::Channel;

/// What the feeder sent on the day of the pod-drift incident.
pub const INCIDENT: [f64; 16] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1];

/// How long anything may take before a test fails. Machines are shared; nothing waits this long when it works.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Settings of a node on free loopback ports.
pub fn settings(name: &str, seeds: &[SocketAddr]) -> Settings {
    let free = Endpoint::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    Settings {
        grpc: free,
        http: free,
        gossip: free,
        seeds: seeds.iter().map(ToString::to_string).collect(),
        join: Duration::from_millis(300),
        ..Settings::new(NodeId::new(name).expect("a valid name"))
    }
}

/// A node and clients for it.
pub struct Member {
    /// The node itself.
    pub node: Node,
    /// Steps, state, fields.
    pub field: PsiFieldServiceClient<Channel>,
    /// Members, frontier, digest.
    pub cluster: ClusterServiceClient<Channel>,
}

impl Member {
    /// Starts a node and waits until it accepts steps.
    ///
    /// # Errors
    /// If it does not start or is not ready in time.
    pub async fn start(settings: Settings) -> Result<Self> {
        // `RUST_LOG=debug cargo test … -- --nocapture` shows what the nodes do.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let node = Node::start(settings).await?;
        let channel = Channel::from_shared(format!("http://{}", node.addresses().grpc))?.connect_lazy();
        let member = Self {
            field: PsiFieldServiceClient::new(channel.clone()),
            cluster: ClusterServiceClient::new(channel),
            node,
        };
        // The ledger begins soon after, and that moves its digest.
        let is_settled = || member.node.is_ready() && member.node.has_begun_ledger();
        eventually("the node is ready", async || Ok(is_settled())).await?;
        Ok(member)
    }

    /// Steps a vector into a field.
    ///
    /// # Errors
    /// As the call does.
    pub async fn step(&self, field: &str, input: &[f64]) -> Result<StepResponse, tonic::Status> {
        let request = StepRequest { field: field.to_owned(), input: input.to_vec(), ..Default::default() };
        Ok(self.field.clone().step(request).await?.into_inner())
    }

    /// Reads a field.
    ///
    /// # Errors
    /// As the call does.
    pub async fn state(&self, field: &str) -> Result<FieldState, tonic::Status> {
        let request = GetStateRequest { field: field.to_owned(), ..Default::default() };
        Ok(self.field.clone().get_state(request).await?.into_inner())
    }

    /// Intervenes in a field.
    ///
    /// # Errors
    /// As the call does.
    pub async fn intervene(&self, field: &str, action: Intervention) -> Result<f64, tonic::Status> {
        let request = InterveneRequest { field: field.to_owned(), action: action.into(), ..Default::default() };
        Ok(self.field.clone().intervene(request).await?.into_inner().noise)
    }

    /// Frontier hash and digest of what the node holds, with all that it recorded in its ledger.
    ///
    /// # Errors
    /// As the call does.
    pub async fn agreement(&self) -> Result<psi_api::v1::Agreement, tonic::Status> {
        self.node.flush_ledger().await;
        Ok(self.cluster.clone().get_digest(GetDigestRequest {}).await?.into_inner())
    }
}

/// A node that can crash, as one that is killed.
pub struct KillableNode {
    runtime: tokio::runtime::Runtime,
}

impl KillableNode {
    /// Starts a node on a runtime of its own.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(settings: Settings) -> Result<Self> {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.spawn(Node::start(settings)).await??;
        Ok(Self { runtime })
    }

    /// Ends all that the node does, and closes its sockets.
    pub fn die(self) {
        self.runtime.shutdown_background();
    }
}

/// Starts `count` nodes, `n1`, `n2`, …, the first of which seeds the others, and waits until all are linked.
///
/// # Errors
/// If a node does not start, or they do not find each other in time.
pub async fn cluster(count: usize) -> Result<Vec<Member>> {
    let first = Member::start(settings("n1", &[])).await?;
    let seed = first.node.addresses().gossip;
    let mut members = vec![first];
    for number in 2..=count {
        members.push(Member::start(settings(&format!("n{number}"), &[seed])).await?);
    }
    linked(&members).await?;
    Ok(members)
}

/// Waits until every node has a link to every other.
///
/// # Errors
/// If that takes too long.
pub async fn linked(members: &[Member]) -> Result<()> {
    eventually("all nodes are linked", async || {
        for member in members {
            let known = member.cluster.clone().list_members(psi_api::v1::ListMembersRequest {}).await?.into_inner();
            if known.members.iter().filter(|member| member.linked).count() < members.len() {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await
}

/// Waits until all nodes hold the same: equal frontiers, and then equal digests.
///
/// # Errors
/// If they don't come to agree in time, or hold the same frontier with different digests.
pub async fn agreed(members: &[Member]) -> Result<()> {
    eventually("all nodes hold the same", async || {
        let mut first: Option<psi_api::v1::Agreement> = None;
        for member in members {
            let agreement = member.agreement().await?;
            let first = first.get_or_insert_with(|| agreement.clone());
            if agreement.frontier_hash != first.frontier_hash {
                return Ok(false);
            }
            if agreement.digest != first.digest {
                bail!("{} has the same frontier and another digest", member.node.node_id());
            }
        }
        Ok(true)
    })
    .await
}

/// Waits until `condition` holds.
///
/// # Errors
/// If it does not within [`DEADLINE`], or fails.
pub async fn eventually<F: Future<Output = Result<bool>>>(what: &str, condition: impl Fn() -> F) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE {
        if condition().await.with_context(|| format!("while waiting until {what}"))? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("it took over {} s until {what}", DEADLINE.as_secs())
}

/// The value of a series, as it stands in the text that Prometheus scrapes at `http`; `None` if there is none yet.
///
/// # Errors
/// If nobody answers there, or with something else.
pub async fn series(http: SocketAddr, name: &str) -> Result<Option<f64>> {
    let text = reqwest::get(format!("http://{http}/metrics")).await?.error_for_status()?.text().await?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.map(str::parse).transpose()?)
}
