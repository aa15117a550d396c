//! What records are about.

use super::refusal::RecordRefusal;
use crate::proto;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What a record is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// One that a later version has. Its record is kept and proved like any other, and not read.
            Later(i32),
        }

        impl Kind {
            /// All that this version knows.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name, for people and filters.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    Self::Later(_) => "later_kind",
                }
            }

            fn of_message(kind: proto::Kind) -> Option<Self> {
                match kind {
                    proto::Kind::Unspecified => None,
                    $(proto::Kind::$kind => Some(Self::$kind),)*
                }
            }

            fn message(self) -> Option<proto::Kind> {
                match self {
                    $(Self::$kind => Some(proto::Kind::$kind),)*
                    Self::Later(_) => None,
                }
            }
        }
    };
}

kinds! {
    /// The first record of each run: [`crate::body::RunStart`].
    RunStart = "run_start",
    /// All heads that a node held: [`crate::body::ClusterCheckpoint`].
    ClusterCheckpoint = "cluster_checkpoint",
    /// A node signs by another key than before: [`crate::body::KeyChange`].
    KeyChange = "key_change",
    /// A run gave way to another of its node.
    Supersession = "supersession",
    /// A caller was refused for what it may do.
    AuthorityRefusal = "authority_refusal",
    /// The spec of a process was changed.
    SpecChange = "spec_change",
    /// An intervention, by hand or of a guardian.
    Intervention = "intervention",
    /// A baseline was set.
    BaselineSetting = "baseline_setting",
    /// A baseline was cleared.
    BaselineRemoval = "baseline_removal",
    /// A transition of a process or a task was proposed.
    Transition = "transition",
    /// A model or its rollout was changed.
    ModelChange = "model_change",
    /// A rollout was rolled back, which counts without a majority.
    Rollback = "rollback",
    /// Somebody outside took the notice of an event.
    Notification = "notification",
    /// A field was created.
    FieldCreation = "field_creation",
    /// A field was changed.
    FieldChange = "field_change",
    /// A field was reset.
    FieldReset = "field_reset",
    /// A field was dropped.
    FieldRemoval = "field_removal",
    /// A field was labelled.
    FieldLabel = "field_label",
    /// The columns of a field were named.
    ColumnNames = "column_names",
    /// A red flag was taken down by hand.
    ThreatAcknowledgement = "threat_acknowledgement",
    /// A node was said not to come back.
    NodeRemoval = "node_removal",
    /// A clock that is ahead was accepted.
    ClockAcceptance = "clock_acceptance",
    /// It was said who votes.
    VoterSetting = "voter_setting",
    /// Any other action of an operator.
    OperatorAction = "operator_action",
}

impl Kind {
    pub(super) fn read(number: i32) -> Result<Self, RecordRefusal> {
        match proto::Kind::try_from(number) {
            Ok(kind) => Self::of_message(kind).ok_or(RecordRefusal::Kind(number)),
            Err(_) if number > 0 => Ok(Self::Later(number)),
            Err(_) => Err(RecordRefusal::Kind(number)),
        }
    }

    /// Its number in a record.
    pub(super) fn number(self) -> Result<i32, RecordRefusal> {
        match self {
            Self::Later(number) if number <= 0 => Err(RecordRefusal::Kind(number)),
            Self::Later(number) if proto::Kind::try_from(number).is_ok() => Err(RecordRefusal::LaterKind(number)),
            Self::Later(number) => Ok(number),
            kind => Ok(kind.message().map_or(0, Into::into)),
        }
    }
}

/// Its name; with the number where a later version has it.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Later(number) => f.pad(&format!("later_kind_{number}")),
            kind => f.pad(kind.name()),
        }
    }
}
