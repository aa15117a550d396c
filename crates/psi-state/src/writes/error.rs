//! Why a write is refused.

use psi_engine::{ParameterError, UnknownEngine};
use psi_replica::{FieldName, NotReady};
use psi_stats::{COUNT_LIMIT, FixedError};

use crate::limits::{BATCH_MAX, WIDTH_MAX};

/// Why a write was refused; nothing was changed by it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The replica takes no writes just now.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// No such field.
    #[error("there is no field `{field}`; create it first, or use one of: {}", list(.known))]
    UnknownField {
        /// What was asked for.
        field: FieldName,
        /// Some of the fields that exist.
        known: Vec<FieldName>,
    },
    /// The field exists already.
    #[error("field `{0}` exists already; change or reset{or_drop} it, or choose another name", or_drop = if .0.is_default() { "" } else { " or drop" })]
    FieldExists(FieldName),
    /// `default` always exists.
    #[error("field `default` always exists and can't be dropped; reset it instead")]
    Protected,
    /// Wrong width.
    #[error("input has {got} number{}, field `{field}` takes {want}", if *got == 1 { "" } else { "s" })]
    Width {
        /// The field.
        field: FieldName,
        /// Numbers given.
        got: usize,
        /// Numbers that the field takes.
        want: usize,
    },
    /// Names of another number than the field has columns.
    #[error(
        "field `{field}` has {want} column{}, and {got} name{} given; give one for each, or none",
        if *want == 1 { "" } else { "s" },
        if *got == 1 { " was" } else { "s were" }
    )]
    NamesNumber {
        /// The field.
        field: FieldName,
        /// Names given.
        got: usize,
        /// Columns of the field.
        want: usize,
    },
    /// A number that the field can't take.
    #[error("input[{index}]: {source}")]
    Component {
        /// Position in the vector, from 0.
        index: usize,
        /// Why not.
        source: FixedError,
    },
    /// One vector of a batch was refused, so none was taken.
    #[error("vector {position} of the batch: {source}; none of the batch was taken")]
    InBatch {
        /// Position in the batch, from 0.
        position: usize,
        /// Why.
        source: Box<WriteError>,
    },
    /// An empty or too long batch.
    #[error("a batch has 1 to {BATCH_MAX} vectors, this one has {0}")]
    BatchSize(usize),
    /// Something that is fixed while a field has history.
    #[error(
        "field `{field}` has history (steps counted: {count}), and {} can't be changed then; reset it first, which drops them, or make \
         another field",
        .changed.join(", ")
    )]
    Fixed {
        /// The field.
        field: FieldName,
        /// Steps counted.
        count: u64,
        /// What would have changed: `engine`, `width`, `scale_exponent`, `seed` or `latent_dim`.
        changed: Vec<&'static str>,
    },
    /// The exact counters are full.
    #[error("field `{field}` has counted {count} steps and takes fewer than {COUNT_LIMIT}; reset it")]
    Full {
        /// The field.
        field: FieldName,
        /// Steps counted.
        count: u64,
    },
    /// There is no room for another field.
    #[error("there are {fields} fields, and limits.fields_max is {max}; drop fields, or raise it on every node")]
    TooManyFields {
        /// Fields that exist.
        fields: usize,
        /// Most that there may be.
        max: usize,
    },
    /// There is no room for another register.
    #[error("the cluster has {registers} registers, and {max} is the most; use a name that exists")]
    TooManyRegisters {
        /// Registers that exist.
        registers: usize,
        /// Most that there may be.
        max: usize,
    },
    /// There is no room for what steps and fields add.
    #[error(
        "the nodes hold {bytes} bytes for all fields, and limits.state_bytes_max is {max}, so no field is made and no \
         step is taken in; drop or reset fields, or raise it on every node"
    )]
    StateFull {
        /// Bytes held.
        bytes: usize,
        /// Most that there may be.
        max: usize,
    },
    /// A batch of this replica is worked out in the field.
    #[error("a batch of steps is being worked out in field `{0}` on this node; try again shortly, or another node")]
    Busy(FieldName),
    /// The field was reset or dropped while a batch was worked out, or the node went on as another run.
    #[error(
        "field `{0}` was reset or dropped while the batch was worked out, or the node went on as another run; none of \
         it was taken, send it again"
    )]
    Overtaken(FieldName),
    /// The field's engine belongs to another version of this program.
    #[error("field `{field}` runs engine `{engine}`, which this node does not know; upgrade it or use another node")]
    EngineHere {
        /// The field.
        field: FieldName,
        /// Its engine.
        engine: String,
    },
    /// No such engine.
    #[error(transparent)]
    UnknownEngine(#[from] UnknownEngine),
    /// A width that no field may have.
    #[error("a field takes vectors of 1 to {WIDTH_MAX} numbers, not {0}")]
    WidthRange(usize),
    /// The field is not watched for drift.
    #[error("field `{0}` is not watched for drift; change its parameter `drift` to 1 first")]
    NotWatched(FieldName),
    /// Too little is kept of a field's inputs to make a baseline of.
    #[error(
        "field `{field}` has {inputs} inputs in {spans} spans of time to make a baseline of; it takes 100 in 8 spans \
         (seconds, minutes, hours or days that are over), so go on sending and ask again"
    )]
    NoBaseline {
        /// The field.
        field: FieldName,
        /// Spans that hold inputs.
        spans: u64,
        /// Inputs in them.
        inputs: u64,
    },
    /// A name with an `@` that is no version of a model.
    #[error(transparent)]
    VersionName(#[from] psi_rollout::NameError),
    /// One more version of a model would take steps than may.
    #[error("{0}: drop or reset its field")]
    LiveVersions(#[from] psi_rollout::LiveVersionsError),
    /// Parameters out of range, all that are.
    #[error("{}", join(.0))]
    Parameters(Vec<ParameterError>),
}

/// Fields shown of those that exist.
pub const FIELDS_SHOWN: usize = 10;

fn list(fields: &[FieldName]) -> String {
    let more = if fields.len() == FIELDS_SHOWN { ", …" } else { "" };
    fields.iter().map(FieldName::as_str).collect::<Vec<_>>().join(", ") + more
}

fn join(errors: &[ParameterError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
