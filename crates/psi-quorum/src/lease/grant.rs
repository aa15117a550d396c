//! What a client of this run was granted.

use super::value::{ClientName, Fence};
use crate::boot_time::BootTime;

/// What a client may rely on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which client.
    pub client: ClientName,
    /// What it shows to the resource.
    pub fence: Fence,
    /// The lease has ended once the clock shows this.
    pub until: BootTime,
}
