//! An open link: frames between a stream and the replica.

use std::pin::pin;

use prost::Message;
use psi_api::replica::{Frame, frame::Body};
use psi_replica::{LinkId, NodeId};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::{
    end::{INTRODUCTION, LinkEnd},
    registry::Links,
};
use crate::node::{connections::receipts::Receipt, context::NodeContext};

/// A link of the replica, which goes down however its task ends.
struct LinkGuard<'a> {
    context: &'a NodeContext,
    links: &'a Links,
    link: LinkId,
    stop: CancellationToken,
    /// Which peer it must be: the one that was dialled, or that its certificate names.
    expected: Option<&'a NodeId>,
    /// The run at the other end, once it has introduced itself; its incarnation changes if it goes on as another.
    peer: Option<(NodeId, u64)>,
}

impl Drop for LinkGuard<'_> {
    fn drop(&mut self) {
        self.context.write(|replica, now| {
            self.context.metrics.peers.observe(replica);
            replica.link_down(now, self.link);
        });
        self.links.remove(self.link);
        self.context.wake_links();
    }
}

impl<'a> LinkGuard<'a> {
    fn new(context: &'a NodeContext, links: &'a Links, expected: Option<&'a NodeId>) -> Self {
        let (link, stop) = (context.next_link(), context.stop.child_token());
        context.write(|replica, now| replica.link_up(now, link));
        Self { context, links, link, stop, expected, peer: None }
    }

    fn poll_frame(&self) -> Option<Frame> {
        self.context.write(|replica, now| replica.poll_frame(now, self.link))
    }

    /// Hands a frame to the replica.
    fn handle_frame(&mut self, frame: Frame) -> Result<(), LinkEnd> {
        let introduction = self.introduction(&frame)?;
        let bytes = frame.encoded_len();
        let may_acknowledge = matches!(frame.body, Some(Body::Ack(_) | Body::FrontierUpdate(_)));
        let incarnation_now = match &frame.body {
            Some(Body::Heartbeat(heartbeat)) if heartbeat.incarnation > 0 => Some(heartbeat.incarnation),
            _ => None,
        };
        self.context.write(|replica, now| replica.handle_frame(now, self.link, frame))?;
        self.context.wake_timekeeper();
        if may_acknowledge {
            self.context.wake_pending_writes();
        }
        if let (None, Some(run)) = (&self.peer, introduction) {
            self.peer = Some(run.clone());
            self.links.put(run, self.link, self.stop.clone());
        }
        if let Some(incarnation) = incarnation_now {
            self.record_incarnation(incarnation);
        }
        if let Some((peer, _)) = &self.peer {
            self.context.metrics.peers.record_received(peer.as_str(), bytes);
        }
        Ok(())
    }

    /// Records the incarnation that the peer's run has by now.
    fn record_incarnation(&mut self, incarnation: u64) {
        if let Some(run) = self.peer.as_mut().filter(|run| run.1 != incarnation) {
            run.1 = incarnation;
            self.links.follow(run.clone(), self.link, self.stop.clone());
        }
    }

    /// The run that introduces itself by a frame, if that is what the frame does.
    fn introduction(&self, frame: &Frame) -> Result<Option<(NodeId, u64)>, LinkEnd> {
        let Some(Body::Hello(hello)) = &frame.body else { return Ok(None) };
        match self.expected {
            Some(expected) if hello.node != expected.as_str() => {
                Err(LinkEnd::WrongPeer { expected: expected.clone(), got: hello.node.chars().take(64).collect() })
            }
            _ => Ok(NodeId::new(&hello.node).ok().map(|node| (node, hello.incarnation))),
        }
    }

    fn record_sent(&self, frame: &Frame) {
        if let Some((peer, _)) = &self.peer {
            self.context.metrics.peers.record_sent(peer.as_str(), frame.encoded_len());
        }
    }
}

/// Resolves if a receipt has to give way.
async fn revoked(receipt: Option<&Receipt>) {
    match receipt {
        Some(receipt) => receipt.revoked().await,
        None => std::future::pending().await,
    }
}

/// Passes frames between a stream and the replica until either ends. The dialling end knows which peer it expects, the
/// other end has a receipt for what has not introduced itself.
pub(super) async fn run_link<T: Send>(
    context: &NodeContext,
    links: &Links,
    expected: Option<&NodeId>,
    mut inbound: Streaming<Frame>,
    outbound: &mpsc::Sender<T>,
    mut receipt: Option<Receipt>,
    wrap: impl Fn(Frame) -> T,
) -> LinkEnd {
    let mut link = LinkGuard::new(context, links, expected);
    let stop = link.stop.clone();
    let mut changes = context.changes();
    let mut waiting: Option<Frame> = None;
    let introduced_by = Instant::now() + INTRODUCTION;
    let mut authority_removed = pin!(context.identity.authority_removed());
    loop {
        if link.peer.is_some() {
            receipt = None;
        }
        if waiting.is_none() {
            changes.mark_unchanged();
            waiting = link.poll_frame();
        }
        tokio::select! {
            received = inbound.message() => {
                let handled = match received {
                    Ok(Some(frame)) => link.handle_frame(frame),
                    Ok(None) => Err(LinkEnd::Closed),
                    Err(status) => Err(status.into()),
                };
                if let Err(end) = handled {
                    return end;
                }
            }
            permit = outbound.reserve(), if waiting.is_some() => {
                let Ok(permit) = permit else { return LinkEnd::Closed };
                if let Some(frame) = waiting.take() {
                    link.record_sent(&frame);
                    permit.send(wrap(frame));
                }
            }
            _ = changes.changed(), if waiting.is_none() => {}
            () = tokio::time::sleep_until(introduced_by), if link.peer.is_none() => return LinkEnd::Silent,
            () = revoked(receipt.as_ref()) => return LinkEnd::Silent,
            () = stop.cancelled() => return LinkEnd::Stopped,
            () = authority_removed.as_mut() => return LinkEnd::AuthorityRemoved,
        }
    }
}
