//! A node: its sockets and tasks, from start to graceful end.

pub(crate) mod connections;
pub(crate) mod context;
pub(crate) mod end;
pub(crate) mod identity;
pub(crate) mod log_limit;
pub mod reference;

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use psi_replica::{NodeId, Version};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};
use tracing::{info, warn};

use self::{
    context::NodeContext,
    end::NodeEnd,
    identity::{Identity, IdentityError, clock::WallClock, node_key::KeptNodeKey},
};
use crate::{
    calls::readiness::is_writable,
    cluster::{address::advertised, claimants, gossip},
    governance::{
        ledger::{auditor::LedgerAuditor, store::LedgerStore, writer::LedgerWriter},
        process::{keeper::ProcessKeeper, voter_change::VoterChange},
        rollout::{controller::RolloutController, notifier::Notifier},
    },
    grpc, http,
    links::{dial, registry::Links},
    settings::{Addresses, Endpoint, Settings},
    snapshot::{
        directory::DataError,
        task::{self, SnapshotTask, StartupData},
    },
};

/// Calls in progress have this long to end once the node stops.
const DRAIN: Duration = Duration::from_secs(3);
/// The last writes have this long to reach a peer before the links are closed.
const HAND_OVER: Duration = Duration::from_secs(1);
/// How long a node announces that it leaves: at least ten times to some members.
const LEAVE_ANNOUNCE: Duration = Duration::from_millis(500);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address can't be bound.
    #[error("can't listen on {address} for {service}: {source}; set {setting} to a free address")]
    Bind {
        /// What for.
        service: &'static str,
        /// The address.
        address: SocketAddr,
        /// The setting that moves it.
        setting: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Gossip did not start.
    #[error("can't start gossip: {0:#}")]
    Gossip(anyhow::Error),
    /// The cluster key can't be used, or is missing where one is needed.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The data directory can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// A running node. Dropping it without [`Node::shutdown`] leaves its tasks running until the runtime ends.
pub struct Node {
    context: Arc<NodeContext>,
    servers: Vec<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    snapshots: Option<Arc<SnapshotTask>>,
}

impl Node {
    /// Binds the node's sockets and starts its tasks. The node then joins by itself.
    ///
    /// # Errors
    /// [`StartError`] if an address can't be bound, or the data directory not be used.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        Self::start_and_ask(settings, Vec::new()).await
    }

    /// Shuts the node down and starts it at the same addresses, as [`NodeEnd::StartAgain`] says.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub async fn restart(self, ask: Vec<SocketAddr>) -> Result<Self, StartError> {
        let settings = self.context.settings.clone();
        self.shutdown().await;
        Self::start_and_ask(settings, ask).await
    }

    async fn start_and_ask(settings: Settings, ask: Vec<SocketAddr>) -> Result<Self, StartError> {
        let grpc_listener = bind(settings.grpc, "gRPC", "grpc.listen").await?;
        let http_listener = bind(settings.http, "HTTP", "http.listen").await?;
        let gossip_listen = probe_gossip(settings.gossip.listen).await?;
        let bound = |listener: &TcpListener, fallback: SocketAddr| listener.local_addr().unwrap_or(fallback);
        let (grpc, http, gossip) = tokio::join!(
            advertised(settings.grpc, bound(&grpc_listener, settings.grpc.listen), &settings.seeds),
            advertised(settings.http, bound(&http_listener, settings.http.listen), &settings.seeds),
            advertised(settings.gossip, gossip_listen, &settings.seeds),
        );
        let addresses = Addresses { grpc, http, gossip };
        // Ports that were free to choose are those that were chosen, from now on.
        let settings = Settings {
            grpc: Endpoint { listen: bound(&grpc_listener, settings.grpc.listen), ..settings.grpc },
            http: Endpoint { listen: bound(&http_listener, settings.http.listen), ..settings.http },
            gossip: Endpoint { listen: gossip_listen, ..settings.gossip },
            ..settings
        };
        let identity = Identity::open(&settings, &addresses, WallClock::of_machine())?;
        let StartupData { task: snapshots, snapshot, refused, node_key, ledger } = task::open(&settings).await?;
        identity.set_node_key(node_key.unwrap_or_else(KeptNodeKey::of_run));
        let (ledger, set_aside) = ledger.unwrap_or_else(|| (LedgerStore::in_memory(), None));
        let context = Arc::new(NodeContext::new(settings, identity, addresses, (snapshot, ledger)));
        set_aside.into_iter().for_each(|reason| context.metrics.ledger.record_store_refusal(reason));
        refused.into_iter().for_each(|reason| context.metrics.snapshots.record_refusal(reason));
        let links = Arc::new(Links::default());
        let mut tasks = Vec::new();
        if context.settings.replication {
            let handle = gossip::start(&context).await.map_err(StartError::Gossip)?;
            tasks.push(supervised(&context, "gossip", gossip::run(context.clone(), handle)));
            tasks.push(supervised(&context, "the claim to its name", claimants::keep_claim(context.clone(), ask)));
            tasks.push(supervised(&context, "dialling members", dial::dial_members(context.clone(), links.clone())));
        }
        let timekeeper = context.clone();
        tasks.push(supervised(&context, "keeping time", async move { timekeeper.keep_time().await }));
        let follower = context.clone();
        let follow = async move {
            let addresses = || follower.addresses();
            let followed = follower.identity.follow_files(&follower.settings, addresses);
            follower.stop.run_until_cancelled(followed).await;
        };
        tasks.push(supervised(&context, "following the files of the identity", follow));
        tasks.push(supervised(&context, "writing the ledger", LedgerWriter::new(context.clone()).run()));
        tasks.push(supervised(&context, "auditing ledgers", LedgerAuditor::new(context.clone()).run()));
        tasks.push(supervised(&context, "keeping processes", ProcessKeeper::new(context.clone()).run()));
        tasks.push(supervised(&context, "changing voters", VoterChange::new(context.clone()).run()));
        tasks.push(supervised(&context, "rollouts", RolloutController::new(context.clone()).run()));
        if let Some(notifier) = Notifier::new(context.clone()) {
            tasks.push(supervised(&context, "notifying", notifier.run()));
        }
        if let Some(snapshots) = snapshots.clone() {
            tasks.push(supervised(&context, "keeping snapshots", snapshots.run(context.clone())));
        }
        let servers =
            vec![serve_grpc(context.clone(), links, grpc_listener), serve_http(context.clone(), http_listener)];
        let Addresses { grpc, http, gossip } = addresses;
        info!(node = %context.settings.node, cluster = %context.settings.cluster, %grpc, %http, %gossip, "node started");
        Ok(Self { context, servers, tasks, snapshots })
    }

    /// Its name.
    #[must_use]
    pub fn node_id(&self) -> &NodeId {
        &self.context.settings.node
    }

    /// Where it is reached.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.context.addresses()
    }

    /// Whether it has caught up and accepts steps.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.context.read(is_writable)
    }

    /// Whether the ledger of its run has begun, which is the first that it writes by itself.
    #[must_use]
    pub fn has_begun_ledger(&self) -> bool {
        self.context.ledger.begun.load(Ordering::Acquire)
    }

    /// Resolves once all that was recorded so far is in the ledger, or after a second.
    pub async fn flush_ledger(&self) {
        if self.is_ready() {
            let _ = tokio::time::timeout(HAND_OVER, self.context.ledger.flushed()).await;
        }
    }

    /// Resolves with the reason once the node can't go on; never while it can.
    pub async fn ended(&self) -> NodeEnd {
        let mut fatal = self.context.fatal.subscribe();
        let end = fatal.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        match end {
            Some(end) => end,
            None => std::future::pending().await,
        }
    }

    /// Announces that it leaves, accepts no more steps, hands over its last writes, ends calls and closes sockets.
    /// Takes at most 5 s, plus the time of a last snapshot.
    pub async fn shutdown(self) {
        info!(node = %self.context.settings.node, "stopping");
        self.flush_ledger().await;
        self.context.write(|replica, now| {
            replica.stop_writing(psi_replica::StopCause::Requested);
            // Its last write: the others need not wait for this run. It flushes.
            replica.close(now);
            replica.flush();
        });
        self.context.wake_links();
        self.context.leaving.cancel();
        let others = self.context.members.borrow().iter().filter(|member| member.live).count() > 1;
        // A run that waits for its name has nothing to announce: it starts again, or never joined.
        let others = others && !self.context.claim.waits();
        let announced = tokio::time::sleep(if others { LEAVE_ANNOUNCE } else { Duration::ZERO });
        let (handed_over, ()) = tokio::join!(tokio::time::timeout(HAND_OVER, self.handed_over()), announced);
        if handed_over.is_err() {
            self.context.read(|replica| {
                let written = replica.origin().map_or(Version::ZERO, |own| replica.frontier().version(own));
                let holders: Vec<String> = replica.holders(written).iter().map(ToString::to_string).collect();
                warn!(
                    "not every peer acknowledged the last writes within {} s; acknowledged by: {}",
                    HAND_OVER.as_secs(),
                    holders.join(", ")
                );
            });
        }
        let last_snapshot = self.snapshots.map(|snapshots| tokio::spawn(snapshots.save(self.context.clone())));
        self.context.stop.cancel();
        for server in self.servers {
            let abort = server.abort_handle();
            if tokio::time::timeout(DRAIN, server).await.is_err() {
                warn!("calls in progress were cut off after {} s", DRAIN.as_secs());
                abort.abort();
            }
        }
        for task in self.tasks {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_millis(500), task).await.is_err() {
                abort.abort();
            }
        }
        if let Some(last_snapshot) = last_snapshot {
            let _ = last_snapshot.await;
        }
    }

    /// Resolves when every linked peer holds all that this node wrote; at once if there is no peer.
    async fn handed_over(&self) {
        let (mut acknowledged, mut changes) = (self.context.acknowledgements(), self.context.changes());
        loop {
            acknowledged.mark_unchanged();
            changes.mark_unchanged();
            if self.context.read(|replica| replica.has_handed_over()) {
                return;
            }
            // A peer may be gone, which wakes no task.
            let look = Duration::from_millis(20);
            let _ = tokio::time::timeout(look, async {
                tokio::select! { _ = acknowledged.changed() => {}, _ = changes.changed() => {} }
            })
            .await;
        }
    }
}

