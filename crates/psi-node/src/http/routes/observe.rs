//! Times and traces requests, around the router: a layer inside it would box each request's future and copy the stack
//! of services once more. `POST /step`, which most requests are, goes around the router too: matching patterns,
//! boxing and copying cost a tenth of a step over HTTP. The router has that route as well.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{
    Router,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::future::RouteFuture,
};
use futures_util::future::Either;
use hyper::body::{Body, Incoming};
use pin_project_lite::pin_project;
use prometheus::Histogram;
use psi_security::token::Role;
use tower::Service;
use tracing::{Instrument, Span, debug, debug_span, info_span, instrument::Instrumented};

use super::{
    cors::check_origin,
    hosts::check_host,
    router::{find, row_of},
    table::ROUTES,
};
use crate::{
    calls::ops::{Ops, audit::AuditEntry},
    http::{
        refusal::{Refusal, RefusalReason, record_refusal},
        requests::rest::{Lender, RequestBody},
        step,
    },
    node::{
        connections::table::Activity,
        identity::{Requirement, caller::Caller, shown::ShownIdentity},
    },
};

/// The row that most requests ask for.
const STEP: usize = row_of("/step");

/// Of a request that came over no connection.
const UNKNOWN_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A router, observed.
#[derive(Clone)]
pub(in crate::http) struct ObservedRouter {
    router: Router,
    counts: Counts,
    /// Web pages may call: steps take the way through the router then, which has a layer for that.
    has_origins: bool,
}

/// Where answers are counted.
#[derive(Clone)]
struct Counts {
    ops: Ops,
    /// Where usual answers are counted, by row of [`ROUTES`]: looked up once.
    usual: Arc<[OnceLock<Histogram>]>,
}

impl ObservedRouter {
    pub(in crate::http) fn new(router: Router, ops: Ops) -> Self {
        let has_origins = !ops.context.settings.web_origins.is_empty();
        Self { router, has_origins, counts: Counts { ops, usual: ROUTES.iter().map(|_| OnceLock::new()).collect() } }
    }
}

impl Counts {
    /// Whether the request is allowed, by whom it is made, and its entry in the audit. Nothing of its body has been
    /// read.
    fn admit<B>(&self, request: &mut Request<B>, route: Option<usize>) -> Result<Option<AuditEntry>, Refusal> {
        let need = route.map_or(Requirement::Role(Role::Read), |route| ROUTES[route].need(request.method()));
        let stranger = || ShownIdentity::new(Caller::Stranger);
        let shown = request.extensions().get::<ShownIdentity>().cloned().unwrap_or_else(stranger);
        let peer = request.extensions().get::<Arc<Activity>>().map_or(UNKNOWN_PEER, |activity| activity.peer);
        let method = || format!("{} {}", request.method(), name(route));
        let authorization = request.headers().get(header::AUTHORIZATION);
        let call = self.ops.allow((&shown, authorization), need, peer, method)?;
        if let (Some(audit), Some(route)) = (&call.audit, route)
            && let Some(object) = ROUTES[route].name_in(request.uri().path())
        {
            audit.record_object(object);
        }
        if matches!(call.caller, Caller::Anyone) {
            let checked = check_host(&self.ops.context.settings, request).and_then(|()| {
                check_origin(&self.ops.context.settings.web_origins, request.method(), request.headers())
            });
            if let Err(refusal) = record_refusal(&self.ops, checked) {
                call.audit.inspect(|audit| audit.end(Some(refusal.reason())));
                return Err(refusal);
            }
        }
        let audit = call.audit.clone();
        request.extensions_mut().insert(call);
        Ok(audit)
    }

    fn step(&self, request: Request<Incoming>) -> BoxedFuture {
        let ops = self.ops.called_by(request.extensions());
        Box::pin(async move {
            let (request, mut body) = RequestBody::of(request);
            let mut answer = step::step(ops, request.map(|()| &mut body)).await;
            body.settle(&mut answer).await;
            Ok(answer)
        })
    }

