//! chitchat's loops behind gates, and a socket of a stranger.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, DeletionStatus, ProtocolVersion, VersionedValue,
    spawn_chitchat,
};
use prometheus::{IntCounterVec, Opts, core::Collector};
use psi_replica::NodeId;
use psi_security::key::ClusterKey;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{net::UdpSocket, time::timeout};

use super::{
    Gate, GossipTransport,
    craft::{CLUSTER, message, syn, syn_ack, text},
};
use crate::{
    cluster::detector,
    node::identity::{Identity, clock::WallClock},
    settings::{Addresses, Security, Settings},
};

pub(super) const INTERVAL: Duration = Duration::from_millis(25);
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A loop of chitchat behind a gate.
pub(super) struct Peer {
    pub(super) handle: ChitchatHandle,
    pub(super) gate: Arc<Gate>,
    pub(super) drops: IntCounterVec,
}

pub(super) fn gate() -> (Arc<Gate>, IntCounterVec) {
    let drops = IntCounterVec::new(Opts::new("drops", "drops"), &["reason"]).expect("a valid name");
    (Arc::new(Gate::new(CLUSTER.parse().expect("a name"), &drops)), drops)
}

/// A node of a cluster with this key.
pub(super) fn keyed(key: &ClusterKey) -> Identity {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.key");
    std::fs::write(&path, key.to_string()).expect("written");
    let security = Security { key_file: Some(path), ..Security::default() };
    let settings = Settings { security, ..Settings::new(NodeId::new("n1").expect("a name")) };
    let addresses = Addresses { grpc: loopback(), http: loopback(), gossip: loopback() };
    Identity::open(&settings, &addresses, WallClock::of_machine()).expect("a key")
}

/// What of a gate's counters is not zero.
pub(super) fn dropped(drops: &IntCounterVec) -> Vec<(String, u64)> {
    let families = drops.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are small counts")]
    let all = series.map(|one| (one.get_label()[0].value().to_owned(), one.get_counter().get_value() as u64));
    all.filter(|(_, count)| *count > 0).collect()
}

impl Peer {
    pub(super) async fn start(name: &str) -> Self {
        Self::start_as(name, Identity::without_key()).await
    }

    pub(super) async fn start_as(name: &str, identity: Identity) -> Self {
        let (gate, drops) = gate();
        // Its address must be known before it is bound.
        let listen_addr = UdpSocket::bind(loopback()).await.expect("a port").local_addr().expect("an address");
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(name, 1, listen_addr),
            cluster_id: CLUSTER.to_owned(),
            gossip_interval: INTERVAL,
            listen_addr,
            seed_nodes: Vec::new(),
            failure_detector_config: detector::config(INTERVAL, 7, Duration::from_secs(600)),
            marked_for_deletion_grace_period: Duration::from_secs(600),
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        };
        let facts = vec![("ready".to_owned(), "1".to_owned())];
        let transport = GossipTransport::new(gate.clone(), Arc::new(identity));
        let handle = spawn_chitchat(config, facts, &transport).await.expect("it starts");
        Self { handle, gate, drops }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.handle.chitchat_id().gossip_advertise_addr
    }

    pub(super) async fn knows<T>(&self, look: impl Fn(&Chitchat) -> T) -> T {
        self.handle.with_chitchat(|chitchat| look(chitchat)).await
    }

    /// Waits until it knows something.
    pub(super) async fn learns(&self, what: &str, holds: impl Fn(&Chitchat) -> bool) {
        let learned = async {
            while !self.knows(&holds).await {
                tokio::time::sleep(INTERVAL).await;
            }
        };
        timeout(DEADLINE, learned).await.unwrap_or_else(|_| panic!("{what}; dropped: {:?}", dropped(&self.drops)));
    }

    /// Takes up the facts of three runs each of so many nodes.
    pub(super) async fn know_others(&self, count: usize) {
        for number in 0..count * 3 {
            let node = format!("psi-field-{}.psi-field", number / 3);
            let id =
                ChitchatId::new(node, 1_764_000_000_000_000 + number as u64, SocketAddr::from(([10, 1, 2, 3], 7280)));
            let facts = facts(number);
            let versions = facts.len() as u64;
            let facts = (1..).zip(facts).map(|(version, (key, value))| {
                (key.to_owned(), VersionedValue { value, version, status: DeletionStatus::Set })
            });
            let facts: Vec<_> = facts.collect();
            self.handle
                .with_chitchat(|chitchat| {
                    chitchat.reset_node_state_if_update(&id, facts.clone().into_iter(), versions, 0);
                })
                .await;
        }
    }
}

/// What a node publishes, as long as it gets.
fn facts(number: usize) -> Vec<(&'static str, String)> {
    let digest = blake3_like(number);
    let address = |port: u16| format!("10.1.{}.{}:{port}", number / 256, number % 256);
    vec![
        ("grpc", address(50_051)),
        ("http", address(8_000)),
        ("version", "0.1.0".to_owned()),
        ("protocol", "1".to_owned()),
        ("ready", "1".to_owned()),
        ("run", (1_764_000_000_000_000 + number).to_string()),
        ("claim", "held".to_owned()),
        ("leaving", "1".to_owned()),
        ("agree", digest),
    ]
}

/// 128 hexadecimal digits that can't be compressed further.
fn blake3_like(number: usize) -> String {
    let mut random = StdRng::seed_from_u64(number as u64);
    (0..16).map(|_| format!("{:08x}", random.random::<u32>())).collect()
}

/// A stranger's socket.
pub(super) struct Stranger(pub(super) UdpSocket);

impl Stranger {
    pub(super) async fn bind() -> Self {
        Self(UdpSocket::bind(loopback()).await.expect("a port"))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }

    pub(super) async fn send(&self, to: &Peer, bytes: &[u8]) {
        self.0.send_to(bytes, to.address()).await.expect("it is sent");
    }

    /// The next message of a kind.
    pub(super) async fn receive(&self, kind: u8) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let received = async {
            loop {
                let length = self.0.recv(&mut buffer).await.expect("it is received");
                if buffer[3] == kind {
                    return buffer[..length].to_vec();
                }
            }
        };
        timeout(DEADLINE, received).await.expect("an answer")
    }

    /// Sends a first message and waits for the answer. All that was sent before has been seen by then.
    pub(super) async fn ask(&self, peer: &Peer, bytes: &[u8]) {
        const AGAIN: Duration = Duration::from_secs(1);
        let answered = async {
            // The kernel may drop a datagram where many wait.
            loop {
                self.send(peer, bytes).await;
                if timeout(AGAIN, self.receive(1)).await.is_ok() {
                    return;
                }
            }
        };
        timeout(DEADLINE, answered).await.expect("an answer");
    }
}

/// A message of each kind, as chitchat writes it for a few members.
pub(super) async fn captured() -> Vec<Vec<u8>> {
    let (peer, stranger) = (Peer::start("n1").await, Stranger::bind().await);
    peer.know_others(3).await;
    peer.handle.gossip(stranger.address()).expect("it runs");
    let syn_v1 = stranger.receive(0).await;
    stranger.send(&peer, &message(1, 0, &[&[0][..], &text(CLUSTER)].concat())).await;
    let answer_v1 = stranger.receive(1).await;
    stranger.send(&peer, &syn(CLUSTER, &[])).await;
    let answer_v0 = stranger.receive(1).await;
    stranger.send(&peer, &syn_ack(&[], &[])).await;
    vec![syn_v1, answer_v1, answer_v0, stranger.receive(2).await]
}
