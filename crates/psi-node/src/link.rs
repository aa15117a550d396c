//! Links: one bidirectional gRPC stream between each two live members (a few of them in large clusters), dialled by
//! the one with the lower name. What is said on them is the replica's matter; here are connections, back-pressure and
//! back-off.

use std::{
    collections::BTreeMap,
    error::Error as _,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use prost::Message;
use psi_api::{
    Cause,
    replica::{Frame, frame::Body},
    v1::replication_service_client::ReplicationServiceClient,
};
use psi_replica::{FRAME_ENCODED_MAX, LinkError, LinkId, NodeId, WallMs, overlay};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming, transport::Endpoint};
use tracing::{debug, warn};

use crate::{members::Member, settings::Settings, shared::Shared};

/// Frames that may wait for the transport. The replica makes a frame only when there is room, so a slow peer
/// costs no more than this.
const OUTBOUND_FRAMES: usize = 2;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A link that went silent is given up after these two together.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// A link that a newer one to the same node has replaced, while that had no incarnation, is closed after this.
const REPLACED: Duration = Duration::from_secs(5);
/// How long a peer may take to introduce itself; one that is merely slow is dialled again, or dials again.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// One run of a peer, as it introduces itself: its name, and its incarnation, 0 while it has none.
type PeerRun = (NodeId, u64);

/// Links that stand, by peer and run: a newer one replaces an older. Two runs of one node that live at once keep a link
/// each: else the later would cut off the earlier before that has handed over.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<BTreeMap<PeerRun, (LinkId, CancellationToken)>>);

/// A node's name, and the generation that tells its runs apart.
type Run = (NodeId, u64);

impl Links {
    fn put(&self, peer: PeerRun, link: LinkId, stop: CancellationToken) {
        let known = peer.1 != 0;
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((earlier, stop_earlier)) = links.insert(peer, (link, stop)) else { return };
        if known && earlier != link {
            stop_earlier.cancel();
        } else if earlier != link {
            // The two may be of two runs: the earlier hands over what it wrote last, and then ends by itself.
            tokio::spawn(async move {
                tokio::time::sleep(REPLACED).await;
                stop_earlier.cancel();
            });
        }
    }

    fn remove(&self, link: LinkId) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, (held, _)| *held != link);
    }
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd {
    #[error("the peer closed it")]
    Closed,
    #[error("this node is stopping, or a newer link to the peer stands")]
    Stopped,
    #[error("{}", .0.message())]
    Transport(Status),
    /// What arrived is no frame, or longer than any frame may be.
    #[error("the peer sent what is no frame of at most {FRAME_ENCODED_MAX} bytes: {}", .0.message())]
    NoFrame(Status),
    #[error("the peer did not introduce itself within {} s", INTRODUCTION.as_secs())]
    Silent,
    #[error("`{got}` answers there, not `{wanted}`; check what the two nodes advertise")]
    WrongPeer { wanted: NodeId, got: String },
    #[error(transparent)]
    Refused(#[from] LinkError),
}

impl From<Status> for LinkEnd {
    /// Tells what could not be decoded here from a connection that broke and from a peer that gave its reason.
    fn from(status: Status) -> Self {
        let here = status.source().is_none() && psi_api::cause_of(&status).is_none();
        match status.code() {
            Code::Internal | Code::OutOfRange if here => Self::NoFrame(status),
            _ => Self::Transport(status),
        }
    }
}

impl LinkEnd {
    /// Short name of the reason, where this node refused what the peer sent.
    fn refused(&self) -> Option<&'static str> {
        match self {
            Self::Refused(error) => Some(error.reason()),
            Self::NoFrame(_) => Some("not_a_frame"),
            Self::WrongPeer { .. } => Some("wrong_peer"),
            Self::Silent => Some("silent_peer"),
            Self::Closed | Self::Stopped | Self::Transport(_) => None,
        }
    }
}

/// A link of the replica; taken down however its task ends.
struct Standing<'a> {
    shared: &'a Shared,
    links: &'a Links,
    link: LinkId,
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.shared.write(|replica, now| {
            self.shared.metrics.peers.observe(replica);
            replica.link_down(now, self.link);
        });
        self.links.remove(self.link);
        self.shared.wake_links();
    }
}

