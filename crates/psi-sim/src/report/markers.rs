//! "Sometimes" markers: what must happen in some run of every few hundred. Else a simulator that has grown tame would
//! pass for a protocol that has grown safe.
//!
//! Those of the oracle's components stand in their files.

/// Something that a sweep must have met, by what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker(&'static str);

impl Marker {
    /// A marker of this name, in a few words.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// What it stands for, in a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// Markers of the world around the replicas: a constant each, and a list of all.
macro_rules! world_markers {
    ($(#[doc = $doc:literal] $marker:ident = $name:literal,)*) => {
        impl Marker {
            $(#[doc = $doc] pub const $marker: Self = Self::new($name);)*
        }

        /// Markers of the world around the replicas.
        pub(crate) const WORLD: &[Marker] = &[$(Marker::$marker),*];
    };
}

impl Marker {
    /// Bases grew apart, and one gave way: so rare that no sweep must meet it.
    pub const BASE_REPLACED: Self = Self::new("base replaced by another");
    /// Two bases that had never met were joined: as rare.
    pub const BASE_JOINED: Self = Self::new("bases joined");
    /// A promotion was decided after somebody had written a rollback that its voters did not know: rare.
    pub const PROMOTED_DESPITE_ROLLBACK: Self = Self::new("promotion decided beside a rollback");
    /// A node proposed a step though a member had written a rollback, and had been heard since: what it said last had
    /// overtaken what it wrote.
    pub const ROLLBACK_OVERTAKEN: Self = Self::new("step proposed before an overtaken rollback came");
    /// Gates did not decide: seldom, with versions that are good or bad.
    pub const HELD_INCONCLUSIVE: Self = Self::new("rollout held inconclusive");
    /// What was held of a run beyond its end was lost by name: only after a node was given up.
    pub const LATE: Self = Self::new("late entries lost by name");
}

world_markers! {
    /// A delta took more than one frame.
    DELTA_CUT = "delta cut",
    /// A delta or frontier update was sent again, since no answer came.
    RESENT = "delta or frontier update resent",
    /// A frame was lost.
    FRAME_LOST = "frame lost",
    /// A frame arrived twice.
    FRAME_TWICE = "frame duplicated",
    /// A frame overtook another.
    FRAME_OVERTOOK = "frame overtook another",
    /// A direction of a link stood still for a while.
    CLOGGED = "link clogged",
    /// A transport took frames only now and then.
    SLOW_PEER = "slow peer",
    /// A partition was healed during the run.
    PARTITION_HEALED = "partition healed",
    /// Frames went one way only.
    ONE_WAY_PARTITION = "one-way partition",
    /// A process ended without warning while it held writes that it had not flushed or handed over.
    CRASH_WITH_UNSAID = "crash with unsaid writes",
    /// A process stood still and went on.
    PAUSED = "process paused",
    /// A run that had been given up came back beside its successor.
    OLD_RUN_RETURNED = "old incarnation returned",
    /// Two runs of one node took writes.
    TWO_RUNS_AT_ONCE = "two runs at once",
    /// A run learned that a later one has written.
    SUPERSEDED = "run superseded",
    /// A peer was declared dead that was not.
    FALSE_DEATH = "live node declared dead",
    /// A node joined during the run.
    JOINED = "node joined",
    /// A node left in good order.
    LEFT = "node left",
    /// A joiner looked to another member.
    JOINER_SWITCHED = "joiner switched member",
    /// Somebody's entries came from somebody else.
    RELAYED_DELTA = "relayed delta",
    /// A delta was refused and tried again.
    DELTA_REFUSED = "delta refused",
    /// A frame whose bits were turned was noticed and refused.
    CORRUPT_REFUSED = "corrupt frame refused",
    /// A frame over the limit was refused.
    OVERSIZED_REFUSED = "oversized frame refused",
    /// A listing was restarted because a picture had proved wrong.
    LISTING_RESTARTED = "listing restarted",
    /// A reset or drop overtook steps.
    STEPS_DROPPED = "steps dropped by reset",
    /// Two nodes gave a field different shapes, neither knowing of the other's.
    SHAPES_RACED = "two shapes raced",
    /// Two nodes created a field, neither knowing of the other's.
    CONCURRENT_CREATES = "concurrent creates",
    /// An intervention moved ν by less than its full measure.
    INTERVENTION_CLIPPED = "intervention clipped",
    /// A frontier that one replica had reached was reached by another.
    FRONTIER_MET_AGAIN = "frontier met again",
    /// A node whose clock was off accepted a write.
    CLOCK_OFF = "clock off",
    /// A node refused to write because its time was ahead of what the members agreed on.
    STATE_AHEAD = "time ahead of the members",
    /// An operator let all members go on from a clock that was ahead.
    CLOCK_ACCEPTED = "clock accepted",
    /// A node whose time was ahead was stopped, its clock set, and started again with its data directory.
    SET_RIGHT = "node set right",
    /// All clocks jumped together.
    CLOCKS_TOGETHER = "all clocks jumped together",
    /// Hybrid time was over a minute ahead of all wall clocks, and writes were accepted.
    LED = "hybrid time led by a minute",
    /// A run that a later one had overtaken went on: that one was gone.
    OUTRAN = "overtaken run went on",
    /// A run began with what its machine's disk had kept.
    SNAPSHOT_RESTORED = "snapshot restored",
    /// A snapshot that was damaged was set aside.
    SNAPSHOT_DAMAGED = "damaged snapshot set aside",
    /// All that ran was gone at once.
    BLACKOUT = "whole cluster restarted",
    /// A client's token was reached where it was shown.
    TOKEN_REACHED = "token reached",
    /// A client's token was not reached yet where it was shown.
    TOKEN_NOT_REACHED = "token not reached yet",
    /// A lane that is not known yet came to another node.
    UNKNOWN_LANE = "unknown lane carried",
    /// A delta was refused for now because its clock was ahead.
    CLOCK_AHEAD = "clock ahead refused",
    /// Two nodes changed a field within an epoch, neither knowing of the other's.
    CHANGES_RACED = "changes raced",
    /// A change of what is fixed was refused.
    CHANGE_REFUSED = "change of what is fixed refused",
    /// A run ended, and was folded into the base.
    RUN_ENDED = "run ended",
    /// A replica that was behind took a peer's base.
    BASE_TAKEN = "base taken from a peer",
    /// A run that was cut off, or ended by the others, went on as another.
    REMINTED = "run went on as another",
    /// More of a run was offered than what it had ended at.
    TOO_LATE_REFUSED = "late delta refused",
    /// All clocks were set back, and a node joined.
    CLOCKS_SET_BACK = "all clocks set back",
    /// A field that had learned was reset.
    CORE_RESET = "core field reset",
    /// A step was answered that inputs have changed.
    DRIFTED = "drift answered",
    /// A stranger without a key got no link.
    STRANGER_KEYLESS = "stranger without key refused",
    /// A stranger with another key got none.
    STRANGER_OTHER_KEY = "stranger with another key refused",
    /// A stranger with another key and the name of a node got none.
    STRANGER_NAMESAKE = "stranger with a node's name refused",
    /// A process introduced itself as another node than its certificate names.
    STRANGER_MISNAMED = "stranger with a certificate of another name refused",
    /// A machine that was shut out by a change of the key got no link.
    STRANGER_FORMER = "machine refused that was shut out",
    /// A node dialled another, a stranger answered, and no link came of it.
    STRANGER_ANSWERED = "stranger answered in a node's place",
    /// What a stranger gossips could not be read.
    STRANGER_UNREAD = "gossip of a stranger dropped",
    /// The key was changed while nodes ran.
    KEY_CHANGED = "key changed in order",
    /// A machine got a key file later than the others.
    KEY_LATE = "key file late",
    /// A node was restarted while the key was changed.
    KEY_RESTART = "node restarted while the key changed",
    /// A key was removed, so links showed their certificates again.
    KEY_REMOVED = "links ended by a key's removal",
    /// The old key was removed too early, which cut nodes off.
    KEY_CUT = "old key removed first, and nodes cut off",
    /// A machine without the new key became a stranger.
    SHUT_OUT = "machine shut out by a change of the key",
    /// Another machine took the place of a node.
    NODE_REPLACED = "machine replaced by another of its name",
    /// A change of a model was decided for who wanted it.
    ROLLOUT_DECIDED = "change of a model decided",
    /// Another change was decided in the step that a node proposed in.
    STEP_LOST = "step decided by another's change",
    /// Voters did not answer in time.
    NO_MAJORITY = "change of a model given up",
    /// A request for a vote, or an answer, was lost.
    VOTE_LOST = "request for a vote lost",
    /// A voter did not vote for what a rollback it knew of stood against, or what did not follow.
    VOTE_REFUSED = "vote refused by the rules",
    /// A proposer had to propose what another had begun.
    VALUE_RECOVERED = "another's change recovered",
    /// A node's gates let a rollout go on.
    ADVANCED = "rollout advanced by itself",
    /// A node's gates let a version become champion.
    PROMOTED = "version promoted by itself",
    /// A person forced a rollout on.
    FORCED_FURTHER = "rollout forced on",
    /// A person let a rollout go on, by the same rules.
    ADVANCED_BY_PERSON = "rollout advanced by a person",
    /// A person paused a rollout.
    ROLLOUT_PAUSED = "rollout paused",
    /// A person resumed it.
    ROLLOUT_RESUMED = "rollout resumed",
    /// A person cancelled it.
    ROLLOUT_CANCELLED = "rollout cancelled",
    /// A node wrote a rollback, for what its gates said.
    ROLLED_BACK_BY_NODE = "rollback written by a node",
    /// A person wrote one.
    ROLLED_BACK_BY_PERSON = "rollback written by a person",
    /// A node's rollback was decided.
    ROLLBACK_DECIDED = "node's rollback decided",
    /// A person's rollback was decided.
    PERSONS_ROLLBACK_DECIDED = "person's rollback decided",
    /// A rollback came after PROMOTED was decided.
    LATE_ROLLBACK = "late rollback decided",
    /// What was to follow did not: the rollout had ended meanwhile, or was rolled back.
    STEP_AFTER_END = "step after an end refused",
    /// A rejected version was to be rolled out again.
    REJECTED_AGAIN = "rollout of a rejected version refused",
    /// A rollout held for want of steps or time.
    HELD_WITHOUT_DATA = "rollout held without data",
    /// A rollout held because most voters seemed gone.
    HELD_WITHOUT_MAJORITY = "rollout held without a majority",
    /// A rollout held because a member was not heard.
    HELD_UNHEARD = "rollout held for an unheard member",
    /// Two nodes showed the model at one frontier.
    SHOWN_ALIKE = "model shown at one frontier twice",
    /// Steps were answered by a version and counted.
    OUTCOMES_COUNTED = "outcomes counted",
    /// An operator named another voter in the place of one that lost its disk.
    VOTERS_CHANGED = "voter replaced",
}
