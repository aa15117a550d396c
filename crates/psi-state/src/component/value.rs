//! What the values of all lanes have in common: how they are read, and why they are refused.

use bytes::Bytes;
use prost::Message;
use psi_replica::{Epoch, Key, Origin, OriginError, ScopeKind, proto};
use psi_stats::DecodeError;

use super::names::ColumnNamesError;
use crate::limits::{METRICS, WIDTH_MAX};

/// Why a value of a known lane can't be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a message of the lane.
    #[error("not a message: {0}")]
    Message(String),
    /// An entry of another scope than its lane has.
    #[error("belongs to scope `{want}`, stands in scope `{got}`")]
    Scope {
        /// The scope of its key.
        got: ScopeKind,
        /// The scope of its lane.
        want: ScopeKind,
    },
    /// Moments that can't be.
    #[error(transparent)]
    Moments(#[from] DecodeError),
    /// Moments of another number of dimensions than the lane has.
    #[error("moments of {0} dimensions")]
    Dimensions(usize),
    /// A metric is missing or not finite.
    #[error("the metrics must be {METRICS} finite numbers")]
    Metrics,
    /// An anchor that can't be.
    #[error(transparent)]
    Anchor(#[from] psi_stats::drift::AnchorError),
    /// Counts by buckets that can't be.
    #[error(transparent)]
    Histogram(#[from] psi_stats::drift::HistogramDecodeError),
    /// Spans of time that can't be, or in another order than one encodes them.
    #[error("spans of time that can't be, or not in their order")]
    Spans,
    /// No clock.
    #[error("no clock")]
    NoClock,
    /// An action that this protocol version does not have.
    #[error("unknown action {0}")]
    Action(i32),
    /// An entry in another place than its contents call for.
    #[error("stands at index {got}, belongs at {want}")]
    Index {
        /// Where it stands.
        got: u64,
        /// Where it belongs.
        want: u64,
    },
    /// A spec in an epoch that was not drawn from its shape.
    #[error("epoch {0} was not drawn from engine, width, scale and seed of the spec")]
    Epoch(Epoch),
    /// A width that no field may have.
    #[error("width {0} is outside 1 to {WIDTH_MAX}")]
    Width(usize),
    /// A scale that no field may have.
    #[error("scale exponent {0} is outside -64 to 64")]
    Scale(i32),
    /// Parameters out of range.
    #[error("{}", .0.join("; "))]
    Parameters(Vec<String>),
    /// An index beyond the last of its lane.
    #[error("stands at index {got}, the last is {last}")]
    Beyond {
        /// Where it stands.
        got: u64,
        /// The last index of the lane.
        last: u64,
    },
    /// More numbers or samples than the lane's entries have, or none.
    #[error("{got} of them, an entry has 1 to {max}")]
    Size {
        /// How many there are.
        got: usize,
        /// Most there may be.
        max: usize,
    },
    /// A number that is not finite, or far beyond what any step leaves.
    #[error("a number is not finite, or out of range")]
    Number,
    /// A threat that this protocol version does not have.
    #[error("unknown threat {0}")]
    Threat(i32),
    /// A guardian mode that this protocol version does not have.
    #[error("unknown guardian mode {0}")]
    GuardianMode(i32),
    /// Outcomes that no steps have.
    #[error("{place} holds {fault}: these are the sums of no steps")]
    Tally {
        /// Which of them.
        place: String,
        /// What cannot be.
        fault: &'static str,
    },
    /// Outcomes of no step at all.
    #[error("counts no step, and an entry of outcomes counts at least one")]
    NoOutcomes,
    /// Outcomes of another number of buckets than an entry has.
    #[error("outcomes of {got} buckets, an entry has {want}")]
    Buckets {
        /// How many there are.
        got: usize,
        /// How many there have to be.
        want: usize,
    },
    /// A step of a schedule that no rollout has.
    #[error("step {0} of a schedule, the last is 255")]
    ScheduleStep(u32),
    /// A name of a rollout that can't be.
    #[error(transparent)]
    Rollout(#[from] psi_rollout::NameError),
    /// A name of an intervention without an origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A text that is too long.
    #[error("a text of {got} bytes, at most {max} are allowed")]
    TextLength {
        /// Its length.
        got: usize,
        /// The greatest length.
        max: usize,
    },
    /// Names of columns that no field may have.
    #[error(transparent)]
    ColumnNames(#[from] ColumnNamesError),
    /// A text that is not one line as it reads.
    #[error("a text with U+{:04X}; it has to be one line without control characters", u32::from(*.0))]
    TextCharacter(char),
}

/// Refuses an entry that stands in another place than its contents call for.
pub(crate) fn at_index(key: &Key, want: u64) -> Result<(), ValueError> {
    if key.index == want {
        return Ok(());
    }
    Err(ValueError::Index { got: key.index, want })
}

/// Refuses a number of things that no entry has.
pub(crate) fn at_most(got: usize, max: usize) -> Result<(), ValueError> {
    if (1..=max).contains(&got) {
        return Ok(());
    }
    Err(ValueError::Size { got, max })
}

/// Refuses a slot beyond the last of its lane.
pub(crate) fn slot_below(slot: u64, slots: u64) -> Result<u64, ValueError> {
    if slot < slots {
        return Ok(slot);
    }
    Err(ValueError::Beyond { got: slot, last: slots.saturating_sub(1) })
}

/// The author of a value in the base, if it names one.
pub(crate) fn author(author: Option<proto::Origin>) -> Result<Option<Origin>, ValueError> {
    Ok(author.map(|author| Origin::try_from(Some(author))).transpose()?)
}

/// The message of an author.
pub(crate) fn author_message(author: Option<&Origin>) -> Option<proto::Origin> {
    author.map(Into::into)
}

/// Reads a message.
pub(crate) fn message<M: Message + Default>(bytes: &Bytes) -> Result<M, ValueError> {
    M::decode(bytes.clone()).map_err(|error| ValueError::Message(error.to_string()))
}

/// The one encoding of a message.
pub(crate) fn encoded(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}
