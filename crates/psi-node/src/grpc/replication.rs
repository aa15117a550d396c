//! `ReplicationService`: the accepting end of links.

use std::sync::Arc;

use psi_api::{replica::Frame, v1};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    calls::ops::audit::call_of,
    links::{accept, registry::Links},
    node::{context::NodeContext, identity::caller::Caller},
};

pub(super) struct Replication {
    pub(super) context: Arc<NodeContext>,
    pub(super) links: Arc<Links>,
}

#[tonic::async_trait]
impl v1::replication_service_server::ReplicationService for Replication {
    type LinkStream = ReceiverStream<Result<Frame, Status>>;

    async fn link(&self, request: Request<Streaming<Frame>>) -> Result<Response<Self::LinkStream>, Status> {
        if !self.context.settings.replication {
            return Err(Status::failed_precondition("replication is switched off on this node"));
        }
        let peer = match call_of(request.extensions()).map(|call| &call.caller) {
            Some(Caller::Node(node)) => Some(node.clone()),
            _ => None,
        };
        Ok(Response::new(accept::accept(self.context.clone(), self.links.clone(), peer, request.into_inner())))
    }
}
