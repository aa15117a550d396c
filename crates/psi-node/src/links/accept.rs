//! The accepting end of links.

use std::sync::Arc;

use psi_api::{Cause, replica::Frame};
use psi_replica::NodeId;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tracing::{debug, warn};

use super::{OUTBOUND_FRAMES, end::LinkEnd, registry::Links, run::run_link};
use crate::node::context::NodeContext;

/// What a link costs that has not introduced itself.
const SILENT_LINK_BYTES: usize = 28 * 1024;

/// The accepting end: frames out, and at the end the reason as a status. `peer` is who it must be, as far as that is
/// known.
pub(crate) fn accept(
    context: Arc<NodeContext>,
    links: Arc<Links>,
    peer: Option<NodeId>,
    inbound: Streaming<Frame>,
) -> ReceiverStream<Result<Frame, Status>> {
    let (outbound, frames) = mpsc::channel(OUTBOUND_FRAMES);
    tokio::spawn(async move {
        // It costs as much while it waits for this node to know whether its name is its own.
        let receipt = context.receipts.begin(None);
        receipt.grow(SILENT_LINK_BYTES);
        let admitted = tokio::select! {
            admitted = context.claim.admits_links() => Some(admitted),
            () = receipt.revoked() => None,
        };
        let end = match admitted {
            Some(true) => run_link(&context, &links, peer.as_ref(), inbound, &outbound, Some(receipt), Ok).await,
            Some(false) => {
                let waits = "another run of this node has its name; this one waits until that has ended";
                let _ = outbound.send(Err(Status::unavailable(waits))).await;
                return;
            }
            None => LinkEnd::Silent,
        };
        if let Some(reason) = end.refused() {
            context.metrics.record_link_refusal(reason);
            if let Some(count) = links.refusals.record(reason) {
                warn!(reason, count, "refused a link: {end}");
            }
        }
        match end {
            LinkEnd::Refused(error) => {
                let _ = outbound.send(Err(Cause::from(&error).into())).await;
            }
            LinkEnd::NoFrame(_) => {
                let cause = Cause::new(Code::InvalidArgument, "NOT_A_FRAME", &end);
                let _ = outbound.send(Err(cause.into())).await;
            }
            LinkEnd::WrongPeer { .. } => {
                let cause = Cause::new(Code::PermissionDenied, "WRONG_PEER", &end);
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
