//! A link while it stands: frames between a stream and the replica.

use prost::Message;
use psi_api::replica::{Frame, frame::Body};
use psi_replica::{LinkId, NodeId};
use tokio::{sync::mpsc, time::Instant};
use tonic::Streaming;

use super::{
    end::{INTRODUCTION, LinkEnd},
    registry::Links,
};
use crate::shared::Shared;

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
