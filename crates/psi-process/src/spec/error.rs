//! Why a spec was refused. Each refusal says where, what was found, what is allowed, and what to do.

use std::fmt;

use super::{
    key::KeyError,
    limits::{
        ARTIFACT_BYTES_MAX, ARTIFACTS_MAX, GATES_MAX, KEYS_MAX, LEASE_RENEWALS_MAX, LEASE_SECONDS_MAX, PARAMETERS_MAX,
        PHASES_MAX, RETAIN_DAYS_MAX, SPEC_BYTES_MAX, THRESHOLDS_MAX,
    },
};
use crate::{
    name::Name,
    text::{list, shown},
};

/// Why a text is no spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Too long to be looked at.
    #[error("the spec has {0} bytes, and a spec has at most {SPEC_BYTES_MAX}; cut it into several processes")]
    Length(usize),
    /// No TOML, or values that no spec has.
    #[error("{}{}; correct it and try again", At(.line), shown(.cause, 400))]
    Toml {
        /// Counted from 1.
        line: Option<usize>,
        /// What is wrong.
        cause: String,
    },
    /// TOML that fits, with contents that do not.
    #[error("{}{fault}", At(.line))]
    Fault {
        /// Counted from 1.
        line: Option<usize>,
        /// What is wrong.
        fault: SpecFault,
    },
    /// Not the canonical form of a spec.
    #[error("the bytes are not the canonical form of a spec; take another copy, or read the TOML again")]
    NotCanonical,
}

/// What is wrong with a spec that is TOML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecFault {
    /// Without phases there is nowhere to be.
    #[error("the spec has no phases, and 1 to {PHASES_MAX} are needed; add [[phases]]")]
    NoPhases,
    /// Too many phases.
    #[error("the spec has {0} phases, and at most {PHASES_MAX} are allowed; cut it into several processes")]
    PhaseCount(usize),
    /// Two phases of one name.
    #[error("phase `{0}` is there twice; give each phase a name of its own")]
    DuplicatePhase(Name),
    /// Too many gates.
    #[error("phase `{phase}` has {count} gates, and at most {GATES_MAX} are allowed; cut it into several phases")]
    GateCount {
        /// Of which phase.
        phase: Name,
        /// How many.
        count: usize,
    },
    /// Two gates of one name.
    #[error("gate `{0}` is there twice in its phase; give each gate a name of its own")]
    DuplicateGate(Name),
    /// A phase to go back to that is not earlier.
    #[error("phase `{phase}` goes back to `{to}`, which is no earlier phase; earlier are {}", list(.earlier))]
    OnFail {
        /// Which phase.
        phase: Name,
        /// Where it should go back to.
        to: Name,
        /// Where it can.
        earlier: Vec<Name>,
    },
    /// Too many keys.
    #[error("the spec has {0} keys, and at most {KEYS_MAX} are allowed; remove those that no gate needs")]
    KeyCount(usize),
    /// A key that no PEM is.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A gate trusts a key that the spec does not have.
    #[error("key `{key}` is not in [keys], where there are {}; add it there", list(.known))]
    UnknownKey {
        /// The name.
        key: Name,
        /// Names that are there.
        known: Vec<Name>,
    },
    /// A gate that can't pass, or passes without a signature.
    #[error("{signers} signers are asked for, and the gate trusts {distinct} distinct keys; ask for 1 to {distinct}")]
    Signers {
        /// How many the gate asks for.
        signers: u32,
        /// How many it can get.
        distinct: usize,
    },
    /// A member that gates of this kind need.
    #[error("a gate of kind `{kind}` needs `{member}`; add it")]
    MissingMember {
        /// Of which kind.
        kind: &'static str,
        /// What is missing.
        member: &'static str,
    },
    /// A member that gates of this kind do not have.
    #[error("a gate of kind `{kind}` has no `{member}`; it has {}", list(.has.iter()))]
    OtherMember {
        /// Of which kind.
        kind: &'static str,
        /// What is too much.
        member: &'static str,
        /// What fits.
        has: &'static [&'static str],
    },
    /// Too many or too few of something.
    #[error("`{member}` has {count} items, and {min} to {max} are allowed; change the list")]
    ItemCount {
        /// Of what.
        member: &'static str,
        /// How many.
        count: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A number outside its limits.
    #[error("`{member}` is {got}, and {min} to {max} is allowed; change it")]
    Range {
        /// Which.
        member: &'static str,
        /// Its value.
        got: u64,
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A text that is too long or can't be shown.
    #[error("`{member}` is `{}`, and must be {allowed}; change it", shown(.got, 80))]
    Text {
        /// Which.
        member: &'static str,
        /// Its beginning.
        got: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// An item twice in a list.
    #[error("`{item}` is twice in `{member}`; remove one")]
    DuplicateItem {
        /// In which list.
        member: &'static str,
        /// Which.
        item: String,
    },
    /// A lease needs a majority.
    #[error("a lease needs a majority, and `decide` is \"fold\"; set decide = \"quorum\" or remove [lease]")]
    LeaseWithoutQuorum,
    /// An attestation gate that looks at nothing.
    #[error("the gate looks at neither nodes nor work; set `nodes` or `work` to true")]
    NothingAttested,
}

/// Where: a line, if it is known.
struct At<'a>(&'a Option<usize>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, "line {line}: "))
    }
}

/// Where a fault is: keys and indices from the root.
pub(super) type Path = Vec<PathStep>;

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathStep {
    /// Into a member of a table.
    Key(&'static str),
    /// Into an item of an array.
    Index(usize),
}

/// What checks of parts of a spec return.
pub(super) type PartResult<T> = Result<T, (Path, SpecFault)>;

/// Refuses a number outside its limits.
pub(super) fn check_range(member: &'static str, got: u64, min: u64, max: u64) -> Result<(), SpecFault> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(SpecFault::Range { member, got, min, max }) }
}

/// Refuses a list that is too long or too short.
pub(super) fn check_count(member: &'static str, count: usize, min: usize, max: usize) -> Result<(), SpecFault> {
    if (min..=max).contains(&count) { Ok(()) } else { Err(SpecFault::ItemCount { member, count, min, max }) }
}

/// The limits that apply to lists and numbers of a gate.
pub(super) const THRESHOLD_COUNT: (usize, usize) = (1, THRESHOLDS_MAX);
pub(super) const ARTIFACT_COUNT: (usize, usize) = (1, ARTIFACTS_MAX);
pub(super) const PARAMETER_COUNT: (usize, usize) = (0, PARAMETERS_MAX);
pub(super) const ARTIFACT_BYTES: (u64, u64) = (1, ARTIFACT_BYTES_MAX);
pub(super) const LEASE_SECONDS: (u64, u64) = (1, LEASE_SECONDS_MAX as u64);
pub(super) const LEASE_RENEWALS: (u64, u64) = (0, LEASE_RENEWALS_MAX as u64);
pub(super) const RETAIN: (u64, u64) = (1, RETAIN_DAYS_MAX as u64);