/// Runs a task that lasts as long as the node; the node can't go on without it.
fn supervised(
    context: &Arc<NodeContext>,
    what: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let (context, task) = (context.clone(), tokio::spawn(task));
    tokio::spawn(async move {
        if task.await.is_err() || !context.stop.is_cancelled() {
            context.fail(format!("the task of {what} ended; this is a bug, see the log"));
        }
    })
}

fn serve_grpc(context: Arc<NodeContext>, links: Arc<Links>, listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        let stop = context.stop.clone().cancelled_owned();
        grpc::serve(context, links, listener, stop, DRAIN).await;
    })
}

fn serve_http(context: Arc<NodeContext>, listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        let stop = context.stop.clone().cancelled_owned();
        http::serve(context, listener, stop).await;
    })
}

async fn bind(endpoint: Endpoint, service: &'static str, setting: &'static str) -> Result<TcpListener, StartError> {
    let address = endpoint.listen;
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { service, address, setting, source })
}

/// Checks that the gossip socket can be bound, and chooses its port if the setting is 0. chitchat binds the socket
/// itself and must know the port in advance.
async fn probe_gossip(address: SocketAddr) -> Result<SocketAddr, StartError> {
    let bind = async { UdpSocket::bind(address).await?.local_addr() };
    bind.await.map_err(|source| StartError::Bind { service: "gossip", address, setting: "gossip.listen", source })
}
