//! Lane values: decoding is a look at an entry, never a step on its way. What was decoded is not stored.

use bytes::Bytes;
use prost::Message;
use psi_engine::{
    Action, Metrics,
    core::FieldTime,
    guardian::{Sample, Threat},
};
use psi_stats::{BUCKETS, COUNT_LIMIT, DecodeError, Moments};

use crate::{
    clock::Clock,
    interventions::{Automatic, Event, Retired},
    key::{Epoch, Key, Lane},
    learned::{MEMORIES_PER_ENTRY, NUMBERS_PER_ENTRY, Tally},
    origin::{Origin, OriginError},
    proto,
    spec::{Spec, WIDTH_MAX},
    watch::{Alarm, HISTORY_ENTRIES, SAMPLES_PER_ENTRY},
};

mod learned;
mod watched;

pub(crate) use learned::{encode_memories, encode_tally, encode_theta, encode_vector};
pub(crate) use watched::{encode_guardian, encode_history, encode_intervention};

/// Input dimensions in one entry of [`Lane::MOMENTS`].
pub const DIMENSIONS_PER_ENTRY: usize = 512;
/// Interventions that each origin keeps of those by hand, and as many of its guardian's.
pub const INTERVENTIONS_KEPT: u64 = 64;
/// Vectors that an origin keeps at most in one lane.
pub(crate) const VECTORS_MAX: u64 = 4096;
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
    /// A name of an intervention without an origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
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
    /// Root mean square z-score of the input against all that came before, over the dimensions that vary.
    pub novelty: f64,
    /// g0 + g1·Ψ − g2·PE.
    pub attention_gain: f64,
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
        novelty: f64,
        attention_gain: f64,
    },
    Intervention {
        clock: Clock,
        event: Event,
    },
    Tombstone {
        steps_dropped: u64,
    },
    History {
        samples: Vec<(Clock, Sample)>,
    },
    Guardian {
        alarm: Option<Alarm>,
        retired: Retired,
    },
    Tally(Tally),
    Theta {
        numbers: Vec<i64>,
    },
    Latent {
        clock: Clock,
        numbers: Vec<f64>,
    },
    Working {
        clock: Clock,
        salience: f64,
        numbers: Vec<f64>,
    },
    Memories(Vec<(Clock, Vec<f64>)>),
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
            Lane::HISTORY => Self::decode_history(key, bytes),
            Lane::GUARDIAN => Self::decode_guardian(key, bytes),
            Lane::TALLY => Self::decode_tally(key, bytes),
            Lane::THETA => Self::decode_theta(key, bytes),
            Lane::LATENTS | Lane::WORKING => Self::decode_vector(key, bytes),
            Lane::EPISODIC => Self::decode_memories(key, bytes),
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
        let proto::RecentValue { clock, metrics, k, novelty, attention_gain } = message(bytes)?;
        if metrics.iter().chain([&novelty, &attention_gain]).any(|metric| !metric.is_finite()) {
            return Err(ValueError::Metrics);
        }
        // A later version may append metrics; those that are known come first.
        let known = metrics.first_chunk::<METRICS>().ok_or(ValueError::Metrics)?;
        let (clock, metrics) = (clock.ok_or(ValueError::NoClock)?.into(), Metrics::from_array(*known));
        Ok(Self::Recent { clock, metrics, k, novelty, attention_gain })
    }

    /// The greatest hybrid clock that the value stands for, if it stands for one.
    pub(crate) fn clock(&self) -> Option<Clock> {
        match self {
            Self::Spec(spec) => Some(spec.clock),
            Self::Recent { clock, .. } | Self::Intervention { clock, .. } => Some(*clock),
            Self::Window { second, .. } => Some(Clock { wall_ms: second.saturating_mul(1000), counter: 0 }),
            Self::History { samples } => samples.iter().map(|(clock, _)| *clock).max(),
            Self::Guardian { alarm, retired } => alarm.map(|alarm| alarm.clock).max(retired.nigredo),
            Self::Memories(memories) => memories.iter().map(|(clock, _)| *clock).max(),
            Self::Latent { clock, .. } | Self::Working { clock, .. } => Some(*clock),
            Self::Moments(_) | Self::Tombstone { .. } | Self::Tally(_) | Self::Theta { .. } | Self::Unknown => None,
        }
    }
}

fn at_index(key: &Key, want: u64) -> Result<(), ValueError> {
    if key.index == want {
        return Ok(());
    }
    Err(ValueError::Index { got: key.index, want })
}

/// Refuses an index beyond the last of its lane.
fn up_to(key: &Key, last: u64) -> Result<(), ValueError> {
    if key.index <= last {
        return Ok(());
    }
    Err(ValueError::Beyond { got: key.index, last })
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
    let Record { clock, metrics, k, novelty, attention_gain, .. } = *record;
    let metrics = metrics.to_array().to_vec();
    proto::RecentValue { clock: Some(clock.into()), metrics, k, novelty, attention_gain }.encode_to_vec().into()
}

/// Encodes a spec for [`Lane::SPEC`].
pub(crate) fn encode_spec(spec: &Spec) -> Bytes {
    spec.to_proto().encode_to_vec().into()
}

/// Encodes a mark for [`Lane::TOMBSTONE`].
pub(crate) fn encode_tombstone(steps_dropped: u64) -> Bytes {
    proto::TombstoneValue { steps_dropped }.encode_to_vec().into()
}