    /// Counts an answer.
    fn answered(&self, route: Option<usize>, status: StatusCode, begun: Instant) {
        let seconds = || self.ops.context.metrics.http(name(route), status.as_u16());
        let took = begun.elapsed().as_secs_f64();
        match route.filter(|_| status == StatusCode::OK) {
            Some(route) => self.usual[route].get_or_init(seconds).observe(took),
            None => seconds().observe(took),
        }
    }
}

impl Service<Request<Incoming>> for ObservedRouter {
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> ResponseFuture {
        let begun = Instant::now();
        let route = find(request.uri().path());
        let span = span(&request, name(route));
        let is_step = request.method() == Method::POST && route == Some(STEP) && !self.has_origins;
        let has_body = !request.body().is_end_stream();
        let (answer, audit) = span.in_scope(|| match self.counts.admit(&mut request, route) {
            Err(refusal) => (Either::Left(refused(request, refusal)), None),
            Ok(audit) if is_step => (Either::Left(self.counts.step(request)), audit),
            Ok(audit) if has_body => (Either::Left(with_body(&mut self.router, request)), audit),
            Ok(audit) => (Either::Right(self.router.call(request)), audit),
        });
        let answer = answer.instrument(span);
        ResponseFuture { answer, counts: self.counts.clone(), route, begun, audit }
    }
}

type BoxedFuture = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// Refuses a request, and sees to its body.
fn refused(request: Request<Incoming>, refusal: Refusal) -> BoxedFuture {
    let (_, body) = RequestBody::of(request);
    Box::pin(async move {
        let mut answer = refusal.into_response();
        body.settle(&mut answer).await;
        Ok(answer)
    })
}

/// Has the router answer a request, and sees to what it leaves of the body.
fn with_body(router: &mut Router, request: Request<Incoming>) -> BoxedFuture {
    let (request, body) = RequestBody::of(request);
    let lender = Lender::default();
    let answer = router.call(request.map(|()| lender.lend(body)));
    Box::pin(async move {
        let mut answer = answer.await?;
        lender.settle(&mut answer).await;
        Ok(answer)
    })
}

pin_project! {
    /// A request on its way.
    pub(in crate::http) struct ResponseFuture {
        #[pin]
        answer: Instrumented<Either<BoxedFuture, RouteFuture<Infallible>>>,
        counts: Counts,
        route: Option<usize>,
        begun: Instant,
        audit: Option<AuditEntry>,
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answer = ready!(this.answer.as_mut().poll(context))?;
        this.answer.span().in_scope(|| debug!(status = answer.status().as_u16(), "answered"));
        if let Some(audit) = this.audit.take() {
            this.answer.span().in_scope(|| audit.end(reason_of(&answer).as_deref()));
        }
        this.counts.answered(*this.route, answer.status(), *this.begun);
        Poll::Ready(Ok(answer))
    }
}

/// Why a request was refused.
fn reason_of(answer: &Response) -> Option<Cow<'static, str>> {
    let status = answer.status();
    let reason = answer.extensions().get().map(|RefusalReason(reason)| Cow::Borrowed(*reason));
    (!status.is_success()).then(|| reason.unwrap_or_else(|| Cow::Owned(format!("HTTP {}", status.as_u16()))))
}

/// A label; paths that a client made up share one.
fn name(route: Option<usize>) -> &'static str {
    route.map_or("other", |route| ROUTES[route].path)
}

/// The span of a request: at level info if it belongs to a trace, else at level debug.
fn span(request: &Request<Incoming>, path: &str) -> Span {
    match trace_id(request.headers()) {
        Some(trace_id) => info_span!("http", method = %request.method(), path, trace_id),
        None => debug_span!("http", method = %request.method(), path),
    }
}

/// The trace that a call belongs to: the second part of the header `traceparent`, 32 hexadecimal digits of which
/// one at least is not 0 (W3C Trace Context, level 1). Anything else counts as none.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, id) = (parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let valid = version.len() == 2 && hex(version) && version != "ff" && id.len() == 32 && hex(id);
    (valid && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_names_a_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, want) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(id)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", Some(id)),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
            ("00-4bf9-00f067aa0ba902b7-01", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", header.parse().unwrap());
            assert_eq!(trace_id(&headers), want, "{header}");
        }
    }
}
