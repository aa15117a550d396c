//! Accepting connections, and their orderly end.

use std::{future::Future, pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::table::{Activity, ConnectionTable, Place};

/// A connection whose first byte has not come in this time is closed.
const FIRST_BYTE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves the connections that come to `listener`, until `stop` resolves. Then they have the time `drain` to end: what
/// serves them sees its token cancelled.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    table: Arc<ConnectionTable>,
    stop: impl Future<Output = ()>,
    drain: Duration,
    serve: impl Fn(TcpStream, Arc<Activity>, CancellationToken) -> F + Clone + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let closing = CancellationToken::new();
    // Owns the connections: none outlives the server.
    let mut connections = JoinSet::new();
    let mut stop = pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without a place it is closed, which a client takes for a node that is down, and goes elsewhere.
                    if let Some(place) = table.admit() {
                        connections.spawn(connection(stream, place, closing.clone(), serve.clone()));
                    }
                }
                Err(error) => {
                    let evicted = table.evict();
                    warn!(evicted, "can't accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    closing.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(drain, ended).await;
}

/// One connection, to its end.
async fn connection<F: Future<Output = ()>>(
    stream: TcpStream,
    place: Place,
    closing: CancellationToken,
    serve: impl Fn(TcpStream, Arc<Activity>, CancellationToken) -> F,
) {
    let _ = stream.set_nodelay(true);
    let (activity, evicted) = (place.activity.clone(), place.evicted.clone());
    let served = async move {
        let mut first = [0];
        let came = tokio::select! {
            came = tokio::time::timeout(FIRST_BYTE, stream.peek(&mut first)) => matches!(came, Ok(Ok(1))),
            () = closing.cancelled() => false,
        };
        if came {
            serve(stream, activity, closing).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = evicted.cancelled() => {}
    }
    drop(place);
}
