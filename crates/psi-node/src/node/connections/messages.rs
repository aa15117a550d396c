//! The body of a gRPC request, message by message.
//!
//! A message that has begun is kept here until it is whole. tonic would make room for all of it as soon as its length is
//! announced, and keep what came of it for as long as the client likes.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Bytes, http::HeaderMap};
use hyper::body::{Body, Frame, SizeHint};
use psi_api::Cause;
use tokio::time::Sleep;
use tonic::{Code, Status};

use super::{
    receipts::{Receipt, ReceiptTable},
    table::Activity,
};

/// A message must have arrived whole in this time.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(10);
/// What precedes a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// A request's body that yields whole messages.
pub(crate) struct WholeMessages<B> {
    body: B,
    receipts: Arc<ReceiptTable>,
    activity: Arc<Activity>,
    /// Whether a call may stay open and send nothing: one with a stream of requests.
    may_be_silent: bool,
    /// A longer message is passed on as it comes: what reads it refuses it by the length that it announces.
    message_bytes_max: usize,
    /// The part that has arrived of the message that is under way.
    partial: Partial,
    /// Whole messages, in the pieces in which they came.
    whole: VecDeque<Frame<Bytes>>,
    waiting: Option<Wait>,
    is_over: bool,
}

/// The beginning of a message.
#[derive(Debug, Default)]
struct Partial {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

/// A message is waited for.
struct Wait {
    receipt: Receipt,
    revoked: Pin<Box<dyn Future<Output = ()> + Send>>,
    late: Pin<Box<Sleep>>,
}

impl<B> WholeMessages<B> {
    pub(crate) fn new(
        body: B,
        receipts: Arc<ReceiptTable>,
        activity: Arc<Activity>,
        is_streaming: bool,
        message_bytes_max: usize,
    ) -> Self {
        Self {
            body,
            receipts,
            activity,
            may_be_silent: is_streaming,
            message_bytes_max,
            partial: Partial::default(),
            whole: VecDeque::new(),
            waiting: None,
            is_over: false,
        }
    }

    /// Takes in a piece that has arrived.
    fn add(&mut self, piece: Bytes) {
        if let Some(waiting) = &self.waiting {
            waiting.receipt.grow(piece.len());
        }
        self.partial.push(piece);
        while let Some(message) = self.partial.take_message(self.message_bytes_max) {
            self.whole.extend(message.into_iter().map(Frame::data));
        }
        if self.partial.bytes == 0 {
            self.waiting = None;
        }
    }

    /// Nothing has come: whether to go on waiting.
    fn wait(&mut self, context: &mut Context<'_>) -> Result<(), Status> {
        if self.partial.bytes == 0 && self.may_be_silent {
            return Ok(());
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            let receipt = self.receipts.begin(Some(&self.activity));
            receipt.grow(self.partial.bytes);
            let revoked = Box::pin(receipt.revoked());
            Wait { receipt, revoked, late: Box::pin(tokio::time::sleep(ARRIVAL)) }
        });
        if waiting.revoked.as_mut().poll(context).is_ready() {
            let message = "the message came too slowly while many others were being received; send it at once, or try \
                           another node";
            return Err(Cause::new(Code::ResourceExhausted, "TOO_MUCH_UNDERWAY", message).into());
        }
        if waiting.late.as_mut().poll(context).is_ready() {
            let message = format!("the message did not arrive whole within {} s; send it at once", ARRIVAL.as_secs());
            return Err(Cause::new(Code::DeadlineExceeded, "MESSAGE_TOO_SLOW", message).into());
        }
        Ok(())
    }

    /// What is left at the end goes on as it is, and what reads it says what is wrong with it.
    fn end(&mut self) {
        self.is_over = true;
        self.waiting = None;
        self.whole.extend(self.partial.pieces.drain(..).map(Frame::data));
        self.partial.bytes = 0;
    }
}

