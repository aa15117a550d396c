//! How large a spec may be, and what it may have.

/// Longest spec in TOML, in bytes.
pub const SPEC_BYTES_MAX: usize = 65_536;
/// Longest canonical form. It writes out defaults, so it can be longer than the TOML.
pub(super) const CANONICAL_BYTES_MAX: usize = 8 * SPEC_BYTES_MAX;
/// Most phases.
pub const PHASES_MAX: usize = 64;
/// Most gates of a phase.
pub const GATES_MAX: usize = 32;
/// Most trusted keys.
pub const KEYS_MAX: usize = 32;
/// Most thresholds of a gate.
pub const THRESHOLDS_MAX: usize = 32;
/// Most artifacts of a gate.
pub const ARTIFACTS_MAX: usize = 500;
/// Largest piece of evidence, and what a gate accepts unless it says less, in bytes: 1 TiB.
pub const ARTIFACT_BYTES_MAX: u64 = 1 << 40;
/// Most parameters of a gate that is judged elsewhere.
pub const PARAMETERS_MAX: usize = 32;
/// Longest time for which an ended task is kept, in days.
pub const RETAIN_DAYS_MAX: u32 = 3_650;
/// Longest lease, in seconds.
pub const LEASE_SECONDS_MAX: u32 = 86_400;
/// Most renewals of a lease.
pub const LEASE_RENEWALS_MAX: u32 = 1_000;

/// What holds unless a spec says something else.
pub(super) const RETAIN_DAYS: u32 = 30;
