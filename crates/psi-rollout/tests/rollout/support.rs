//! Rollouts and outcomes for tests.

use std::collections::{BTreeMap, BTreeSet};

use psi_rollout::{
    DriftComparison, Facts, Force, Latency, LiveVersions, Member, ModelName, Outcome, Outcomes, Plan, PlanInput,
    Rollout, RolloutId, RolloutSetup, StartFacts, VersionName,
};

pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const WINDOW_MS: u64 = 60 * MINUTE_MS;

pub(crate) fn version(name: &str) -> VersionName {
    VersionName::new(name).expect("a version")
}

pub(crate) fn setup(input: &PlanInput) -> RolloutSetup {
    RolloutSetup {
        id: RolloutId::new("fraud-v8").expect("an id"),
        model: ModelName::new("fraud").expect("a model"),
        champion: version("v7"),
        canary: version("v8"),
        plan: Plan::new(input).expect("a plan"),
    }
}

/// What a look rests on, as values of its own.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now_ms: u64,
    pub(crate) canary: Outcomes,
    pub(crate) champion: Outcomes,
    pub(crate) drift: DriftComparison,
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) has_majority: bool,
    pub(crate) rejected: BTreeSet<VersionName>,
}

impl World {
    /// Enough of all for an advance after the first window.
    pub(crate) fn good() -> Self {
        let member = Member { heard_ms: Some(u64::MAX), is_evicted: false };
        Self {
            now_ms: WINDOW_MS,
            canary: outcomes(6_000, 120, 40.0),
            champion: outcomes(60_000, 1_200, 40.0),
            drift: DriftComparison::default(),
            members: ["n1", "n2", "n3"].into_iter().map(|name| (name.to_owned(), member)).collect(),
            has_majority: true,
            rejected: BTreeSet::new(),
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            now_ms: self.now_ms,
            canary: &self.canary,
            champion: &self.champion,
            drift: &self.drift,
            members: &self.members,
            has_majority: self.has_majority,
            rejected: &self.rejected,
        }
    }
}

/// Steps spread evenly over all buckets, and so are the errors; each takes this long, or half as much more.
pub(crate) fn outcomes(steps: u64, errors: u64, ms: f64) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for i in 0..steps {
        let latency = Latency::from_ms(if i / 64 % 2 == 0 { ms } else { ms * 1.5 }).expect("a latency");
        let bucket = u8::try_from(i % 64).expect("a bucket");
        outcomes.add(bucket, Outcome { error: i < errors, latency: Some(latency) }).expect("room");
    }
    outcomes
}

pub(crate) fn pending(plan: &PlanInput) -> Rollout {
    let (live, rejected) = (LiveVersions::default(), BTreeSet::new());
    let facts = StartFacts { live: &live, rejected: &rejected, active: None };
    Rollout::start(setup(plan), None, &facts).expect("nothing is in the way")
}

/// A rollout in this step of the default schedule, which began at 0.
pub(crate) fn in_step(step: usize) -> Rollout {
    let mut rollout = pending(&PlanInput::default());
    let world = World { now_ms: 0, ..World::good() };
    for _ in 0..=step {
        let record = rollout.propose(psi_rollout::Command::Advance, Some(&force()), &world.facts()).expect("forced");
        rollout.apply(&record).expect("in order");
    }
    rollout
}

pub(crate) fn force() -> Force {
    Force::new("a test").expect("a reason")
}
