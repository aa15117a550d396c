//! Clusters that hold much: fields, origins, or steps. A node alone would have no peer, and so none of the cost of
//! replication.

use psi_client::Connection;
use tempfile::TempDir;

use crate::{
    client,
    cluster::{
        fields, origins,
        process::{Launch, Node},
        rig::{self, Rig},
    },
    error::BenchError,
};

/// Nodes that hold the same; one of them is looked at.
pub(crate) const NODES: u32 = 3;
/// Steps of a field that is young, and of one that is not.
pub(crate) const STEPS_YOUNG: u64 = 1_000;
pub(crate) const STEPS_OLD: u64 = 1_000_000;
/// Steps in a batch where as many as possible are to be taken soon.
const STEPS_AT_ONCE: usize = 1_000;
/// The file in a node's data directory that it reads when it starts.
const SNAPSHOT: &str = "snapshot";
/// Longest time between snapshots: none is written while anything is measured.
const SNAPSHOT_INTERVAL_MS: u32 = 3_600_000;

/// A node that is looked at, its peers, and what they need to live. All of it ends when dropped.
pub(crate) struct LoadedCluster {
    rig: Rig,
    pub(crate) channel: Connection,
    _directory: Option<TempDir>,
}

impl LoadedCluster {
    async fn new(rig: Rig, directory: Option<TempDir>) -> Result<Self, BenchError> {
        let channel = rig.nodes[0].connect().await?;
        Ok(Self { rig, channel, _directory: directory })
    }

    pub(crate) fn node(&self) -> &Node {
        &self.rig.nodes[0]
    }

    /// A cluster of `nodes`, with nothing but an empty field.
    pub(crate) async fn empty(nodes: u32) -> Result<Self, BenchError> {
        Self::new(Rig::start(nodes).await?, None).await
    }

    /// A cluster whose nodes hold `count` fields beside `default`.
    pub(crate) async fn fields(count: u32) -> Result<Self, BenchError> {
        let cluster = Self::empty(NODES).await?;
        fields::fill(cluster.node(), count).await?;
        cluster.rig.agreed().await?;
        Ok(cluster)
    }

    /// A cluster whose nodes know `count` origins, all with steps in one field.
    pub(crate) async fn origins(count: u32) -> Result<Self, BenchError> {
        let made = tokio::task::spawn_blocking(move || {
            let snapshot = origins::snapshot(count)?;
            let directory = tempfile::tempdir();
            let directory = directory.and_then(|directory| {
                std::fs::write(directory.path().join(SNAPSHOT), snapshot)?;
                Ok(directory)
            });
            directory.map_err(|error| BenchError::failed(format!("can't write a snapshot: {error}")))
        });
        let ended = |error| BenchError::failed(format!("making origins ended: {error}; this is a bug"));
        let directory: TempDir = made.await.map_err(ended)??;
        let launch = Launch::new("node-1")
            .with("--data-dir", &directory.path().display())
            .with("--data-snapshot-interval-ms", &SNAPSHOT_INTERVAL_MS);
        let mut nodes = vec![launch.start().await?];
        let seed = nodes[0].gossip;
        for number in 2..=NODES {
            nodes.push(Launch::new(format!("node-{number}")).with("--cluster-seeds", &seed).start().await?);
        }
        // The field is known by the snapshot.
        let rig = Rig { nodes };
        rig.linked().await?;
        rig.agreed().await?;
        let cluster = Self::new(rig, Some(directory)).await?;
        cluster.knows(count).await?;
        Ok(cluster)
    }

    /// # Errors
    /// If the node knows fewer origins.
    async fn knows(&self, origins: u32) -> Result<(), BenchError> {
        let frontier = client::cluster(self.channel.clone()).get_frontier(psi_api::v1::GetFrontierRequest {}).await;
        let known = frontier.map_err(|status| BenchError::refused("a node", &status))?.into_inner().origins.len();
        if known < origins as usize {
            return Err(BenchError::failed(format!("a node knows {known} origins of {origins}; this is a bug")));
        }
        Ok(())
    }

    /// A cluster with many steps in the field that is stepped.
    pub(crate) async fn stepped() -> Result<Self, BenchError> {
        let cluster = Self::empty(NODES).await?;
        cluster.step(rig::FIELD, STEPS_OLD).await?;
        Ok(cluster)
    }

    /// Takes this many steps in a field.
    pub(crate) async fn step(&self, field: &str, steps: u64) -> Result<(), BenchError> {
        let request = rig::step_batch(field, 0, STEPS_AT_ONCE);
        for _ in 0..steps.div_ceil(STEPS_AT_ONCE as u64) {
            let taken = client::fields(self.channel.clone()).step_batch(request.clone()).await;
            taken.map_err(|status| BenchError::refused("a node", &status))?;
        }
        Ok(())
    }
}
