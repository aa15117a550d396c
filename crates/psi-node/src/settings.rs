//! The settings of a node, in a form that can't be invalid. The command line reads them from files, variables and
//! flags.

mod hosts;
mod notify;
mod origins;
mod security;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use psi_replica::{ClusterName, NodeId};

pub(crate) use self::hosts::comparable;
pub use self::{
    hosts::WebHosts,
    notify::{Notify, Webhook, WebhookError},
    origins::WebOrigins,
    security::{Security, TlsFiles},
};

/// Where a service listens, and where others reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The advertised address. `None` means the bound one or, if that is unspecified (`0.0.0.0`, `::`), this
    /// machine's own address towards the seeds, which may change while the node runs.
    pub advertise: Option<SocketAddr>,
}

impl Endpoint {
    /// Listens on `listen` and says so.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen, advertise: None }
    }
}

/// Where this node is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// gRPC.
    pub grpc: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
    /// Gossip, UDP.
    pub gossip: SocketAddr,
}

/// Every setting of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Nodes of different clusters refuse each other.
    pub cluster: ClusterName,
    /// Name of this node, stable over restarts.
    pub node: NodeId,
    /// gRPC: programs and replication.
    pub grpc: Endpoint,
    /// HTTP: programs, Prometheus, health checks.
    pub http: Endpoint,
    /// Gossip, UDP.
    pub gossip: Endpoint,
    /// Who may join the cluster and call its nodes.
    pub security: Security,
    /// `host:port` of other nodes' gossip. Empty: this node may start a cluster of its own.
    pub seeds: Vec<String>,
    /// How long a seed waits for members to show themselves before it starts a cluster. Too short: a restarted
    /// seed serves an empty state for a moment. Too long: a first start takes as long.
    pub join: Duration,
    /// How long a run that nobody hears is waited for until the others may end it; zero: never. The names of ended runs
    /// are kept for seven times as long. Where nodes differ, the longest holds. Too short: a node that is cut off for
    /// longer loses steps that nobody else saw. Too long: runs of nodes that died take memory for as long.
    pub end_after: Duration,
    /// Off: the node keeps to itself and drifts, as the original service did.
    pub replication: bool,
    /// Up to this many live members, every two are linked; above, each has a few links and entries are relayed. Too
    /// low: a write takes more hops. Too high: every node keeps that many connections, and updates each peer on every
    /// write.
    pub full_mesh_max: usize,
    /// Time between gossip rounds; a dead node is noticed after about five. Too short: a busy machine's nodes are
    /// declared dead now and then. Too long: the dead stay listed as live.
    pub gossip_interval: Duration,
    /// How many times longer than usual a silent node must be silent to count as dead; see `detector.rs`. Too low: a
    /// lossy network or a stalled machine has live nodes declared dead. Too high: the dead stay listed as live.
    pub phi_threshold: u32,
    /// How long a dead node remains a member.
    pub dead_node_grace: Duration,
    /// Directory for this node's snapshots. `None`: its state is lost when it stops, and comes from other nodes when
    /// it starts.
    pub data_directory: Option<PathBuf>,
    /// Time between snapshots, while anything changes. Too short: the disk is busy. Too long: a crash of all nodes at
    /// once loses as much.
    pub snapshot_interval: Duration,
    /// Largest HTTP body, bytes. A body with evidence of a process may have 1.5 MiB in any case.
    pub body_bytes_max: usize,
    /// Origins whose web pages may call HTTP.
    pub web_origins: WebOrigins,
    /// Names by which HTTP may be called where the cluster has no key, beside addresses, `localhost` and the node's
    /// name.
    pub web_hosts: WebHosts,
    /// Calls that one gRPC connection may have in progress, open streams included; more are refused.
    pub calls_per_connection_max: usize,
    /// Connections of clients and peers, over gRPC and HTTP together. Beyond, the one that has been quiet for longest is
    /// closed for a new one.
    pub connections_max: usize,
    /// Open streams of all connections: watches, streams of steps. More are refused.
    pub streams_max: usize,
    /// How much there may be of all fields together.
    pub capacity: psi_state::Capacity,
    /// Who is told what happens to models.
    pub notify: Notify,
    /// Fields with metric series of their own; the others are counted in one series.
    pub field_series_max: usize,
    /// The commit that the program was built from, for `psi_build_info`.
    pub commit: &'static str,
}

impl Settings {
    /// The defaults: loopback only, since without a cluster key nothing is encrypted or authenticated.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        let loopback = |port| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)));
        Self {
            cluster: ClusterName::new("psi-field").expect("a valid name"),
            node,
            grpc: loopback(50_051),
            http: loopback(8_000),
            gossip: loopback(7_280),
            security: Security::default(),
            seeds: Vec::new(),
            join: Duration::from_secs(2),
            end_after: Duration::from_secs(24 * 60 * 60),
            replication: true,
            full_mesh_max: psi_replica::overlay::FULL_MESH_MAX,
            gossip_interval: Duration::from_millis(250),
            phi_threshold: 7,
            dead_node_grace: Duration::from_secs(15 * 60),
            data_directory: None,
            snapshot_interval: Duration::from_secs(10),
            body_bytes_max: 1024 * 1024,
            web_origins: WebOrigins::default(),
            web_hosts: WebHosts::default(),
            notify: Notify::default(),
            calls_per_connection_max: 1024,
            connections_max: 1024,
            streams_max: 512,
            capacity: psi_state::Capacity::default(),
            field_series_max: 200,
            commit: "unknown",
        }
    }
}
