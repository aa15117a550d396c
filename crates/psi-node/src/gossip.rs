//! Gossip membership by chitchat (UDP): who is live, where they are reached, and tiny facts about them. Field
//! state never travels here.
//!
//! chitchat has pitfalls that this wrapper alone knows of: keys must be ASCII and small in all, the loop can end
//! without a word, names are looked up once a minute only, and a dead node's keys stop being shared.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, NodeState, ProtocolVersion, spawn_chitchat,
    transport::UdpTransport,
};
use data_encoding::HEXLOWER;
use psi_replica::{Digest, NodeId};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, error, info, warn};

use crate::{
    address, detector,
    members::{Member, by_node, with_remembered},
    shared::{Addresses, Shared},
};

const GRPC: &str = "grpc";
const HTTP: &str = "http";
const READY: &str = "ready";
/// The incarnation that its replica has minted, in decimal; absent until then.
const RUN: &str = "run";
/// Set once, by a node that is about to stop.
const LEAVING: &str = "leaving";
/// Frontier hash and digest, 128 hexadecimal digits.
const AGREE: &str = "agree";

/// How often seeds are looked up and greeted while nobody else is known, and once somebody is.
const GREET_ALONE: Duration = Duration::from_secs(1);
const GREET_JOINED: Duration = Duration::from_secs(10);
/// A node that greets in vain says so after five seconds, and then twice a minute; so it says which seeds it can't look
/// up, at once and then twice a minute.
const GREETINGS_PER_WARNING: u32 = 30;
/// How often a node that leaves says so.
const FAREWELL: Duration = Duration::from_millis(50);
/// How often it is made sure that this machine still has the address that others are told.
const LOOK_AT_ADDRESS: Duration = Duration::from_secs(1);
/// Wait before a loop that ended is started again.
const RESTART: Duration = Duration::from_secs(1);

/// Gossips until the node stops; starts over when the loop ends by itself, and, since a run of chitchat has one address,
/// when this machine's changes.
pub(crate) async fn run(shared: Arc<Shared>, first: ChitchatHandle) {
    let mut handle = first;
    // Whom an earlier loop knew, and until when that counts: a new one knows nobody, and a majority of nobody is none.
    let mut remembered = (Vec::new(), Instant::now());
    loop {
        let ended = handle.termination_watcher();
        tokio::select! {
            () = follow(&shared, &handle, &remembered) => break,
            () = greet(&shared, &handle) => break,
            addresses = moved(&shared) => {
                info!(gossip = %addresses.gossip, grpc = %addresses.grpc, "this machine has another address now");
                shared.moved_to(addresses);
                if let Err(error) = handle.shutdown().await {
                    debug!("gossip ended with {error:#}");
                }
            }
            result = ended => {
                shared.metrics.record_gossip_restart();
                let why = result.err().map_or_else(|| "it stopped".to_owned(), |error| error.to_string());
                error!("the gossip loop ended: {why}; starting it again");
            }
        }
        remembered = (shared.members.borrow().clone(), Instant::now() + shared.settings.dead_node_grace);
        handle = loop {
            tokio::select! {
                () = tokio::time::sleep(RESTART) => {}
                () = shared.stop.cancelled() => return,
            }
            match start(&shared).await {
                Ok(handle) => break handle,
                Err(error) => error!("can't start gossip: {error:#}"),
            }
        };
    }
    if let Err(error) = handle.shutdown().await {
        debug!("gossip ended with {error:#}");
    }
}

/// Resolves once others must be told another address.
async fn moved(shared: &Shared) -> Addresses {
    loop {
        tokio::time::sleep(LOOK_AT_ADDRESS).await;
        if let Some(addresses) = address::moved(&shared.settings, shared.addresses()).await {
            return addresses;
        }
    }
}

