//! What was learned, as far as it can be counted. The numbers themselves are held against another replica's, by
//! [`psi_state::Replica::learned_fingerprint`].

use psi_state::LearnedView;

use crate::compare::{
    same::same,
    subject::{ShownField, Subject, SubjectWrites},
};
use crate::oracle::{
    Component,
    components::{
        episodic::EpisodicMemory,
        latents::Latents,
        tally::{ExpectedTally, Tally},
        transitions::Transitions,
        working::WorkingMemory,
    },
};

impl Subject for Tally {
    fn compare(expected: &Option<ExpectedTally>, shown: ShownField<'_>) -> Result<(), String> {
        same("tally", *expected, tally(shown))
    }

    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
        if let Some(ExpectedTally { time, updates }) = tally(shown) {
            hasher.update(&time.to_le_bytes()).update(&updates.to_le_bytes());
        }
    }
}

impl SubjectWrites for Tally {}

fn tally(shown: ShownField<'_>) -> Option<ExpectedTally> {
    let LearnedView { time, updates, .. } = shown.view.learned?;
    Some(ExpectedTally { time: time.0, updates })
}

impl Subject for Transitions {
    fn compare((): &(), _: ShownField<'_>) -> Result<(), String> {
        Ok(())
    }

    /// A view shows nothing of it but in a step's answer.
    fn hash(_: ShownField<'_>, _: &mut blake3::Hasher) {}
}

impl SubjectWrites for Transitions {}

/// A memory of which a view shows how many vectors it has.
macro_rules! counted_memory {
    ($memory:ident, $member:ident, $what:literal) => {
        impl Subject for $memory {
            fn compare(expected: &<$memory as Component>::Expectation, shown: ShownField<'_>) -> Result<(), String> {
                same($what, *expected, shown.view.learned.map(|learned| learned.$member))
            }

            fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
                let count = shown.view.learned.map_or(0, |learned| learned.$member as u64);
                hasher.update(&count.to_le_bytes());
            }
        }

        impl SubjectWrites for $memory {}
    };
}

counted_memory!(Latents, latents, "latents");
counted_memory!(WorkingMemory, working_memories, "working memories");
counted_memory!(EpisodicMemory, episodic_memories, "episodic memories");
