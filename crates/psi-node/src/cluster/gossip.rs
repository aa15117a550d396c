//! Gossip membership by chitchat (UDP): which nodes are live, their addresses, and tiny facts about them. Field state
//! never travels here.
//!
//! This wrapper hides pitfalls of chitchat: keys must be ASCII and small in total, the loop can end silently, names
//! are looked up only once a minute, and a dead node's keys are not gossiped any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use chitchat::{ChitchatConfig, ChitchatHandle, ChitchatId, ProtocolVersion, Serializable as _, spawn_chitchat};
use psi_replica::NodeId;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, error, info, warn};

use super::{
    address, detector, facts,
    members::{Member, MemberMemory},
    namesakes::NamesakeLog,
    seeds,
    transport::{Gate, GossipTransport},
};
use crate::{node::context::NodeContext, settings::Addresses};

/// How often a node that leaves announces it.
const LEAVE_ANNOUNCE: Duration = Duration::from_millis(50);
/// How often the node checks that this machine still has its advertised address.
const ADDRESS_CHECK: Duration = Duration::from_secs(1);
/// A dead node is a member for this many times as long as gossip remembers its run: each restart makes a run, and each
/// message names all runs that gossip remembers.
const REMEMBERED: u32 = 3;
/// Wait before a loop that ended is started again.
const RESTART: Duration = Duration::from_secs(1);

/// A loop of chitchat.
pub(crate) struct GossipLoop {
    handle: ChitchatHandle,
    gate: Arc<Gate>,
}

/// Gossips until the node stops. Starts over when the loop ends by itself and, since a run of chitchat has one
/// address, when this machine's address changes.
pub(crate) async fn run(context: Arc<NodeContext>, first: GossipLoop) {
    let GossipLoop { mut handle, mut gate } = first;
    let mut memory = MemberMemory::default();
    loop {
        let ended = handle.termination_watcher();
        tokio::select! {
            () = follow(&context, &handle, &gate, &mut memory) => break,
            () = seeds::contact_seeds(&context, &handle) => break,
            addresses = next_addresses(&context) => {
                info!(gossip = %addresses.gossip, grpc = %addresses.grpc, "this machine has another address now");
                context.set_addresses(addresses);
                if let Err(error) = handle.shutdown().await {
                    debug!("gossip ended with {error:#}");
                }
            }
            result = ended => {
                context.metrics.record_gossip_restart();
                let why = result.err().map_or_else(|| "it stopped".to_owned(), |error| error.to_string());
                error!("the gossip loop ended: {why}; starting it again");
            }
        }
        GossipLoop { handle, gate } = loop {
            tokio::select! {
                () = tokio::time::sleep(RESTART) => {}
                () = context.stop.cancelled() => return,
            }
            match start(&context).await {
                Ok(started) => break started,
                Err(error) => error!("can't start gossip: {error:#}"),
            }
        };
    }
    if let Err(error) = handle.shutdown().await {
        debug!("gossip ended with {error:#}");
    }
}

/// Resolves once another address must be advertised.
async fn next_addresses(context: &NodeContext) -> Addresses {
    loop {
        tokio::time::sleep(ADDRESS_CHECK).await;
        if let Some(addresses) = address::changed_addresses(&context.settings, context.addresses()).await {
            return addresses;
        }
    }
}

