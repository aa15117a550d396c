//! "Sometimes" markers: what must happen in some run of every few hundred, lest a simulator that has grown tame passes
//! for a protocol that has grown safe.

use crate::model::ModelSight;

/// Something that a sweep must have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Marker {
    /// A pass took more than one frame.
    DeltaCut,
    /// A pass or news was sent again for want of an answer.
    Resent,
    /// A frame was lost.
    FrameLost,
    /// A frame arrived twice.
    FrameTwice,
    /// A frame overtook another.
    FrameOvertook,
    /// A direction of a link stood still for a while.
    Clogged,
    /// A transport took frames only now and then.
    SlowPeer,
    /// A partition was healed during the run.
    PartitionHealed,
    /// Frames went one way only.
    OneWayPartition,
    /// A process ended without warning while it held writes that it had not flushed or handed over.
    CrashWithUnsaid,
    /// A process stood still and went on.
    Paused,
    /// A run that had been given up came back beside its successor.
    OldRunReturned,
    /// Two runs of one node took writes.
    TwoRunsAtOnce,
    /// A run learnt that a later one has written.
    Superseded,
    /// A peer was declared dead that was not.
    FalseDeath,
    /// A node joined during the run.
    Joined,
    /// A node left in good order.
    Left,
    /// A joiner looked to another member.
    JoinerSwitched,
    /// Somebody's entries came from somebody else.
    RelayedPass,
    /// A pass was refused and tried again.
    PassRefused,
    /// A frame whose bits were turned was noticed and refused.
    CorruptRefused,
    /// A frame over the limit was refused.
    OversizedRefused,
    /// A listing was begun anew because a picture had proved wrong.
    ListingAnew,
    /// A reset or drop overtook steps.
    StepsDropped,
    /// Two nodes gave a field different shapes, neither knowing of the other's.
    ShapesRaced,
    /// Two nodes created a field, neither knowing of the other's.
    ConcurrentCreates,
    /// An intervention moved ν by less than its full measure.
    InterventionClipped,
    /// A frontier that one replica had reached was reached by another.
    FrontierMetAgain,
    /// A node refused to write because its clock was off.
    ClockOff,
    /// A run began with what its machine's disk had kept.
    SnapshotRestored,
    /// A snapshot that was damaged was set aside.
    SnapshotDamaged,
    /// All that ran was gone at once.
    Blackout,
    /// A client's token was reached where it was shown.
    TokenReached,
    /// A client's token was not reached yet where it was shown.
    TokenNotReached,
    /// A lane that is not known yet came to another node.
    UnknownLane,
    /// A pass was put off because its clock was ahead.
    ClockAhead,
    /// Two nodes changed a field within an epoch, neither knowing of the other's.
    ChangesRaced,
    /// A change of what is fixed was refused.
    ChangeRefused,
    /// A field that had learned was reset.
    CoreReset,
    /// The guardian intervened.
    AutomaticIntervention,
    /// Two nodes intervened for one threat, neither knowing of the other's.
    AutomaticTwice,
    /// An intervention that did not count was what a later one followed.
    SupersededFollowed,
    /// Thresholds were percentiles of the history.
    ThresholdsAdaptive,
    /// A nigredo dissolved latents that another origin wrote.
    DissolvedOthers,
    /// Transitions of two origins were blended.
    TransitionsBlended,
    /// Episodic memories of several origins were interleaved.
    MemoriesInterleaved,
    /// As many latents were held as are retained.
    RetentionFull,
}

impl Marker {
    /// All of them.
    pub const ALL: [Self; 47] = [
        Self::DeltaCut,
        Self::Resent,
        Self::FrameLost,
        Self::FrameTwice,
        Self::FrameOvertook,
        Self::Clogged,
        Self::SlowPeer,
        Self::PartitionHealed,
        Self::OneWayPartition,
        Self::CrashWithUnsaid,
        Self::Paused,
        Self::OldRunReturned,
        Self::TwoRunsAtOnce,
        Self::Superseded,
        Self::FalseDeath,
        Self::Joined,
        Self::Left,
        Self::JoinerSwitched,
        Self::RelayedPass,
        Self::PassRefused,
        Self::CorruptRefused,
        Self::OversizedRefused,
        Self::ListingAnew,
        Self::StepsDropped,
        Self::ShapesRaced,
        Self::ConcurrentCreates,
        Self::InterventionClipped,
        Self::FrontierMetAgain,
        Self::ClockOff,
        Self::SnapshotRestored,
        Self::SnapshotDamaged,
        Self::Blackout,
        Self::TokenReached,
        Self::TokenNotReached,
        Self::UnknownLane,
        Self::ClockAhead,
        Self::ChangesRaced,
        Self::ChangeRefused,
        Self::CoreReset,
        Self::AutomaticIntervention,
        Self::AutomaticTwice,
        Self::SupersededFollowed,
        Self::ThresholdsAdaptive,
        Self::DissolvedOthers,
        Self::TransitionsBlended,
        Self::MemoriesInterleaved,
        Self::RetentionFull,
    ];

