//! The calls of one connection: how many it may have in progress, and what of their requests has arrived.
//!
//! A call counts until its answer has ended, so a stream counts while it is open.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderMap, Request, Response, header::AUTHORIZATION},
};
use futures_util::future::Either;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;
use psi_api::{Cause, cause_of};
use psi_replica::FRAME_ENCODED_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status, body::Body, service::Routes};
use tower::Service;

use crate::{
    calls::ops::{Ops, audit::AuditEntry},
    node::{
        connections::{
            messages::WholeMessages,
            table::{Activity, CallInProgress},
        },
        identity::{need_of_call, shown::ShownIdentity},
    },
};

/// Largest message of a client, bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What is read of a request that was refused, and for how long.
const DRAINED_BYTES_MAX: usize = 64 * 1024;
const DRAINED_WITHIN: Duration = Duration::from_secs(1);
/// Calls whose client may open them and send nothing for a while: it sends a stream of messages.
const STREAMING: [&str; 4] = [
    "/psi.v1.PsiFieldService/StepStream",
    "/psi.v1.ReplicationService/Link",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Calls whose answers are streams, which end with the token that let them in. Those of nodes end with their
/// connection.
const STREAMS: [&str; 8] = [
    "/psi.v1.LeaseService/WatchLease",
    "/psi.v1.LedgerService/Export",
    "/psi.v1.PsiFieldService/StepStream",
    "/psi.v1.PsiFieldService/WatchState",
    "/psi.v1.PsiFieldService/WatchSteps",
    "/psi.v1.RolloutService/WatchEvents",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Answers the calls of one connection, and refuses those over its limit.
#[derive(Clone)]
pub(super) struct CallService {
    pub(super) routes: Routes,
    pub(super) ops: Ops,
    pub(super) activity: Arc<Activity>,
    /// Who is at the other end, before a token is shown.
    pub(super) shown: ShownIdentity,
    /// Calls that may still begin.
    pub(super) slots: Arc<Semaphore>,
}

/// What a call in progress holds until it ends.
#[derive(Debug)]
struct CallSlot {
    _slot: OwnedSemaphorePermit,
    _call: CallInProgress,
}

impl CallService {
    /// Whether the call is allowed, by whom it is made, and its entry in the audit. Nothing of its body has been read.
    fn admit<B>(&self, request: &mut Request<B>) -> Result<(CallSlot, Option<AuditEntry>), Status> {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return Err(self.too_many()) };
        let slot = CallSlot { _slot: slot, _call: self.activity.begin() };
        let (path, authorization) = (request.uri().path(), request.headers().get(AUTHORIZATION));
        let method = || path.trim_start_matches('/').to_owned();
        let call = self.ops.allow((&self.shown, authorization), need_of_call(path), self.activity.peer, method)?;
        let audit = call.audit.clone();
        request.extensions_mut().insert(call);
        Ok((slot, audit))
    }

    /// Looks after the token of a call whose answer is a stream.
    fn token_watch<B>(&self, request: &Request<B>) -> Option<TokenWatch> {
        if !STREAMS.contains(&request.uri().path()) {
            return None;
        }
        let end = self.ops.called_by(request.extensions()).token_end()?;
        let (send, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let _ = send.send(end.await.into());
        });
        Some(TokenWatch { ended, _task: AbortOnDropHandle::new(task) })
    }

    fn too_many(&self) -> Status {
        let limit = self.ops.context.settings.calls_per_connection_max;
        let message = format!(
            "this connection already has {limit} calls in progress, open streams included; end some, open another \
             connection, or raise grpc.calls_per_connection_max"
        );
        let cause = Cause::new(Code::ResourceExhausted, "TOO_MANY_CALLS", message).with("limit", limit);
        self.ops.record_cause(cause).into()
    }

    fn body_of(&self, path: &str, body: Incoming) -> WholeMessages<Incoming> {
        let (receipts, activity) = (self.ops.context.receipts.clone(), self.activity.clone());
        let message_bytes_max = MESSAGE_BYTES_MAX.max(FRAME_ENCODED_MAX);
        WholeMessages::new(body, receipts, activity, STREAMING.contains(&path), message_bytes_max)
    }
}

/// Takes in what still comes of a refused request. Bytes that nobody reads count against the whole connection: h2 ends
/// it after a few hundred small frames.
async fn drain(mut body: Incoming) {
    let mut left = DRAINED_BYTES_MAX;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => left,
                None => break,
            };
        }
    };
    let _ = tokio::time::timeout(DRAINED_WITHIN, read).await;
}

