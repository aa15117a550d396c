//! Bodies on their way in: read within a limit and a time.

use std::{
    fmt::Display,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderMap, Request, StatusCode, header},
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use psi_api::Cause;
use tonic::Code;

use crate::{
    calls::ops::Ops,
    http::refusal::{Refusal, record_refusal, shorten},
    node::connections::{
        receipts::{Receipt, ReceiptTable},
        table::Activity,
    },
};

/// A body must have arrived whole in this time.
const READ: Duration = Duration::from_secs(10);
/// A body over the limit is read and discarded up to this many times the limit. Otherwise a client that is still
/// sending would see a reset connection instead of the answer.
const DISCARDED_TIMES: usize = 8;
/// What is declared is taken at its word up to here. The rest gets room, in one go, once as much has come.
const AT_ONCE: usize = 16 * 1024;

/// The whole body of a request to a node; a refusal is counted.
///
/// # Errors
/// As [`read`].
pub(in crate::http) async fn body<B>(ops: &Ops, request: Request<B>) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    body_within(ops, request, 0).await
}

/// Likewise, of a route that takes so many bytes where the setting allows fewer.
///
/// # Errors
/// As [`read`].
pub(in crate::http) async fn body_within<B>(ops: &Ops, request: Request<B>, bytes: usize) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    let limit = ops.context.settings.body_bytes_max.max(bytes);
    record_refusal(ops, read(request, limit, &ops.context.receipts).await)
}

/// The whole body.
///
/// # Errors
/// [`Refusal`] if it is declared as something else than JSON, too large, too slow or cut off.
async fn read<B>(request: Request<B>, limit: usize, receipts: &Arc<ReceiptTable>) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    check_type(request.headers())?;
    let declared = content_length(request.headers());
    if request.headers().contains_key(header::EXPECT) && declared.is_some_and(|length| length > limit) {
        // The client asks before it sends the body.
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(AT_ONCE));
    let activity = request.extensions().get::<Arc<Activity>>().cloned();
    let (receipt, room) = (OnceLock::<Receipt>::new(), AtomicUsize::new(bytes.capacity()));
    let mut body = pin!(request.into_body());
    let reading = async {
        let mut length: usize = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Refusal::new(StatusCode::BAD_REQUEST, "BODY_CUT_OFF", format!("the body did not arrive whole: {error}"))
            })?;
            // Trailers say nothing of the body.
            let Ok(chunk) = frame.into_data() else { continue };
            length = length.saturating_add(chunk.len());
            if length <= limit {
                if let Some(declared) = declared.filter(|_| length > bytes.capacity()) {
                    bytes.reserve_exact(declared.clamp(length, limit) - bytes.len());
                }
                bytes.extend_from_slice(&chunk);
                let before = room.swap(bytes.capacity(), Ordering::Relaxed);
                if let Some(receipt) = receipt.get() {
                    receipt.grow(bytes.capacity() - before);
                }
            } else if length > limit.saturating_mul(DISCARDED_TIMES) {
                break;
            }
        }
        if length <= limit { Ok(()) } else { Err(too_large(limit)) }
    };
    let mut reading = pin!(reading);
    // Mostly the body arrived with the headers, so there is nothing to wait for.
    let read = match reading.as_mut().now_or_never() {
        Some(read) => Ok(read),
        None => {
            let receipt = receipt.get_or_init(|| receipts.begin(activity.as_ref()));
            receipt.grow(room.load(Ordering::Relaxed));
            tokio::select! {
                read = tokio::time::timeout(READ, reading) => read,
                () = receipt.revoked() => Ok(Err(gave_way())),
            }
        }
    };
    match read {
        Ok(result) => result.map(|()| bytes.into()),
        Err(_) => {
            let message = format!("the body did not arrive whole within {} s; send it at once", READ.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", message))
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn gave_way() -> Refusal {
    let message =
        "the body came too slowly while many others were being received; send it at once, or try another node";
    Refusal::from(Cause::new(Code::Unavailable, "TOO_MUCH_UNDERWAY", message))
}

fn too_large(limit: usize) -> Refusal {
    let message =
        format!("the body is larger than {limit} bytes; send less in one request, or raise http.body_bytes_max");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message).with("limit", limit)
}

/// A body without a declared type counts as JSON; another declared type is probably a mistake.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if plain && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let got = text(header::CONTENT_TYPE).unwrap_or_default();
    let essence = got.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !essence.is_empty() && !is_json {
        let message = format!(
            "the body is declared as {}; send JSON and the header `Content-Type: application/json` (curl -d needs -H \
             'Content-Type: application/json')",
            shorten(&got)
        );
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "WRONG_CONTENT_TYPE", message).with("got", got));
    }
    if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        let message = format!("the body is declared to be encoded as {}; send it uncompressed", shorten(&encoding));
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "WRONG_ENCODING", message).with("got", encoding));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let begun = tokio::time::Instant::now();
        let chunks = tokio_stream::once(Ok::<_, std::io::Error>("{")).chain(tokio_stream::pending());
        let request = Request::new(axum::body::Body::from_stream(chunks));
        let refusal = read(request, 100, &Arc::new(ReceiptTable::new(1 << 20))).await.expect_err("never whole");
        assert_eq!(refusal.reason(), "BODY_TOO_SLOW");
        assert_eq!(begun.elapsed().as_secs(), READ.as_secs());
    }
}
