//! Accepting connections, and their orderly end.

use std::{future::Future, pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::table::{Activity, ConnectionTable, Place};
use crate::node::{
    identity::{Identity, port::Port, tls::Admission},
    log_limit::LogLimit,
};

/// A connection whose first byte has not come in this time is closed.
const FIRST_BYTE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A port for connections.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) port: Port,
    pub(crate) table: Arc<ConnectionTable>,
    pub(crate) identity: Arc<Identity>,
}

/// A connection that can be served.
pub(crate) struct Connection {
    pub(crate) accepted: Admission,
    pub(crate) activity: Arc<Activity>,
    /// Cancelled when it is to end.
    pub(crate) closing: CancellationToken,
}

/// Serves the connections that come to `listener`, until `stop` resolves. Then they have the time `drain` to end: what
/// serves them sees its token cancelled.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    door: Door,
    stop: impl Future<Output = ()>,
    drain: Duration,
    serve: impl Fn(Connection) -> F + Clone + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (closing, failures) = (CancellationToken::new(), LogLimit::default());
    // Owns the connections: none outlives the server.
    let mut connections = JoinSet::new();
    let mut stop = pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Without a place it is closed, which a client takes for a node that is down, and goes elsewhere.
                    if let Some(place) = door.table.admit(peer) {
                        let identity = door.identity.clone();
                        let served = connection(stream, (identity, door.port), place, closing.clone(), serve.clone());
                        connections.spawn(served);
                    }
                }
                Err(error) => {
                    let evicted = door.table.evict();
                    if let Some(count) = failures.record() {
                        warn!(evicted, count, "can't accept a connection: {error}");
                    }
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
    (identity, port): (Arc<Identity>, Port),
    place: Place,
    closing: CancellationToken,
    serve: impl Fn(Connection) -> F,
) {
    let _ = stream.set_nodelay(true);
    let (activity, evicted) = (place.activity.clone(), place.evicted.clone());
    let served = async move {
        let mut first = [0];
        let came = tokio::select! {
            came = tokio::time::timeout(FIRST_BYTE, stream.peek(&mut first)) => matches!(came, Ok(Ok(1))),
            () = closing.cancelled() => false,
        };
        if !came {
            return;
        }
        match identity.accept(stream, port, first[0]).await {
            Ok(accepted) if accepted.is_of_a_node() => {
                let removed = identity.authority_removed();
                tokio::select! {
                    () = serve(Connection { accepted, activity, closing }) => {}
                    () = removed => {}
                }
            }
            Ok(accepted) => serve(Connection { accepted, activity, closing }).await,
            Err(error) => debug!("a connection was not secured: {error}"),
        }
    };
    tokio::select! {
        () = served => {}
        () = evicted.cancelled() => {}
    }
    drop(place);
}