/// What answers a call.
type RouteFuture = <Routes as Service<Request<WholeMessages<Incoming>>>>::Future;

impl Service<Request<Incoming>> for CallService {
    type Response = Response<CountedBody>;
    type Error = Infallible;
    type Future = Either<CallFuture<RouteFuture>, Ready<Result<Self::Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        match self.admit(&mut request) {
            Ok((slot, audit)) => {
                let watch = self.token_watch(&request);
                let (head, body) = request.into_parts();
                let body = self.body_of(head.uri.path(), body);
                let answer = self.routes.call(Request::from_parts(head, body));
                Either::Left(CallFuture { answer, slot: Some(slot), audit, watch })
            }
            Err(refused) => {
                tokio::spawn(drain(request.into_body()));
                let refused = refused.into_http::<Body>();
                Either::Right(ready(Ok(refused.map(|body| CountedBody { body, slot: None, watch: None }))))
            }
        }
    }
}

pin_project! {
    /// A call until its answer begins.
    pub(super) struct CallFuture<F> {
        #[pin]
        answer: F,
        slot: Option<CallSlot>,
        audit: Option<AuditEntry>,
        watch: Option<TokenWatch>,
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for CallFuture<F> {
    type Output = Result<Response<CountedBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context))?;
        if let Some(audit) = this.audit.take() {
            audit.end(reason_of(answer.headers()).as_deref());
        }
        let slot = this.slot.take().filter(|_| !answer.body().is_end_stream());
        let watch = this.watch.take();
        Poll::Ready(Ok(answer.map(|body| CountedBody { body, slot, watch })))
    }
}

/// Why a call was refused, by its head: that of an operator's action is whole before its answer begins.
fn reason_of(headers: &HeaderMap) -> Option<String> {
    let status = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)?;
    Some(cause_of(&status).map_or_else(|| format!("{:?}", status.code()), |(reason, _)| reason))
}

/// An answer on its way; the call counts until it ends. It gives its slot back before the client can see the end, so
/// that one which calls again at once finds it free.
pub(super) struct CountedBody {
    body: Body,
    slot: Option<CallSlot>,
    watch: Option<TokenWatch>,
}

/// What becomes of a token while an answer is under way. A task looks after it, so that an answer of many messages does
/// not pay for that.
struct TokenWatch {
    ended: oneshot::Receiver<Status>,
    _task: AbortOnDropHandle<()>,
}

impl CountedBody {
    /// The end of the answer, if its token is accepted no longer.
    fn poll_token(&mut self, context: &mut Context<'_>) -> Option<Frame<Bytes>> {
        let Poll::Ready(ended) = Pin::new(&mut self.watch.as_mut()?.ended).poll(context) else { return None };
        self.watch = None;
        let status = ended.ok()?;
        drop(self.slot.take());
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        let added = status.add_header(&mut trailers);
        debug_assert!(added.is_ok(), "a refusal is text, which headers can have");
        Some(Frame::trailers(trailers))
    }
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(end) = self.poll_token(context) {
            return Poll::Ready(Some(Ok(end)));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
            drop(self.slot.take());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::{FileDescriptorSet, MethodDescriptorProto};

    use super::*;

    const REFLECTION: [&str; 2] = [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ];

    /// The paths of these methods of the protocol, and those of reflection, which is described elsewhere.
    fn paths(is_wanted: impl Fn(&str, &MethodDescriptorProto) -> bool) -> BTreeSet<String> {
        let described = FileDescriptorSet::decode(psi_api::DESCRIPTORS).expect("the protocol is described");
        let mut paths = BTreeSet::from(REFLECTION.map(str::to_owned));
        for file in &described.file {
            for service in &file.service {
                let wanted = service.method.iter().filter(|method| is_wanted(service.name(), method));
                paths.extend(wanted.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
            }
        }
        paths
    }

    #[test]
    fn the_calls_whose_clients_may_be_silent_are_those_whose_clients_stream() {
        let listed: BTreeSet<String> = STREAMING.map(str::to_owned).into();
        assert_eq!(listed, paths(|_, method| method.client_streaming()));
    }

    #[test]
    fn the_calls_that_end_with_a_token_are_those_of_clients_whose_answers_are_streams() {
        let listed: BTreeSet<String> = STREAMS.map(str::to_owned).into();
        assert_eq!(listed, paths(|service, method| method.server_streaming() && service != "ReplicationService"));
    }
}