/// Starts the gossip loop: binds its socket.
pub(crate) async fn start(shared: &Shared) -> anyhow::Result<ChitchatHandle> {
    let settings = &shared.settings;
    let interval = settings.gossip_interval;
    let generation = shared.next_gossip_generation();
    let id = ChitchatId::new(settings.node.to_string(), generation, shared.addresses().gossip);
    let config = ChitchatConfig {
        chitchat_id: id,
        cluster_id: settings.cluster.to_string(),
        gossip_interval: interval,
        listen_addr: settings.gossip.listen,
        // Seeds are looked up here, every second: chitchat does so once a minute.
        seed_nodes: Vec::new(),
        failure_detector_config: detector::config(interval, settings.phi_threshold, settings.dead_node_grace),
        marked_for_deletion_grace_period: Duration::from_secs(60 * 60),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ProtocolVersion::V1,
    };
    let keys = vec![
        (GRPC.to_owned(), shared.addresses().grpc.to_string()),
        (HTTP.to_owned(), shared.addresses().http.to_string()),
    ];
    spawn_chitchat(config, keys, &UdpTransport).await
}

/// Publishes this node's facts and reads the others', once every gossip interval.
async fn follow(shared: &Shared, handle: &ChitchatHandle, (remembered, until): &(Vec<Member>, Instant)) {
    let mut interval = tokio::time::interval(shared.settings.gossip_interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut published = BTreeMap::new();
    let mut leaving = false;
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = shared.leaving.cancelled(), if !leaving => {
                leaving = true;
                interval = tokio::time::interval(FAREWELL);
            }
            () = shared.stop.cancelled() => return,
        }
        let facts = facts(shared, leaving);
        let members = handle
            .with_chitchat(|chitchat| {
                publish(chitchat, &facts, &mut published);
                read(chitchat)
            })
            .await;
        check_superseded(shared, handle.chitchat_id(), &members);
        if leaving {
            // Whoever joined a moment ago may be known to others that it does not take for live yet.
            let others = members.iter().filter(|member| !member.left && member.gossip != shared.addresses().gossip);
            // Fails only when the loop has ended, which `run` sees too.
            others.for_each(|member| drop(handle.gossip(member.gossip)));
        }
        let members = match Instant::now() < *until {
            true => with_remembered(members, remembered),
            false => by_node(members),
        };
        shared.members.send_if_modified(|known| {
            log_changes(known, &members);
            let changed = *known != members;
            *known = members;
            changed
        });
        shared.check_agreement();
    }
}

