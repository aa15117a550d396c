//! Lane values: decoding is a look at an entry, never a step on its way. What was decoded is not stored.

use bytes::Bytes;
use prost::Message;
use psi_engine::{Action, Metrics};
use psi_stats::{BUCKETS, DecodeError, Moments};

use crate::{
    clock::Clock,
    key::{Epoch, Key, Lane},
    origin::Origin,
    proto,
    spec::{Spec, WIDTH_MAX},
};

/// Input dimensions in one entry of [`Lane::MOMENTS`].
pub const DIMENSIONS_PER_ENTRY: usize = 512;
/// Interventions that each origin keeps.
pub const INTERVENTIONS_KEPT: u64 = 64;
/// Numbers in a step's metrics.
pub const METRICS: usize = Metrics::NAMES.len();

/// Why a value of a known lane can't be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a message of the lane.
    #[error("not a message: {0}")]
    Message(String),
    /// Moments that can't be.
    #[error(transparent)]
    Moments(#[from] DecodeError),
    /// Moments of another number of dimensions than the lane has.
    #[error("moments of {0} dimensions")]
    Dimensions(usize),
    /// A metric is missing or not finite.
    #[error("the metrics must be {METRICS} finite numbers")]
    Metrics,
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
}

/// A scored step.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it was accepted.
    pub clock: Clock,
    /// Who accepted it.
    pub origin: Origin,
    /// Its score.
    pub metrics: Metrics,
    /// The field's merged step count when it was scored, its own included.
    pub k: u64,
}

/// A value of a known lane.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Spec(Spec),
    Moments(Moments),
    Window {
        second: u64,
        sums: Moments,
    },
    Recent {
        clock: Clock,
        metrics: Metrics,
        k: u64,
    },
    Intervention {
        clock: Clock,
        sequence: u64,
        action: Action,
    },
    Tombstone {
        steps_dropped: u64,
    },
    /// A lane of another version: carried, not read.
    Unknown,
}

impl Value {
    /// Reads the value of `key`.
    pub(crate) fn decode(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        match key.lane {
            Lane::SPEC => Self::decode_spec(key, bytes),
            Lane::MOMENTS => Self::decode_moments(key, bytes),
            Lane::WINDOWS => Self::decode_window(key, bytes),
            Lane::RECENT => Self::decode_recent(key, bytes),
            Lane::INTERVENTIONS => Self::decode_intervention(key, bytes),
            Lane::TOMBSTONE => {
                at_index(key, 0)?;
                let proto::TombstoneValue { steps_dropped } = message(bytes)?;
                Ok(Self::Tombstone { steps_dropped })
            }
            _ => Ok(Self::Unknown),
        }
    }

    fn decode_spec(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        at_index(key, 0)?;
        let spec: Spec = message::<proto::SpecValue>(bytes)?.try_into()?;
        if !spec.belongs_in(&key.field, key.epoch) {
            return Err(ValueError::Epoch(key.epoch));
        }
        Ok(Self::Spec(spec))
    }

    fn decode_moments(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        let last = (WIDTH_MAX.div_ceil(DIMENSIONS_PER_ENTRY) - 1) as u64;
        if key.index > last {
            return Err(ValueError::Index { got: key.index, want: last });
        }
        let moments = Moments::decode(&message::<proto::MomentsValue>(bytes)?.sums)?;
        if moments.width() > DIMENSIONS_PER_ENTRY {
            return Err(ValueError::Dimensions(moments.width()));
        }
        Ok(Self::Moments(moments))
    }

    fn decode_window(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        let proto::WindowValue { second, sums } = message(bytes)?;
        at_index(key, second % BUCKETS)?;
        let sums = Moments::decode(&sums)?;
        if sums.width() != METRICS {
            return Err(ValueError::Dimensions(sums.width()));
        }
        Ok(Self::Window { second, sums })
    }

    fn decode_recent(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        at_index(key, 0)?;
        let proto::RecentValue { clock, metrics, k } = message(bytes)?;
        if metrics.iter().any(|metric| !metric.is_finite()) {
            return Err(ValueError::Metrics);
        }
        // A later version may append metrics; those that are known come first.
        let known = metrics.first_chunk::<METRICS>().ok_or(ValueError::Metrics)?;
        Ok(Self::Recent { clock: clock.ok_or(ValueError::NoClock)?.into(), metrics: Metrics::from_array(*known), k })
    }

    fn decode_intervention(key: &Key, bytes: &Bytes) -> Result<Self, ValueError> {
        let proto::InterventionValue { clock, sequence, action } = message(bytes)?;
        at_index(key, sequence % INTERVENTIONS_KEPT)?;
        let action = match proto::Action::try_from(action) {
            Ok(proto::Action::Nigredo) => Action::Nigredo,
            Ok(proto::Action::Albedo) => Action::Albedo,
            _ => return Err(ValueError::Action(action)),
        };
        Ok(Self::Intervention { clock: clock.ok_or(ValueError::NoClock)?.into(), sequence, action })
    }

    /// The greatest hybrid clock that the value stands for, if it stands for one.
    pub(crate) fn clock(&self) -> Option<Clock> {
        match self {
            Self::Spec(spec) => Some(spec.clock),
            Self::Recent { clock, .. } | Self::Intervention { clock, .. } => Some(*clock),
            Self::Window { second, .. } => Some(Clock { wall_ms: second.saturating_mul(1000), counter: 0 }),
            Self::Moments(_) | Self::Tombstone { .. } | Self::Unknown => None,
        }
    }
}

fn at_index(key: &Key, want: u64) -> Result<(), ValueError> {
    if key.index == want {
        return Ok(());
    }
    Err(ValueError::Index { got: key.index, want })
}

fn message<M: Message + Default>(bytes: &Bytes) -> Result<M, ValueError> {
    M::decode(bytes.clone()).map_err(|error| ValueError::Message(error.to_string()))
}

/// Encodes moments for [`Lane::MOMENTS`].
pub(crate) fn encode_moments(moments: &Moments) -> Bytes {
    proto::MomentsValue { sums: moments.encode().into() }.encode_to_vec().into()
}

/// Encodes a bucket for [`Lane::WINDOWS`].
pub(crate) fn encode_window(second: u64, sums: &Moments) -> Bytes {
    proto::WindowValue { second, sums: sums.encode().into() }.encode_to_vec().into()
}

/// Encodes a step for [`Lane::RECENT`].
pub(crate) fn encode_recent(record: &Record) -> Bytes {
    proto::RecentValue { clock: Some(record.clock.into()), metrics: record.metrics.to_array().to_vec(), k: record.k }
        .encode_to_vec()
        .into()
}

/// Encodes an event for [`Lane::INTERVENTIONS`].
pub(crate) fn encode_intervention(clock: Clock, sequence: u64, action: Action) -> Bytes {
    let action = match action {
        Action::Nigredo => proto::Action::Nigredo,
        Action::Albedo => proto::Action::Albedo,
    };
    proto::InterventionValue { clock: Some(clock.into()), sequence, action: action.into() }.encode_to_vec().into()
}

/// Encodes a spec for [`Lane::SPEC`].
pub(crate) fn encode_spec(spec: &Spec) -> Bytes {
    spec.to_proto().encode_to_vec().into()
}

/// Encodes a mark for [`Lane::TOMBSTONE`].
pub(crate) fn encode_tombstone(steps_dropped: u64) -> Bytes {
    proto::TombstoneValue { steps_dropped }.encode_to_vec().into()
}