/// Carries frames between a stream and the replica until either ends. The end that dialled knows whom it `wanted`.
pub(crate) async fn carry<T: Send>(
    shared: &Shared,
    links: &Links,
    wanted: Option<&NodeId>,
    mut inbound: Streaming<Frame>,
    outbound: &mpsc::Sender<T>,
    wrap: impl Fn(Frame) -> T,
) -> LinkEnd {
    let link = shared.next_link();
    let stop = shared.stop.child_token();
    shared.write(|replica, now| replica.link_up(now, link));
    let _standing = Standing { shared, links, link };
    let mut changes = shared.changes();
    let mut peer: Option<NodeId> = None;
    let mut waiting: Option<Frame> = None;
    let introduced_by = Instant::now() + INTRODUCTION;
    loop {
        if waiting.is_none() {
            changes.mark_unchanged();
            waiting = shared.write(|replica, now| replica.poll_frame(now, link));
        }
        tokio::select! {
            received = inbound.message() => {
                let frame = match received {
                    Ok(Some(frame)) => frame,
                    Ok(None) => return LinkEnd::Closed,
                    Err(status) => return status.into(),
                };
                let opened = match &frame.body {
                    Some(Body::Open(open)) => NodeId::new(&open.node).ok().map(|node| (node, open.incarnation)),
                    _ => None,
                };
                if let (Some(Body::Open(open)), Some(wanted)) = (&frame.body, wanted)
                    && open.node != wanted.as_str()
                {
                    return LinkEnd::WrongPeer { wanted: wanted.clone(), got: open.node.chars().take(64).collect() };
                }
                let bytes = frame.encoded_len();
                let may_acknowledge = matches!(frame.body, Some(Body::Ack(_) | Body::News(_)));
                if let Err(error) = shared.write(|replica, now| replica.handle_frame(now, link, frame)) {
                    return LinkEnd::Refused(error);
                }
                shared.look_again();
                if may_acknowledge {
                    shared.acknowledged();
                }
                if let (None, Some(run)) = (&peer, opened) {
                    peer = Some(run.0.clone());
                    links.put(run, link, stop.clone());
                }
                if let Some(peer) = &peer {
                    shared.metrics.peers.record_received(peer.as_str(), bytes);
                }
            }
            permit = outbound.reserve(), if waiting.is_some() => {
                let Ok(permit) = permit else { return LinkEnd::Closed };
                if let Some(frame) = waiting.take() {
                    if let Some(peer) = &peer {
                        shared.metrics.peers.record_sent(peer.as_str(), frame.encoded_len());
                    }
                    permit.send(wrap(frame));
                }
            }
            _ = changes.changed(), if waiting.is_none() => {}
            () = tokio::time::sleep_until(introduced_by), if peer.is_none() => return LinkEnd::Silent,
            () = stop.cancelled() => return LinkEnd::Stopped,
        }
    }
}

