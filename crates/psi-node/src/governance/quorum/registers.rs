//! Registers as replicated state has them, and the clock of leases.

use psi_quorum::{BootTime, Register, RegisterName, VoterSet};
use psi_security::node_key::NodePublicKey;
use psi_state::RegisterView;

/// Milliseconds since the machine started, also while it slept.
pub(crate) fn boot_time() -> BootTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    BootTime(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
}

/// A register as replicated state has it; `None` if what stands there makes none.
pub(crate) fn register_of(view: &RegisterView) -> Option<Register> {
    let keys: Option<Vec<NodePublicKey>> = view.first_voters.iter().map(|key| key_of(key)).collect();
    Some(Register::new(RegisterName::new(&view.name).ok()?, VoterSet::new(keys?).ok()?))
}

/// What the names of registers that hold leases begin with.
pub(crate) const LEASE_PREFIX: &str = "lease/";

/// Whether the register holds a lease.
pub(super) fn is_lease(name: &RegisterName) -> bool {
    name.as_str().starts_with(LEASE_PREFIX)
}

/// A key of a voter.
pub(crate) fn key_of(bytes: &[u8]) -> Option<NodePublicKey> {
    bytes.try_into().ok().map(NodePublicKey::from_bytes)
}