    /// What it stands for, in a few words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeltaCut => "delta cut",
            Self::Resent => "pass or news resent",
            Self::FrameLost => "frame lost",
            Self::FrameTwice => "frame duplicated",
            Self::FrameOvertook => "frame overtook another",
            Self::Clogged => "link clogged",
            Self::SlowPeer => "slow peer",
            Self::PartitionHealed => "partition healed",
            Self::OneWayPartition => "one-way partition",
            Self::CrashWithUnsaid => "crash with unsaid writes",
            Self::Paused => "process paused",
            Self::OldRunReturned => "old incarnation returned",
            Self::TwoRunsAtOnce => "two runs at once",
            Self::Superseded => "run superseded",
            Self::FalseDeath => "live node declared dead",
            Self::Joined => "node joined",
            Self::Left => "node left",
            Self::JoinerSwitched => "joiner switched member",
            Self::RelayedPass => "relayed pass",
            Self::PassRefused => "pass refused",
            Self::CorruptRefused => "corrupt frame refused",
            Self::OversizedRefused => "oversized frame refused",
            Self::ListingAnew => "listing begun anew",
            Self::StepsDropped => "steps dropped by reset",
            Self::ShapesRaced => "two shapes raced",
            Self::ConcurrentCreates => "concurrent creates",
            Self::InterventionClipped => "intervention clipped",
            Self::FrontierMetAgain => "frontier met again",
            Self::ClockOff => "clock off",
            Self::SnapshotRestored => "snapshot restored",
            Self::SnapshotDamaged => "damaged snapshot set aside",
            Self::Blackout => "whole cluster restarted",
            Self::TokenReached => "token reached",
            Self::TokenNotReached => "token not reached yet",
            Self::UnknownLane => "unknown lane carried",
            Self::ClockAhead => "clock ahead refused",
            Self::ChangesRaced => "changes raced",
            Self::ChangeRefused => "change of what is fixed refused",
            Self::CoreReset => "core field reset",
            Self::AutomaticIntervention => "automatic intervention",
            Self::AutomaticTwice => "two followed the same",
            Self::SupersededFollowed => "superseded one followed",
            Self::ThresholdsAdaptive => "thresholds adaptive",
            Self::DissolvedOthers => "others' latents dissolved",
            Self::TransitionsBlended => "transitions blended",
            Self::MemoriesInterleaved => "memories interleaved",
            Self::RetentionFull => "retention window full",
        }
    }
}

impl Marker {
    /// What the oracle came by.
    pub(crate) fn of_sight(sight: ModelSight) -> Self {
        match sight {
            ModelSight::Automatic => Self::AutomaticIntervention,
            ModelSight::AutomaticTwice => Self::AutomaticTwice,
            ModelSight::SupersededFollowed => Self::SupersededFollowed,
            ModelSight::ThresholdsAdaptive => Self::ThresholdsAdaptive,
            ModelSight::DissolvedOthers => Self::DissolvedOthers,
            ModelSight::TransitionsBlended => Self::TransitionsBlended,
            ModelSight::MemoriesInterleaved => Self::MemoriesInterleaved,
            ModelSight::RetentionFull => Self::RetentionFull,
        }
    }
}

/// How often each was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers([u64; Marker::ALL.len()]);

impl Default for Markers {
    fn default() -> Self {
        Self([0; Marker::ALL.len()])
    }
}

impl Markers {
    pub(crate) fn reach(&mut self, marker: Marker) {
        self.0[marker as usize] += 1;
    }

    /// How often one was reached.
    #[must_use]
    pub fn count(&self, marker: Marker) -> u64 {
        self.0[marker as usize]
    }

    /// Takes in those of another run.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Those that were never reached.
    pub fn missing(&self) -> impl Iterator<Item = Marker> {
        Marker::ALL.into_iter().filter(|marker| self.count(*marker) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_marker_is_listed_in_its_place() {
        for (place, marker) in Marker::ALL.into_iter().enumerate() {
            assert_eq!(marker as usize, place, "{marker:?}");
        }
    }
}
