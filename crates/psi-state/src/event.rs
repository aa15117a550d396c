//! What happened in a fold that the shell may want to log or count.

use psi_replica::FieldName;

/// Something that happened inside a replica of fields.
pub type Event = psi_replica::Event<StateEvent>;

/// Something that happened in a fold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StateEvent {
    /// A reset or drop of a field discarded steps that this node had accepted.
    StepsDropped {
        /// The field.
        field: FieldName,
        /// How many.
        steps: u64,
        /// Whether a caller asked this node for it: those steps were meant. Otherwise it overtook them, having come
        /// from another node or from two shapes in one epoch.
        asked: bool,
    },
}
