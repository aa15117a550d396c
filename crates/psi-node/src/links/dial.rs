//! The dialling end of links: which members, and when to retry.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use psi_api::v1::replication_service_client::ReplicationServiceClient;
use psi_replica::{FRAME_ENCODED_MAX, NodeId, WallMs, overlay};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, transport::Endpoint};
use tracing::{debug, warn};

use super::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, OUTBOUND_FRAMES, end::LinkEnd, registry::Links, run::run_link};
use crate::{cluster::members::Member, node::context::NodeContext, settings::Settings};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A node's name, and the generation that distinguishes its runs.
type Run = (NodeId, u64);

/// Keeps a link to each live neighbour with a greater name than this node's, and to all while it hands over its writes.
pub(crate) async fn dial_members(context: Arc<NodeContext>, links: Arc<Links>) {
    tokio::select! {
        () = context.claim.held() => {}
        () = context.stop.cancelled() => return,
    }
    let (mut members, mut hands_over) = (context.members.subscribe(), context.claim.hands_over());
    let mut dials: BTreeMap<Run, Dial> = BTreeMap::new();
    loop {
        // Members whose clocks differ must make the same turns.
        let wall = context.read(|replica| replica.time().agreed);
        let known = members.borrow_and_update().clone();
        let expected = if *hands_over.borrow_and_update() {
            all_others(&context.settings.node, &known)
        } else {
            expected(&context.settings, &known, wall)
        };
        dials.retain(|run, dial| match expected.get(run) {
            // A task ends when its peer dies, even if the peer is expected again.
            Some(address) => *address == dial.address && !dial.task.is_finished(),
            None => !dial.task.is_finished() && may_end_by_itself(&known, run),
        });
        for (peer, address) in expected {
            let dial = || {
                let task = tokio::spawn(dial(context.clone(), links.clone(), peer.clone(), address));
                Dial { address, task }
            };
            dials.entry(peer.clone()).or_insert_with(dial);
        }
        let reshuffle = Duration::from_millis(overlay::reshuffled_at(wall).0.saturating_sub(wall.0));
        tokio::select! {
            changed = members.changed() => if changed.is_err() { return },
            changed = hands_over.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(reshuffle) => {}
            () = context.stop.cancelled() => return,
        }
    }
}

/// The runs that this node dials, and their addresses.
fn expected(settings: &Settings, members: &[Member], wall: WallMs) -> BTreeMap<Run, SocketAddr> {
    let own = &settings.node;
    let live = || members.iter().filter(|member| member.live);
    let names = live().map(|member| member.node.clone()).chain([own.clone()]).collect();
    let neighbours = overlay::neighbours(own, &names, settings.full_mesh_max, wall);
    dialled(live().filter(|member| member.node > *own && neighbours.contains(&member.node)))
}

/// All live runs of other nodes, which may know another run of this one and not dial this.
fn all_others(own: &NodeId, members: &[Member]) -> BTreeMap<Run, SocketAddr> {
    dialled(members.iter().filter(|member| member.live && member.node != *own))
}

fn dialled<'a>(members: impl Iterator<Item = &'a Member>) -> BTreeMap<Run, SocketAddr> {
    members.filter_map(|member| Some(((member.node.clone(), member.generation), member.grpc?))).collect()
}

/// Whether a run that is not expected any more may keep its link, to hand over its last writes: it leaves, or a later
/// run has replaced it. The link of a dead run is cut.
fn may_end_by_itself(known: &[Member], run: &Run) -> bool {
    let now = known.iter().find(|member| member.node == run.0);
    now.is_some_and(|member| member.left || member.generation != run.1)
}

/// A task that dials one peer; dropping it ends the link.
struct Dial {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Dials one run of a peer for as long as that is live.
async fn dial(context: Arc<NodeContext>, links: Arc<Links>, run: Run, address: SocketAddr) {
    let is_live = || {
        let members = context.members.borrow();
        members.iter().any(|member| member.live && member.node == run.0 && member.generation == run.1)
    };
    let peer = &run.0;
    let backoff = || {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .without_max_times()
            .with_jitter()
            .build()
    };
    let mut waits = backoff();
    while is_live() {
        match connect(&context, &links, peer, address).await {
            Ok(LinkEnd::Stopped) if context.stop.is_cancelled() => return,
            Ok(LinkEnd::Stopped) => warn!(%peer, %address, "closed the link: {}", LinkEnd::Stopped),
            Ok(end) => match end.refused() {
                Some(reason) => {
                    context.metrics.record_link_refusal(reason);
                    warn!(%peer, %address, reason, "closed the link: {end}");
                }
                None => {
                    debug!(%peer, %address, "link ended: {end}");
                    waits = backoff();
                }
            },
            Err(status) => warn!(%peer, %address, "can't open a link: {}", status.message()),
        }
        tokio::time::sleep(waits.next().unwrap_or(Duration::from_secs(5))).await;
    }
}

async fn connect(context: &NodeContext, links: &Links, peer: &NodeId, address: SocketAddr) -> Result<LinkEnd, Status> {
    let set = |endpoint: Endpoint| {
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true)
    };
    let dialled = context.identity.dial(address, Some(peer), set).await;
    let channel = dialled.map_err(|error| Status::unavailable(chain(&error)))?;
    let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
    let mut client = ReplicationServiceClient::new(channel).max_decoding_message_size(FRAME_ENCODED_MAX);
    let inbound = client.link(ReceiverStream::new(frames)).await?.into_inner();
    Ok(run_link(context, links, Some(peer), inbound, &outbound, None, |frame| frame).await)
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_dials_its_live_neighbours_of_greater_names() {
        let name = |n: usize| NodeId::new(&format!("n{n:02}")).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let member = |n| Member {
            grpc: Some(address),
            live: n != 7,
            ..Member::own(&name(n), crate::Addresses { grpc: address, http: address, gossip: address })
        };
        for (count, most) in [(9, 9), (60, 6)] {
            let members: Vec<Member> = (0..count).map(member).collect();
            let dialled_by =
                |own: usize| expected(&Settings::new(name(own)), &members, WallMs(0)).into_keys().map(|(node, _)| node);
            let links: Vec<(NodeId, NodeId)> = (0..count)
                .filter(|own| *own != 7)
                .flat_map(|own| dialled_by(own).map(move |to| (name(own), to)))
                .collect();
            assert!(links.iter().all(|(own, to)| own < to && *to != name(7)));
            let of = |node: NodeId| links.iter().filter(|(own, to)| *own == node || *to == node).count();
            assert!((0..count).filter(|n| *n != 7).all(|n| (2..=most).contains(&of(name(n)))), "{count}: {links:?}");
        }
    }
}