/// Starts the gossip loop: binds its socket.
pub(crate) async fn start(context: &NodeContext) -> anyhow::Result<GossipLoop> {
    let settings = &context.settings;
    let interval = settings.gossip_interval;
    let generation = context.next_gossip_generation();
    let id = ChitchatId::new(settings.node.to_string(), generation, context.addresses().gossip);
    let config = ChitchatConfig {
        chitchat_id: id,
        cluster_id: settings.cluster.to_string(),
        gossip_interval: interval,
        listen_addr: settings.gossip.listen,
        // Seeds are looked up here, every second: chitchat does so once a minute.
        seed_nodes: Vec::new(),
        failure_detector_config: detector::config(
            interval,
            settings.phi_threshold,
            settings.dead_node_grace / REMEMBERED,
        ),
        marked_for_deletion_grace_period: Duration::from_secs(60 * 60),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ProtocolVersion::V1,
    };
    let gate = Arc::new(Gate::new(settings.cluster.clone(), context.metrics.gossip_drops()));
    let transport = GossipTransport::new(gate.clone(), context.identity.clone());
    let facts = facts::at_start(context.addresses(), context.claim.now());
    Ok(GossipLoop { handle: spawn_chitchat(config, facts, &transport).await?, gate })
}

/// Publishes this node's facts and reads those of others, once every gossip interval.
async fn follow(context: &NodeContext, handle: &ChitchatHandle, gate: &Gate, memory: &mut MemberMemory) {
    let mut interval = tokio::time::interval(context.settings.gossip_interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut published, mut namesakes) = (BTreeMap::new(), NamesakeLog::default());
    let mut leaving = false;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = context.claim.look_asked() => {}
            () = context.leaving.cancelled(), if !leaving => {
                leaving = true;
                interval = tokio::time::interval(LEAVE_ANNOUNCE);
            }
            () = context.stop.cancelled() => return,
        }
        let own_facts = facts::of_node(context, leaving);
        let (members, ids) = handle
            .with_chitchat(|chitchat| {
                facts::publish(chitchat, &own_facts, &mut published);
                let ids: Vec<Vec<u8>> = chitchat.node_states().keys().map(|id| id.serialize_to_vec()).collect();
                (facts::read(chitchat), ids)
            })
            .await;
        let own = handle.chitchat_id();
        context.claim.record(&context.settings.node, own.gossip_advertise_addr, own.generation_id, &members);
        if leaving {
            // A node that joined a moment ago may be known to members that it does not take for live yet.
            let others = members.iter().filter(|member| !member.left && member.gossip != context.addresses().gossip);
            // Fails only when the loop has ended, which `run` sees too.
            others.for_each(|member| drop(handle.gossip(member.gossip)));
        }
        let own_run = (&context.settings.node, (own.generation_id, own.gossip_advertise_addr));
        let members = memory.update(members, Some(own_run), Instant::now(), context.settings.dead_node_grace);
        namesakes.record(&members, Instant::now());
        let linked = linked(context, &members);
        gate.update(ids.into_iter(), linked.into_iter(), clocks(context), context.settings.dead_node_grace);
        context.members.send_if_modified(|known| {
            log_changes(known, &members);
            let changed = *known != members;
            *known = members;
            changed
        });
        context.check_agreement();
    }
}

/// Where live members gossip that a link leads to.
fn linked(context: &NodeContext, members: &[Member]) -> Vec<SocketAddr> {
    let peers: BTreeSet<NodeId> =
        context.read(|replica| replica.links().filter_map(|(_, link)| Some(link.peer?.node)).collect());
    members.iter().filter(|member| member.live && peers.contains(&member.node)).map(|member| member.gossip).collect()
}

/// How far the clocks of linked members are ahead of this machine's, milliseconds.
fn clocks(context: &NodeContext) -> Vec<i64> {
    context.read(|replica| replica.links().filter_map(|(_, link)| link.clock_offset_ms).collect())
}

fn log_changes(before: &[Member], after: &[Member]) {
    for member in after {
        let was_live = before.iter().find(|known| known.node == member.node).map(|known| known.live);
        match (was_live, member.live) {
            (None | Some(false), true) => info!(node = %member.node, gossip = %member.gossip, "member is live"),
            (Some(true), false) if member.left => info!(node = %member.node, "member leaves"),
            (Some(true), false) => warn!(node = %member.node, gossip = %member.gossip, "member is dead"),
            _ => {}
        }
    }
}
