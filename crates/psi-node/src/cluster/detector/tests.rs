//! chitchat itself, on a network in memory that loses messages, and on a clock that the test advances.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use chitchat::{
    ChitchatConfig, ChitchatEnvelope, ChitchatHandle, ChitchatId, FailureDetectorConfig, ProtocolVersion,
    spawn_chitchat,
    transport::{RecvOutcome, SendOutcome, Socket, Transport},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::Instant,
};

use psi_replica::NodeId;

use super::config;
use crate::Settings;

const INTERVAL: Duration = Duration::from_millis(250);
/// By then what was assumed of a node at first hardly counts.
const HISTORY: Duration = Duration::from_secs(30);

/// The network: sockets by address.
#[derive(Clone)]
struct Ether(Arc<Mutex<EtherState>>);

struct EtherState {
    sockets: BTreeMap<SocketAddr, UnboundedSender<RecvOutcome>>,
    random: StdRng,
    loss: f64,
}

impl Ether {
    fn new(loss: f64, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self(Arc::new(Mutex::new(EtherState { sockets: BTreeMap::new(), random, loss })))
    }

    fn with_state<R>(&self, look: impl FnOnce(&mut EtherState) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct EtherSocket {
    own: SocketAddr,
    ether: Ether,
    inbound: UnboundedReceiver<RecvOutcome>,
}

#[async_trait::async_trait]
impl Transport for Ether {
    async fn open(&self, own: SocketAddr) -> Result<Box<dyn Socket>> {
        let (sender, inbound) = unbounded_channel();
        self.with_state(|inner| inner.sockets.insert(own, sender));
        Ok(Box::new(EtherSocket { own, ether: self.clone(), inbound }))
    }
}

#[async_trait::async_trait]
impl Socket for EtherSocket {
    fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.own)
    }

    async fn send(&mut self, to: SocketAddr, envelope: ChitchatEnvelope) -> Result<SendOutcome> {
        let passing = self.ether.with_state(|inner| {
            let lost = inner.random.random::<f64>() < inner.loss;
            let delay = Duration::from_micros(inner.random.random_range(100..5_000));
            inner.sockets.get(&to).filter(|_| !lost).cloned().map(|socket| (socket, delay))
        });
        if let Some((socket, delay)) = passing {
            let outcome = RecvOutcome { from_addr: self.own, envelope, num_bytes_received: 0 };
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = socket.send(outcome);
            });
        }
        Ok(SendOutcome { num_bytes_sent: 0 })
    }

    async fn recv(&mut self) -> Result<RecvOutcome> {
        self.inbound.recv().await.context("the socket is closed")
    }
}

/// Nodes that gossip; `None` where one was killed.
struct Cluster {
    ether: Ether,
    detector: FailureDetectorConfig,
    nodes: Vec<Option<ChitchatHandle>>,
    starts: u64,
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7_000 + u16::try_from(index).expect("few nodes")))
}

impl Cluster {
    async fn start(count: usize, loss: f64, detector: FailureDetectorConfig, seed: u64) -> Self {
        let mut cluster =
            Self { ether: Ether::new(loss, seed), detector, nodes: (0..count).map(|_| None).collect(), starts: 0 };
        for index in 0..count {
            cluster.revive(index).await;
        }
        cluster.settle(HISTORY).await;
        cluster
    }

