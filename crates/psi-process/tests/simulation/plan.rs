//! What a history is like, and what is wrong in it on purpose.

use super::rng::Rng;

/// What a sound machine never does. The oracle must notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Voters vote for all that is proposed.
    Credulity,
    /// Voters lose their records in a crash, and keep their keys.
    Amnesia,
    /// A proposer that lost a step writes another transition, and answers for the first.
    Rewriting,
    /// A proposer takes the step of another task of its bucket for its own success.
    Usurpation,
    /// A proposer that was overtaken, and can't get the history, says that its transition does not count.
    Guess,
    /// Voters say by their own clocks whether an ended task is still kept.
    OwnClock,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgery {
    /// In mode `enforce`, a task advances by a HOLD, or by a PASS that its numbers contradict.
    Verdict,
    /// A task that goes on is left out.
    Loss,
    /// Two transitions are one step.
    Pair,
    /// A task begins again though it ended a moment ago.
    Revival,
    /// Ended tasks are left out by a clock that is days ahead of the transition's.
    Haste,
}

impl Forgery {
    pub(super) const ALL: [Self; 5] = [Self::Verdict, Self::Loss, Self::Pair, Self::Revival, Self::Haste];
}

/// What a history is like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) machines: usize,
    /// The register of the process, and one or two buckets.
    pub(super) registers: usize,
    pub(super) hop_us: u64,
    pub(super) loss_percent: u64,
    pub(super) duplicate_percent: u64,
    pub(super) slow_percent: u64,
    pub(super) storm_ms: u64,
    /// The longest wait of a client between two wishes.
    pub(super) pause_ms: u64,
    /// Of the wishes of broken machines, so many are forged. Half of the histories have a broken machine.
    pub(super) forged_percent: u64,
    /// What they forge; anything if `None`.
    pub(super) forgery: Option<Forgery>,
    pub(super) mutation: Option<Mutation>,
}

impl Plan {
    pub(super) fn random(seed: u64) -> Self {
        let mut rng = Rng(seed ^ 0x51EE_D000);
        Self {
            seed,
            machines: *rng.pick(&[3, 3, 5]),
            registers: *rng.pick(&[2, 3]),
            hop_us: *rng.pick(&[500, 3_000, 20_000]),
            loss_percent: *rng.pick(&[0, 2, 15]),
            duplicate_percent: *rng.pick(&[0, 5, 20]),
            slow_percent: *rng.pick(&[0, 3, 20]),
            storm_ms: 2_000,
            pause_ms: *rng.pick(&[40, 100, 200]),
            forged_percent: *rng.pick(&[0, 30]),
            forgery: None,
            mutation: None,
        }
    }

    /// The same with an error that is there on purpose.
    pub(super) fn with(seed: u64, mutation: Mutation) -> Self {
        Self { mutation: Some(mutation), forged_percent: 0, ..Self::random(seed) }
    }

    /// Voters that check nothing, and a machine that forges such bodies.
    pub(super) fn forging(seed: u64, forgery: Forgery) -> Self {
        Self { forgery: Some(forgery), forged_percent: 60, ..Self::with(seed, Mutation::Credulity) }
    }
}