/// Greets the seeds: often while nobody else is known, and now and then for ever, since a cluster that was cut in two
/// for long has forgotten its other half. Apart from `follow`: a name can take its time to be looked up.
async fn greet(shared: &Shared, handle: &ChitchatHandle) {
    let mut members = shared.members.subscribe();
    let mut in_vain = 0_u32;
    loop {
        let alone = members.borrow_and_update().iter().filter(|member| member.live).count() <= 1;
        in_vain = if alone && !shared.settings.seeds.is_empty() { in_vain.wrapping_add(1) } else { 0 };
        if in_vain % GREETINGS_PER_WARNING == GREETINGS_PER_WARNING / 6 {
            let (cluster, seeds) = (&shared.settings.cluster, shared.settings.seeds.join(", "));
            warn!("no other node of cluster `{cluster}` answers at {seeds}; check cluster.seeds and cluster.name");
        }
        greet_seeds(shared, handle, in_vain % GREETINGS_PER_WARNING == 1).await;
        let pause = tokio::time::sleep(if alone { GREET_ALONE } else { GREET_JOINED });
        let lost_all = members.wait_for(|members| !alone && members.iter().filter(|member| member.live).count() <= 1);
        tokio::select! {
            () = pause => {}
            _ = lost_all => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// What this node has to say of itself.
fn facts(shared: &Shared, leaving: bool) -> Vec<(&'static str, String)> {
    let leaving = leaving.then(|| (LEAVING, "1".to_owned()));
    shared.read(|replica| {
        let agree = format!("{}{}", replica.frontier().hash(), replica.digest());
        let ready = if replica.may_write().is_ok() { "1" } else { "0" };
        let run = replica.origin().map(|own| (RUN, own.incarnation.to_string()));
        [(READY, ready.to_owned()), (AGREE, agree)].into_iter().chain(run).chain(leaving).collect()
    })
}

fn publish(chitchat: &mut Chitchat, facts: &[(&'static str, String)], published: &mut BTreeMap<&'static str, String>) {
    for (key, value) in facts {
        if published.get(key) != Some(value) {
            chitchat.self_node_state().set(*key, value);
            published.insert(key, value.clone());
        }
    }
}

/// Every run of every node that gossip knows.
fn read(chitchat: &Chitchat) -> Vec<Member> {
    let live: std::collections::BTreeSet<ChitchatId> = chitchat.live_nodes().cloned().collect();
    let known = chitchat.node_states().iter();
    known.filter_map(|(id, state)| member(id, state, live.contains(id))).collect()
}

/// A member, unless its name is one that no node of this program has.
fn member(id: &ChitchatId, state: &NodeState, live: bool) -> Option<Member> {
    let address = |key| state.get(key).and_then(|value| value.parse().ok());
    let left = state.get(LEAVING) == Some("1");
    Some(Member {
        node: NodeId::new(&id.node_id).ok()?,
        generation: id.generation_id,
        live: live && !left,
        left,
        gossip: id.gossip_advertise_addr,
        grpc: address(GRPC),
        http: address(HTTP),
        ready: state.get(READY) == Some("1"),
        incarnation: state.get(RUN).and_then(|run| run.parse().ok()),
        agreement: state.get(AGREE).and_then(parse_agreement),
    })
}

fn parse_agreement(value: &str) -> Option<(Digest, Digest)> {
    let bytes = HEXLOWER.decode(value.as_bytes()).ok().filter(|bytes| bytes.len() == 64)?;
    Some((Digest::from_bytes(&bytes[..32])?, Digest::from_bytes(&bytes[32..])?))
}

/// Two live runs of one node would write as two; the older stops.
fn check_superseded(shared: &Shared, own: &ChitchatId, members: &[Member]) {
    let later = members
        .iter()
        .find(|member| member.live && *member.node.as_str() == *own.node_id && member.generation > own.generation_id);
    if let Some(later) = later {
        shared.fail(format!(
            "another run of node `{}` started later and is live at {}; give each node a name of its own (--node-id)",
            later.node, later.gossip
        ));
    }
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

/// Looks the seeds up and greets each, but for this node itself. What can't be looked up is logged where that is due.
async fn greet_seeds(shared: &Shared, handle: &ChitchatHandle, log: bool) {
    for seed in &shared.settings.seeds {
        match tokio::time::timeout(Duration::from_secs(1), tokio::net::lookup_host(seed)).await {
            Ok(Ok(addresses)) => {
                for address in addresses {
                    if address == shared.addresses().gossip {
                        // Perhaps only now: some name services list a node a while after it has started.
                        shared.write(|replica, now| replica.become_seed(now));
                        shared.look_again();
                    } else {
                        let _ = handle.gossip(address);
                    }
                }
            }
            Ok(Err(error)) if log => warn!("can't look up the seed {seed}: {error}; trying again every second"),
            Err(_) if log => warn!("looking up the seed {seed} takes over a second; trying again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agreement_is_read_back_as_it_was_published() {
        let digest = |byte| Digest::from_bytes(&[byte; 32]).unwrap();
        let text = format!("{}{}", digest(1), digest(255));
        assert_eq!(parse_agreement(&text), Some((digest(1), digest(255))));
        for damaged in ["", "0", "zz", &text[1..], &format!("{text}00"), &"é".repeat(64)] {
            assert_eq!(parse_agreement(damaged), None, "{damaged}");
        }
    }
}
