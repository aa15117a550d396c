//! The state of a field, again whenever it changed.

use std::time::Duration;

use psi_api::Cause;
use psi_state::FieldView;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::calls::{ops::Ops, readiness::stopping};

/// Least and default time between two answers of a watch.
const WATCH_MS_MIN: u64 = 20;
const WATCH_MS_DEFAULT: u64 = 1_000;

/// A state with its token. A channel makes room for 32 of what it holds, whatever its capacity, so it holds boxes.
type WatchedState = Result<Box<(FieldView, String)>, Cause>;

/// States; the last may be why there are no more.
pub(crate) type StateStream = ReceiverStream<WatchedState>;

impl Ops {
    /// The state of a field now, and whenever it changed, at most once an interval; 0 stands for the default.
    pub(crate) fn watch_state(&self, field: String, interval_ms: u64) -> StateStream {
        let interval_ms = if interval_ms == 0 { WATCH_MS_DEFAULT } else { interval_ms.max(WATCH_MS_MIN) };
        let (states, stream) = mpsc::channel(1);
        tokio::spawn(send_states(self.clone(), field, Duration::from_millis(interval_ms), states));
        ReceiverStream::new(stream)
    }
}

async fn send_states(ops: Ops, field: String, interval: Duration, states: mpsc::Sender<WatchedState>) {
    let mut changes = ops.context.changes();
    let mut sent = None;
    loop {
        changes.mark_unchanged();
        let state = ops.state(&field).map(Box::new);
        // The replica changes more often than this field does.
        let repeated = state.is_ok() && sent == state.as_ref().ok().cloned();
        let failed = state.is_err();
        sent = state.as_ref().ok().cloned();
        if !repeated && (states.send(state).await.is_err() || failed) {
            return;
        }
        let next = async {
            tokio::time::sleep(interval).await;
            changes.changed().await
        };
        tokio::select! {
            changed = next => if changed.is_err() { return },
            () = states.closed() => return,
            () = ops.context.stop.cancelled() => {
                let _ = states.send(Err(Cause::from(&stopping()))).await;
                return;
            }
        }
    }
}