impl Partial {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The pieces of the first message, if it is whole, or too long.
    fn take_message(&mut self, bytes_max: usize) -> Option<Vec<Bytes>> {
        let mut prefix = self.pieces.iter().flatten().skip(1).take(PREFIX_BYTES - 1);
        let mut length = [0; PREFIX_BYTES - 1];
        for digit in &mut length {
            *digit = *prefix.next()?;
        }
        let announced = u32::from_be_bytes(length) as usize;
        let length = if announced > bytes_max { self.bytes } else { PREFIX_BYTES + announced };
        if self.bytes < length {
            return None;
        }
        self.bytes -= length;
        let (mut message, mut missing) = (Vec::with_capacity(self.pieces.len()), length);
        while missing > 0 {
            let piece = self.pieces.front_mut()?;
            let taken = piece.split_to(piece.len().min(missing));
            missing -= taken.len();
            message.push(taken);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        Some(message)
    }
}

impl<B> Body for WholeMessages<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            if let Some(frame) = this.whole.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if this.is_over {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Pending => {
                    return match this.wait(context) {
                        Ok(()) => Poll::Pending,
                        Err(status) => {
                            this.is_over = true;
                            (this.partial, this.waiting) = (Partial::default(), None);
                            Poll::Ready(Some(Err(status)))
                        }
                    };
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => this.add(piece),
                    Err(trailers) => {
                        let trailers = trailers.into_trailers().unwrap_or_else(|_| HeaderMap::new());
                        this.whole.push_back(Frame::trailers(trailers));
                    }
                },
                Poll::Ready(Some(Err(error))) => {
                    this.is_over = true;
                    return Poll::Ready(Some(Err(Status::from_error(error.into()))));
                }
                Poll::Ready(None) => this.end(),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_empty() && (self.is_over || self.partial.bytes == 0 && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.whole.is_empty() && self.partial.bytes == 0 { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body as AxumBody;
    use http_body_util::BodyExt;
    use tokio_stream::StreamExt;

    use super::*;
    use crate::node::connections::table::ConnectionTable;

    fn whole_messages(pieces: Vec<Bytes>, goes_on: bool, is_streaming: bool) -> WholeMessages<AxumBody> {
        let pieces = tokio_stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        let body = if goes_on {
            AxumBody::from_stream(pieces.chain(tokio_stream::pending()))
        } else {
            AxumBody::from_stream(pieces)
        };
        let activity =
            Arc::new(ConnectionTable::new(1)).admit(([127, 0, 0, 1], 1).into()).expect("room").activity.clone();
        WholeMessages::new(body, Arc::new(ReceiptTable::new(1 << 20)), activity, is_streaming, 1000)
    }

    fn message(content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("small");
        [&[0], &length.to_be_bytes()[..], content].concat()
    }

    #[tokio::test]
    async fn messages_pass_unchanged_however_they_are_cut() {
        let sent = [message(b""), message(b"a"), message(&[7; 1000]), message(b"bc")].concat();
        for size in [1, 2, 3, 5, 6, 7, 100, 1005, 5000] {
            let pieces = sent.chunks(size).map(Bytes::copy_from_slice).collect();
            let got = whole_messages(pieces, false, false).collect().await.expect("whole").to_bytes();
            assert_eq!(got, sent, "cut every {size} bytes");
        }
    }

    #[tokio::test]
    async fn a_message_is_passed_on_once_it_is_whole() {
        let sent = [message(b"abc"), message(&[7; 100])].concat();
        let cut = sent.len() - 1;
        let mut body = whole_messages(vec![Bytes::copy_from_slice(&sent[..cut])], true, false);
        let first = body.frame().await.expect("one").expect("whole").into_data().expect("data");
        assert_eq!(first, message(b"abc"));
        assert!(futures_util::FutureExt::now_or_never(body.frame()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_never_ends_is_given_up_and_a_quiet_stream_is_not() {
        let begun = message(&[7; 100])[..50].to_vec();
        for (pieces, is_streaming, is_given_up) in [
            (vec![begun.clone()], false, true),
            (vec![begun], true, true),
            (vec![], false, true),
            (vec![], true, false),
            (vec![message(b"abc")], true, false),
        ] {
            let sent = pieces.len();
            let mut body = whole_messages(pieces.into_iter().map(Bytes::from).collect(), true, is_streaming);
            let end = async {
                loop {
                    if let Err(status) = body.frame().await.expect("it goes on") {
                        return status;
                    }
                }
            };
            let end = tokio::time::timeout(2 * ARRIVAL, end).await;
            assert_eq!(end.is_ok(), is_given_up, "{sent} pieces, streaming: {is_streaming}");
            if let Ok(status) = end {
                assert_eq!(psi_api::cause_of(&status).expect("a cause").0, "MESSAGE_TOO_SLOW");
            }
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_passed_on_as_it_comes() {
        let begun = message(&[7; 1001])[..50].to_vec();
        let mut body = whole_messages(vec![Bytes::from(begun.clone())], true, false);
        assert_eq!(body.frame().await.expect("one").expect("whole").into_data().expect("data"), begun);
    }

    #[tokio::test]
    async fn what_ends_early_is_left_to_the_reader() {
        let begun = message(&[7; 100])[..50].to_vec();
        let got = whole_messages(vec![Bytes::from(begun.clone())], false, false).collect().await;
        assert_eq!(got.expect("as it is").to_bytes(), begun);
    }
}