/// Keeps a link to each live neighbour with a greater name than this node's.
pub(crate) async fn dial_members(shared: Arc<Shared>, links: Arc<Links>) {
    let mut members = shared.members.subscribe();
    let mut dials: BTreeMap<Run, Dial> = BTreeMap::new();
    loop {
        let wall = shared.now().wall;
        let known = members.borrow_and_update().clone();
        let wanted = wanted(&shared.settings, &known, wall);
        dials.retain(|run, dial| match wanted.get(run) {
            // One that saw its peer dead has ended, though it be wanted again.
            Some(address) => *address == dial.address && !dial.task.is_finished(),
            None => !dial.task.is_finished() && may_end_by_itself(&known, run),
        });
        for (peer, address) in wanted {
            let dial = || {
                let task = tokio::spawn(dial(shared.clone(), links.clone(), peer.clone(), address));
                Dial { address, task }
            };
            dials.entry(peer.clone()).or_insert_with(dial);
        }
        let reshuffle = Duration::from_millis(overlay::reshuffled_at(wall).0.saturating_sub(wall.0));
        tokio::select! {
            changed = members.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(reshuffle) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Whom this node is to dial, and where: by name and run.
fn wanted(settings: &Settings, members: &[Member], wall: WallMs) -> BTreeMap<Run, SocketAddr> {
    let own = &settings.node;
    let live = || members.iter().filter(|member| member.live);
    let names = live().map(|member| member.node.clone()).chain([own.clone()]).collect();
    let neighbours = overlay::neighbours(own, &names, settings.full_mesh_max, wall);
    let dialled_here = live().filter(|member| member.node > *own && neighbours.contains(&member.node));
    dialled_here.filter_map(|member| Some(((member.node.clone(), member.generation), member.grpc?))).collect()
}

/// Whether a run that is wanted no more may keep the link that it has: it leaves, or a later run has taken its place,
/// and it hands over what it wrote last. That of a dead one is cut.
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
async fn dial(shared: Arc<Shared>, links: Arc<Links>, run: Run, address: SocketAddr) {
    let is_live = || {
        let members = shared.members.borrow();
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
        match connect(&shared, &links, peer, address).await {
            Ok(LinkEnd::Stopped) if shared.stop.is_cancelled() => return,
            Ok(LinkEnd::Stopped) => warn!(%peer, %address, "closed the link: {}", LinkEnd::Stopped),
            Ok(end) => match end.refused() {
                Some(reason) => {
                    shared.metrics.record_link_refusal(reason);
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

async fn connect(shared: &Shared, links: &Links, peer: &NodeId, address: SocketAddr) -> Result<LinkEnd, Status> {
    let failed = |error: tonic::transport::Error| Status::unavailable(chain(&error));
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .connect()
        .await
        .map_err(failed)?;
    let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
    let mut client = ReplicationServiceClient::new(channel).max_decoding_message_size(FRAME_ENCODED_MAX);
    let inbound = client.link(ReceiverStream::new(frames)).await?.into_inner();
    Ok(carry(shared, links, Some(peer), inbound, &outbound, |frame| frame).await)
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

/// The accepting end: frames out, and at the end the reason as a status.
pub(crate) fn accept(
    shared: Arc<Shared>,
    links: Arc<Links>,
    inbound: Streaming<Frame>,
) -> ReceiverStream<Result<Frame, Status>> {
    let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
    tokio::spawn(async move {
        let end = carry(&shared, &links, None, inbound, &outbound, Ok).await;
        if let Some(reason) = end.refused() {
            shared.metrics.record_link_refusal(reason);
            warn!(reason, "refused a link: {end}");
        }
        match end {
            LinkEnd::Refused(error) => {
                let _ = outbound.send(Err(Cause::from(&error).into())).await;
            }
            LinkEnd::NoFrame(_) => {
                let cause = Cause::new(Code::InvalidArgument, "NOT_A_FRAME", &end);
                let _ = outbound.send(Err(cause.into())).await;
            }
            LinkEnd::Silent => {
                let cause = Cause::new(Code::DeadlineExceeded, "SILENT_PEER", &end);
                let _ = outbound.send(Err(cause.into())).await;
            }
            LinkEnd::Stopped => {
                let _ = outbound.send(Err(Status::unavailable("this node is stopping"))).await;
            }
            end => debug!("link ended: {end}"),
        }
    });
    ReceiverStream::new(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_newer_link_replaces_that_of_the_same_run_only() {
        let (links, node) = (Links::default(), NodeId::new("n").expect("a name"));
        let stops: [CancellationToken; 5] = Default::default();
        for (id, (incarnation, stop)) in (0..).zip([7, 8, 7, 0, 0].into_iter().zip(&stops)) {
            links.put((node.clone(), incarnation), LinkId(id), stop.clone());
        }
        let stopped = || stops.each_ref().map(CancellationToken::is_cancelled);
        assert_eq!(stopped(), [true, false, false, false, false]);
        // Whether two without an incarnation are of one run is not known: they may be of a run that hands over.
        tokio::time::sleep(REPLACED * 2).await;
        assert_eq!(stopped(), [true, false, false, true, false]);
    }

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
                |own: usize| wanted(&Settings::new(name(own)), &members, WallMs(0)).into_keys().map(|(node, _)| node);
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