    /// Starts the node at an index, at some moment of the others' rounds.
    async fn revive(&mut self, index: usize) {
        let phase = self.ether.with_state(|inner| inner.random.random_range(0..250));
        tokio::time::sleep(Duration::from_millis(phase)).await;
        self.starts += 1;
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(format!("n{index}"), self.starts, address(index)),
            cluster_id: "psi-field".to_owned(),
            gossip_interval: INTERVAL,
            listen_addr: address(index),
            seed_nodes: vec![address(0).to_string(), address(1).to_string()],
            failure_detector_config: self.detector.clone(),
            marked_for_deletion_grace_period: Duration::from_secs(3_600),
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        };
        let handle = spawn_chitchat(config, Vec::new(), &self.ether).await.expect("it starts");
        self.nodes[index] = Some(handle);
    }

    /// Crashes the node at an index.
    fn kill(&mut self, index: usize) {
        self.ether.with_state(|inner| inner.sockets.remove(&address(index)));
        if let Some(node) = self.nodes[index].take() {
            node.abort();
        }
    }

    /// Who each node says is live: observer and observed, itself left out.
    async fn live(&self) -> BTreeSet<(usize, usize)> {
        let mut live = BTreeSet::new();
        for (observer, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let seen = node
                .with_chitchat(|chitchat| {
                    chitchat
                        .live_nodes()
                        .map(|id| usize::from(id.gossip_advertise_addr.port()) - 7_000)
                        .collect::<Vec<_>>()
                })
                .await;
            live.extend(seen.into_iter().filter(|seen| *seen != observer).map(|seen| (observer, seen)));
        }
        live
    }

    /// Waits until all that run see each other live, and so much longer.
    async fn settle(&self, longer: Duration) {
        let running = self.nodes.iter().flatten().count();
        while self.live().await.len() < running * (running - 1) {
            tokio::time::sleep(INTERVAL).await;
        }
        tokio::time::sleep(longer).await;
    }

    /// How often a node declared another dead, though nothing died.
    async fn false_deaths(&self, time: Duration) -> usize {
        let end = Instant::now() + time;
        let mut before = self.live().await;
        let mut deaths = 0;
        while Instant::now() < end {
            tokio::time::sleep(INTERVAL / 2).await;
            let now = self.live().await;
            deaths += before.difference(&now).count();
            before = now;
        }
        deaths
    }

    /// How long until all others notice that a node died.
    async fn detection(&mut self, victim: usize) -> Duration {
        let begun = Instant::now();
        self.kill(victim);
        while self.live().await.iter().any(|(_, seen)| *seen == victim) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }
}

/// The settings of a node that leaves everything else at its default.
fn defaults() -> Settings {
    Settings::new(NodeId::new("n0").expect("a name"))
}

fn detector(phi_threshold: u32) -> FailureDetectorConfig {
    config(INTERVAL, phi_threshold, defaults().dead_node_grace)
}

/// How long each of some deaths took to be noticed by all, sorted.
async fn detections(cluster: &mut Cluster, deaths: usize) -> Vec<Duration> {
    let mut took = Vec::new();
    for death in 0..deaths {
        let victim = death % cluster.nodes.len();
        took.push(cluster.detection(victim).await);
        cluster.revive(victim).await;
        cluster.settle(HISTORY).await;
    }
    took.sort_unstable();
    took
}

#[tokio::test(start_paused = true)]
async fn where_a_third_of_all_gossip_is_lost_live_nodes_stay_live_for_half_an_hour() {
    let Settings { gossip_interval, phi_threshold, .. } = defaults();
    assert_eq!(gossip_interval, INTERVAL);
    let cluster = Cluster::start(5, 0.3, detector(phi_threshold), 1).await;
    let deaths = cluster.false_deaths(Duration::from_secs(30 * 60)).await;
    assert!(deaths <= 1, "{deaths} false deaths");
}

#[tokio::test(start_paused = true)]
async fn a_death_is_noticed_by_all_of_five_nodes_within_three_seconds() {
    for loss in [0.0, 0.3] {
        let mut cluster = Cluster::start(5, loss, detector(defaults().phi_threshold), 2).await;
        let took = detections(&mut cluster, 10).await;
        // A node looks at its members once an interval.
        assert!(took.iter().all(|took| *took + INTERVAL < Duration::from_secs(3)), "loss {loss}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_soon_after_it_joined_is_noticed_as_well() {
    let mut cluster = Cluster::start(5, 0.0, detector(defaults().phi_threshold), 3).await;
    for victim in 0..5 {
        cluster.detection(victim).await;
        cluster.revive(victim).await;
        cluster.settle(Duration::ZERO).await;
        let took = cluster.detection(victim).await;
        assert!(took + INTERVAL < Duration::from_secs(3), "{took:?}");
        cluster.revive(victim).await;
        cluster.settle(Duration::ZERO).await;
    }
}

/// Half an hour at each threshold, and 20 deaths.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes and prints a table: run it with --nocapture"]
async fn table_of_what_each_threshold_costs_and_buys() {
    println!("| nodes | phi_threshold | loss | false deaths in 30 min | death noticed by all, p50 / max (ms) |");
    println!("|---|---|---|---|---|");
    for (nodes, threshold) in [(5, 3), (5, 4), (5, 6), (5, 7), (5, 8), (5, 10), (2, 7), (20, 7)] {
        for loss in [0.0, 0.3] {
            let mut cluster = Cluster::start(nodes, loss, detector(threshold), 4).await;
            let deaths = cluster.false_deaths(Duration::from_secs(30 * 60)).await;
            let took = detections(&mut cluster, 20).await;
            let (p50, max) = (took[took.len() / 2].as_millis(), took[took.len() - 1].as_millis());
            println!("| {nodes} | {threshold} | {:.0} % | {deaths} | {p50} / {max} |", loss * 100.0);
        }
    }
}
