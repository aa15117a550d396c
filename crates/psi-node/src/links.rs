//! Links: one bidirectional gRPC stream between each two live members (a few of them in large clusters), dialled by
//! the one with the lower name. The replica makes and handles the frames; this module has connections,
//! back-pressure and back-off.

pub(crate) mod accept;
pub(crate) mod dial;
mod end;
pub(crate) mod lag;
pub(crate) mod registry;
mod run;

use std::time::Duration;

/// Frames that may wait for the transport. The replica makes a frame only when there is room, so a slow peer
/// costs no more than this.
const OUTBOUND_FRAMES: usize = 2;
/// A link that went silent is given up after these two together.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
