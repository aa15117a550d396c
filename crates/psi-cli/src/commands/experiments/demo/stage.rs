//! The demo's nodes, each reached by clients over its sockets alone.

use std::{
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use psi_api::v1::{
    CreateFieldRequest, DriftReport, FieldState, GetDigestRequest, GetDriftRequest, GetFrontierRequest,
    GetStateRequest, GuardianMode, InterveneRequest, Intervention, ListMembersRequest, Member, OriginPosition,
    StepBatchRequest, StepRequest, StepResponse, Vector, cluster_service_client::ClusterServiceClient,
    drift_service_client::DriftServiceClient, psi_field_service_client::PsiFieldServiceClient,
};
use psi_client::{Access, Connection};
use psi_engine::EngineKind;
use psi_node::{Endpoint, Node, Settings};
use psi_replica::NodeId;
use tokio::runtime::Runtime;
use tonic::Status;

use super::directory::TemporaryDirectory;
use crate::output::Failure;

/// How long anything may take before the demo gives up on it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A seed of the demo waits this long for members; on one machine they show themselves much sooner.
const JOIN: Duration = Duration::from_millis(300);

/// What one node runs on. Without it all that the node does is over, and nobody is told.
struct NodeRuntime {
    runtime: Option<Runtime>,
    /// While this is there, no thread of it does anything.
    frozen: Option<mpsc::Sender<()>>,
}

impl NodeRuntime {
    /// Blocks all of its threads.
    fn freeze(&mut self) {
        let Some(runtime) = &self.runtime else { return };
        let (sender, receiver) = mpsc::channel::<()>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..runtime.metrics().num_workers() {
            let receiver = receiver.clone();
            runtime.spawn(async move {
                // One waits for the sender to go, and the others for that one.
                let _ = receiver.lock().map(|receiver| receiver.recv());
            });
        }
        self.frozen = Some(sender);
    }
}

impl Drop for NodeRuntime {
    fn drop(&mut self) {
        self.frozen = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One node, and clients for it.
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) http: SocketAddr,
    /// `up`, `stopped`, `killed` or `frozen`.
    pub(super) state: &'static str,
    pub(super) channel: Connection,
    node: Option<Node>,
    runtime: NodeRuntime,
    field: PsiFieldServiceClient<Connection>,
    drift: DriftServiceClient<Connection>,
    cluster: ClusterServiceClient<Connection>,
}

impl Actor {
    async fn enter(
        name: &str,
        seed: Option<SocketAddr>,
        replication: bool,
        data_directory: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let free = Endpoint::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        let id = NodeId::new(name).map_err(|error| Failure::failed(error.to_string()))?;
        let settings = Settings {
            grpc: free,
            http: free,
            gossip: free,
            seeds: seed.iter().map(ToString::to_string).collect(),
            join: JOIN,
            replication,
            data_directory,
            ..Settings::new(id)
        };
        let runtime = Runtime::new().map_err(|error| Failure::failed(format!("can't start {name}: {error}")))?;
        let started = runtime.spawn(Node::start(settings));
        let runtime = NodeRuntime { runtime: Some(runtime), frozen: None };
        let started = started.await.map_err(|error| Failure::failed(error.to_string()))?;
        let node = started.map_err(|error| Failure::failed(error.to_string()))?;
        let addresses = node.addresses();
        let endpoint = psi_bench::client::endpoint(&addresses.grpc.to_string(), PATIENCE);
        let channel = Access::default().connect_lazily(&endpoint.map_err(|error| Failure::failed(error.to_string()))?);
        Ok(Self {
            name: name.to_owned(),
            http: addresses.http,
            state: "up",
            channel: channel.clone(),
            node: Some(node),
            runtime,
            field: PsiFieldServiceClient::new(channel.clone()),
            drift: DriftServiceClient::new(channel.clone()),
            cluster: ClusterServiceClient::new(channel),
        })
    }

    /// Whether the node runs, and answers.
    pub(super) fn is_up(&self) -> bool {
        self.state == "up"
    }

    pub(super) async fn step(&self, field: &str, input: &[f64]) -> Result<StepResponse, Status> {
        let request = StepRequest { field: field.to_owned(), input: input.to_vec(), ..Default::default() };
        Ok(self.field.clone().step(request).await?.into_inner())
    }

    pub(super) async fn step_batch(&self, field: &str, inputs: Vec<Vec<f64>>) -> Result<Vec<StepResponse>, Status> {
        let inputs = inputs.into_iter().map(|values| Vector { values }).collect();
        let request = StepBatchRequest { field: field.to_owned(), inputs, ..Default::default() };
        Ok(self.field.clone().step_batch(request).await?.into_inner().steps)
    }

    pub(super) async fn drift(&self, field: &str) -> Result<DriftReport, Status> {
        let request = GetDriftRequest { field: field.to_owned(), ..Default::default() };
        Ok(self.drift.clone().get_drift(request).await?.into_inner())
    }

    pub(super) async fn intervene(&self, action: Intervention) -> Result<f64, Status> {
        let request = InterveneRequest { action: action.into(), ..Default::default() };
        Ok(self.field.clone().intervene(request).await?.into_inner().noise)
    }

    /// Makes a field of so many columns, with names for them or without.
    pub(super) async fn create(&self, field: &str, width: u32, names: &[&str]) -> Result<(), Status> {
        let request = CreateFieldRequest {
            name: field.to_owned(),
            engine: EngineKind::Synthetic.to_string(),
            width,
            guardian: GuardianMode::Watch.into(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Default::default()
        };
        self.field.clone().create_field(request).await.map(|_| ())
    }

    pub(super) async fn state(&self, field: &str) -> Result<FieldState, Status> {
        Ok(self
            .field
            .clone()
            .get_state(GetStateRequest { field: field.to_owned(), ..Default::default() })
            .await?
            .into_inner())
    }

    /// Frontier hash and digest, as hexadecimal digits.
    pub(super) async fn agreement(&self) -> Result<(String, String), Status> {
        let agreement = self.cluster.clone().get_digest(GetDigestRequest {}).await?.into_inner();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((hex(&agreement.frontier_hash), hex(&agreement.digest)))
    }

    pub(super) async fn frontier(&self) -> Result<Vec<OriginPosition>, Status> {
        Ok(self.cluster.clone().get_frontier(GetFrontierRequest {}).await?.into_inner().origins)
    }

    pub(super) async fn members(&self) -> Result<Vec<Member>, Status> {
        Ok(self.cluster.clone().list_members(ListMembersRequest {}).await?.into_inner().members)
    }

    /// The body of a page of the node's HTTP surface.
    pub(super) async fn get(&self, path: &str) -> Result<String, Failure> {
        psi_bench::page(self.http, path).await.map_err(|error| Failure::failed(error.to_string()))
    }
}

/// The nodes.
pub(super) struct Stage {
    pub(super) actors: Vec<Actor>,
    replication: bool,
    /// Where nodes keep what outlives them, if they do.
    directory: Option<TemporaryDirectory>,
}

impl Stage {
    /// Starts the nodes and waits until all accept steps and know each other. They have no disks.
    pub(super) async fn set(nodes: usize, replication: bool) -> Result<Self, Failure> {
        let names: Vec<String> = (1..=nodes).map(|number| format!("node-{number}")).collect();
        Self { actors: Vec::new(), replication, directory: None }.filled(&names).await
    }

    /// Starts nodes with a directory each, below a temporary one.
    pub(super) async fn set_on_disk(names: &[String]) -> Result<Self, Failure> {
        let directory = Some(TemporaryDirectory::create()?);
        Self { actors: Vec::new(), replication: true, directory }.filled(names).await
    }

    async fn filled(mut self, names: &[String]) -> Result<Self, Failure> {
        for name in names {
            let (seed, data) = (self.seed(), self.data_of(name));
            self.actors.push(Actor::enter(name, seed, self.replication, data).await?);
        }
        until("all nodes accept steps", async || Ok(self.is_ready())).await?;
        if self.replication {
            until("all nodes are linked", async || self.is_linked().await).await?;
        }
        Ok(self)
    }

    fn data_of(&self, name: &str) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.path().join(name))
    }

    /// Where a new node finds the others: at any that runs.
    fn seed(&self) -> Option<SocketAddr> {
        let up = self.actors.iter().find_map(|actor| actor.node.as_ref());
        up.filter(|_| self.replication).map(|node| node.addresses().gossip)
    }

    fn is_ready(&self) -> bool {
        self.actors.iter().filter_map(|actor| actor.node.as_ref()).all(Node::is_ready)
    }

    /// Whether all nodes have links to all.
    pub(super) async fn is_linked(&self) -> Result<bool, Failure> {
        for actor in &self.actors {
            let linked = actor.members().await.map_err(|status| Failure::refused(&actor.name, &status))?;
            if linked.iter().filter(|member| member.linked).count() < self.actors.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops the node at `index`, gracefully.
    pub(super) async fn leave(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        if let Some(node) = actor.node.take() {
            node.shutdown().await;
            actor.state = "stopped";
        }
    }

    /// Ends the node at `index` as a crash does: it hands nothing over, and tells nobody.
    pub(super) async fn kill(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        (actor.node, actor.state) = (None, "killed");
        if let Some(runtime) = actor.runtime.runtime.take() {
            // Until its files are closed: another run is to open them.
            let end = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE));
            let _ = end.await;
        }
    }

    /// Lets the node at `index` hang: it does nothing and answers nobody, as one that is cut off, and forgets nothing.
    pub(super) fn freeze(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        actor.runtime.freeze();
        actor.state = "frozen";
    }

    /// Lets a node that hangs go on.
    pub(super) fn thaw(&mut self, index: usize) {
        let actor = &mut self.actors[index];
        actor.runtime.frozen = None;
        actor.state = "up";
    }

    /// Starts the node at `index` again: the same name, another run, and what its directory has if it has one.
    pub(super) async fn enter_again(&mut self, index: usize) -> Result<(), Failure> {
        let (name, seed) = (self.actors[index].name.clone(), self.seed());
        self.actors[index] = Actor::enter(&name, seed, self.replication, self.data_of(&name)).await?;
        Ok(())
    }

    /// What to try on the nodes while they stay up.
    pub(super) fn invitation(&self) -> String {
        use std::fmt::Write;
        let mut text = String::from("\nThe nodes stay up until Ctrl-C:\n");
        for actor in &self.actors {
            if let Some(node) = &actor.node {
                let addresses = node.addresses();
                let _ = writeln!(text, "  {}  http://{}  gRPC {}", actor.name, addresses.http, addresses.grpc);
            }
        }
        let up = || self.actors.iter().filter_map(|actor| actor.node.as_ref()).map(Node::addresses);
        if let (Some(first), Some(last)) = (up().next(), up().last()) {
            let _ = write!(
                text,
                "Try:\n  psi-field step --incident --node {}\n  psi-field members --node {}\n  curl http://{}/state",
                first.grpc, last.grpc, last.http,
            );
        }
        text
    }

    /// Stops every node.
    pub(super) async fn strike(self) {
        let mut actors = self.actors;
        actors.iter_mut().for_each(|actor| actor.runtime.frozen = None);
        let nodes = actors.iter_mut().filter_map(|actor| actor.node.take());
        let stops: Vec<_> = nodes.map(|node| tokio::spawn(node.shutdown())).collect();
        for stop in stops {
            let _ = stop.await;
        }
    }
}

/// Waits until `condition` holds; returns how long it took.
pub(super) async fn until<F>(what: &str, condition: impl Fn() -> F) -> Result<Duration, Failure>
where
    F: Future<Output = Result<bool, Failure>>,
{
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if condition().await? {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(Failure::failed(format!("it took over {} s until {what}", PATIENCE.as_secs())))
}
