//! What a handler leaves of a request's body.
//!
//! hyper closes a connection on which a request was not read to its end, and does not say so in the answer. The next
//! request of a pooled client is lost then, and clients do not repeat a POST by themselves. So a small rest is read
//! before the answer goes out, and the connection lives on. Otherwise the answer says `Connection: close`.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderValue, Request, header},
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// A larger rest costs more than a new connection.
const DRAINED_MAX: u64 = 64 * 1024;
/// The rest of a body that comes apart from its head is there by then, over any network.
const DRAIN: Duration = Duration::from_secs(1);
/// Of a connection that is about to close, this much is read for this long. A client that is still sending would see a
/// reset connection instead of the answer otherwise.
const DISCARDED_MAX: u64 = 16 * 1024 * 1024;
const DISCARD: Duration = Duration::from_secs(5);

/// A request's body, and how far it was read.
#[derive(Debug)]
pub(in crate::http) struct RequestBody<B = Incoming> {
    body: B,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The client sends it only once it is asked to, which reading does.
    OnDemand,
    Coming,
    /// It was read to its end.
    Over,
    /// It can't be read to its end.
    CutOff,
}

impl<B: HttpBody<Data = Bytes> + Unpin> RequestBody<B> {
    /// Splits it from its request.
    pub(in crate::http) fn of(request: Request<B>) -> (Request<()>, Self) {
        let (head, body) = request.into_parts();
        let on_demand = head.headers.contains_key(header::EXPECT);
        let progress = if on_demand { Progress::OnDemand } else { Progress::Coming };
        (Request::from_parts(head, ()), Self { body, progress })
    }

    /// Whether nothing is left of it.
    fn is_over(&self) -> bool {
        self.progress == Progress::Over || (self.progress == Progress::Coming && self.body.is_end_stream())
    }

    /// Reads what is left, at most so many bytes; whether it came to its end.
    async fn read_rest(&mut self, bytes_max: u64) -> bool {
        let mut read = 0;
        while let Some(Ok(frame)) = self.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len) as u64;
            if read > bytes_max {
                return false;
            }
        }
        self.progress == Progress::Over
    }

    async fn drain(&mut self) -> bool {
        let small = self.body.size_hint().lower() <= DRAINED_MAX;
        let comes = self.progress == Progress::Coming && small;
        comes && tokio::time::timeout(DRAIN, self.read_rest(DRAINED_MAX)).await == Ok(true)
    }
}

impl<B: HttpBody<Data = Bytes, Error: Send> + Unpin + Send + 'static> RequestBody<B> {
    /// Leaves the connection ready for the next request, or makes the `answer` say that it closes.
    pub(in crate::http) async fn settle(self, answer: &mut Response) {
        // Boxed, so that a step, which reads its body, has no room for it.
        if !self.is_over() {
            Box::pin(self.settle_rest(answer)).await;
        }
    }

    async fn settle_rest(mut self, answer: &mut Response) {
        if self.drain().await {
            return;
        }
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        // Read only now, what comes on demand would be asked for after the answer.
        if self.progress == Progress::Coming {
            tokio::spawn(async move { tokio::time::timeout(DISCARD, self.read_rest(DISCARDED_MAX)).await });
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.progress == Progress::OnDemand {
            self.progress = Progress::Coming;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.progress = Progress::Over,
            Some(Err(_)) => self.progress = Progress::CutOff,
            Some(Ok(_)) => {}
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

/// A body in the hands of a handler that owns it; dropped, it goes back to its [`Lender`].
pub(in crate::http) struct LentBody {
    body: Option<RequestBody>,
    lender: Lender,
}

/// Where a lent body goes back to.
#[derive(Clone, Default)]
pub(in crate::http) struct Lender(Arc<Mutex<Option<RequestBody>>>);

impl Lender {
    pub(in crate::http) fn lend(&self, body: RequestBody) -> LentBody {
        LentBody { body: Some(body), lender: self.clone() }
    }

    /// [`RequestBody::settle`], once the handler has answered.
    pub(in crate::http) async fn settle(self, answer: &mut Response) {
        let returned = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(body) = returned {
            body.settle(answer).await;
        }
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        *self.lender.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}
