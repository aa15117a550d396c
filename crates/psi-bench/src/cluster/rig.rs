//! The nodes that are measured: a cluster of processes on the loopback, with the field that is stepped, and the vectors.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use psi_api::v1::{
    CreateFieldRequest, GetDigestRequest, GuardianMode, ListMembersRequest, StepBatchRequest, StepRequest, Vector,
};
use psi_client::Connection;
use psi_engine::EngineKind;
use tonic::Status;

use super::process::{Launch, Node};
use crate::{client, error::BenchError, random_walk::RandomWalk};

/// The field that is stepped: engine `synthetic`, a guardian that watches.
pub(crate) const FIELD: &str = "bench";
/// Numbers in a vector.
pub(crate) const WIDTH: usize = 16;
/// Of the walk that vectors are from.
const SEED: u64 = 1;
/// Different vectors; callers begin at different ones and go round.
pub(crate) const VECTORS: usize = 1024;
/// How long a cluster may take until all its nodes accept steps and are linked.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(20);

/// A cluster of nodes that replicate to each other.
pub(crate) struct Rig {
    pub(crate) nodes: Vec<Node>,
}

impl Rig {
    /// Starts `count` nodes on which the field is known.
    ///
    /// # Errors
    /// If a node does not start, or they don't find together in time.
    pub(crate) async fn start(count: u32) -> Result<Self, BenchError> {
        let first = Launch::new("node-1").start().await?;
        let seed = first.gossip;
        let mut nodes = vec![first];
        for number in 2..=count {
            nodes.push(Launch::new(format!("node-{number}")).with("--cluster-seeds", &seed).start().await?);
        }
        Self::of(nodes).await
    }

    /// Nodes that were started otherwise, once they are linked and know the field.
    ///
    /// # Errors
    /// If they don't find together in time.
    pub(crate) async fn of(nodes: Vec<Node>) -> Result<Self, BenchError> {
        let rig = Self { nodes };
        rig.linked().await?;
        rig.create(FIELD).await?;
        Ok(rig)
    }

    /// Waits until every node accepts steps and is linked to every other.
    pub(crate) async fn linked(&self) -> Result<(), BenchError> {
        for node in &self.nodes {
            let channel = node.connect().await?;
            let is_linked = async || {
                let members = client::cluster(channel.clone()).list_members(ListMembersRequest {}).await?;
                let members = members.into_inner().members;
                Ok(members.iter().filter(|member| member.ready && member.linked).count() == self.nodes.len())
            };
            until(&format!("node `{}` to be linked to all others", node.name), is_linked).await?;
        }
        Ok(())
    }

    /// Makes a field like the one that is stepped, and waits until every node knows it.
    pub(crate) async fn create(&self, field: &str) -> Result<(), BenchError> {
        let mut request = Some(create_request(field));
        for node in &self.nodes {
            let channel = node.connect().await?;
            if let Some(request) = request.take() {
                let created = client::fields(channel.clone()).create_field(request).await;
                created.map_err(|status| BenchError::refused(&node.grpc.to_string(), &status))?;
            }
            let is_known = async || {
                let fields = client::all_fields(channel.clone()).await?.into_inner();
                Ok(fields.iter().any(|one| one.name == field))
            };
            until(&format!("node `{}` to know field `{field}`", node.name), is_known).await?;
        }
        Ok(())
    }

    /// Waits until all nodes hold the same.
    ///
    /// # Errors
    /// If they don't in time.
    pub(crate) async fn agreed(&self) -> Result<(), BenchError> {
        let mut channels = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            channels.push(node.connect().await?);
        }
        let agree = async || {
            let mut digests = Vec::with_capacity(channels.len());
            for channel in &channels {
                digests.push(client::cluster(channel.clone()).get_digest(GetDigestRequest {}).await?.into_inner());
            }
            Ok(digests.windows(2).all(|two| two[0] == two[1]))
        };
        until("all nodes to hold the same", agree).await
    }

    /// This many connections to the first node.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn connections(&self, count: usize) -> Result<Vec<Connection>, BenchError> {
        let mut channels = Vec::with_capacity(count);
        for _ in 0..count {
            channels.push(self.nodes[0].connect().await?);
        }
        Ok(channels)
    }
}

/// Makes a field like the one that is stepped.
pub(crate) fn create_request(field: &str) -> CreateFieldRequest {
    CreateFieldRequest {
        name: field.to_owned(),
        engine: EngineKind::Synthetic.to_string(),
        width: u32::try_from(WIDTH).unwrap_or(u32::MAX),
        guardian: GuardianMode::Watch.into(),
        ..CreateFieldRequest::default()
    }
}

/// Asks again and again; a refusal counts as no.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool, Status>) -> Result<(), BenchError> {
    let begun = Instant::now();
    loop {
        let asked = is_so().await;
        if matches!(asked, Ok(true)) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let said = asked.err().map_or_else(String::new, |status| format!("; it says: {}", status.message()));
            return Err(BenchError::failed(format!("waited {} s for {what}{said}", PATIENCE.as_secs())));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Vectors of a random walk, the same in every run.
pub(crate) fn vectors() -> Vec<Vec<f64>> {
    let mut walk = RandomWalk::new(SEED, WIDTH);
    std::iter::repeat_with(|| walk.step()).take(VECTORS).collect()
}

/// A unary step of each vector.
pub(crate) fn step_requests(field: &str) -> Arc<[StepRequest]> {
    let request = |input| StepRequest { field: field.to_owned(), input, ..StepRequest::default() };
    vectors().into_iter().map(request).collect()
}

/// The vectors as a batch takes them, from one on.
pub(crate) fn batch_of(vectors: &[Vec<f64>], from: usize, count: usize) -> Vec<Vector> {
    vectors.iter().cycle().skip(from).take(count).map(|values| Vector { values: values.clone() }).collect()
}

/// A batch of vectors, from one on.
pub(crate) fn step_batch(field: &str, from: usize, count: usize) -> StepBatchRequest {
    let inputs = batch_of(&vectors(), from, count);
    StepBatchRequest { field: field.to_owned(), inputs, ..StepBatchRequest::default() }
}
