//! A simulated model: steps arrive, two versions answer, and the rollout is looked at each minute. Seeds are arguments.

use psi_rollout::{
    Arm, KeyHash, Latency, Measure, Next, Outcome, Outcomes, Percent, Plan, PlanInput, Record, Status, StepKey,
};

use crate::support::{MINUTE_MS, World, setup};

/// Steps a minute, so that 5 % are 50.
const STEPS: usize = 1_000;
/// Keys that send them.
const KEYS: usize = 20_000;
/// Populations of them that rollouts share.
const POPULATIONS: usize = 20;
/// When nobody waits any longer: a day.
const MINUTES_MAX: u64 = 1_440;

/// SplitMix64 (Steele, Lea and Flood 2014): enough for a test, and the same everywhere.
pub(crate) struct Random(u64);

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) champion_errors: f64,
    pub(crate) canary_errors: f64,
    pub(crate) latency_factor: f64,
    /// What a gate watches beside; `None`: nothing.
    pub(crate) watched: Option<GatedValue>,
    /// Whether some keys send more, some fail more, and steps of a key come in pairs that go alike.
    pub(crate) is_correlated: bool,
}

/// A value of steps that a gate watches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatedValue {
    pub(crate) margin: f64,
    /// How much higher the canary's is.
    pub(crate) shift: f64,
    /// The share of steps whose value is 100 higher.
    pub(crate) spikes: f64,
}

/// How a rollout ended, and after how many minutes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) status: Status,
    pub(crate) minutes: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `limit`.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    fn below(&mut self, limit: usize) -> usize {
        (self.share() * limit as f64) as usize
    }
}

/// What rollouts of one kind have in common.
pub(crate) struct Model {
    scenario: Scenario,
    /// Some populations of keys, each assigned otherwise.
    populations: Vec<Vec<KeyHash>>,
    /// Latencies of champion and canary.
    latencies: [Vec<Latency>; 2],
    plan: PlanInput,
    measure: Option<Measure>,
}

impl Model {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let id = setup(&PlanInput::default()).id;
        let hash = |key: &str| KeyHash::new(&id, StepKey::new(key).expect("a key"));
        let population = |first| (0..KEYS).map(|i| hash(&format!("{first}-{i}"))).collect();
        let populations = (0..POPULATIONS).map(population).collect();
        let metric_thresholds = scenario.watched.map(|one| ("novelty".to_owned(), one.margin)).into_iter().collect();
        let schedule = PlanInput::default_schedule(scenario.watched.is_some());
        let plan = PlanInput { metric_thresholds, schedule, ..PlanInput::default() };
        let measure = Plan::new(&plan).expect("a plan").measures().first().cloned();
        Self { scenario, populations, latencies: latencies(scenario.latency_factor), plan, measure }
    }

    /// One rollout, from its first percentage to its end.
    pub(crate) fn run(&self, seed: u64) -> End {
        let mut traffic = Traffic::new(self, seed);
        let mut rollout = crate::support::pending(&self.plan);
        let mut world = World { now_ms: 0, ..World::good() };
        for minutes in 0..MINUTES_MAX {
            world.now_ms = minutes * MINUTE_MS;
            if let Next::Act { record, .. } = rollout.next(&world.facts()) {
                rollout.apply(&record).expect("what follows by itself may happen");
                if matches!(record, Record::Advance { .. }) {
                    // Outcomes count in the step of the schedule that they fall into.
                    (world.canary, world.champion) = (Outcomes::default(), Outcomes::default());
                }
            }
            if rollout.status().is_end() {
                return End { status: rollout.status(), minutes };
            }
            traffic.minute(rollout.percent(), &mut world);
        }
        End { status: rollout.status(), minutes: MINUTES_MAX }
    }
}

/// Log-normal latencies with a median of 40 ms and σ = 0.8, so that the mean is 55 ms and a hundredth takes over 250.
fn latencies(factor: f64) -> [Vec<Latency>; 2] {
    let mut random = Random::new(40);
    let mut normal = || (-2.0 * (1.0 - random.share()).ln()).sqrt() * (random.share() * std::f64::consts::TAU).cos();
    let all: Vec<_> = (0..16_384).map(|_| 40.0 * (0.8 * normal()).exp()).collect();
    [1.0, factor].map(|factor| all.iter().map(|ms| Latency::from_ms(ms * factor).expect("short")).collect())
}

struct Traffic<'a> {
    model: &'a Model,
    random: Random,
    hashes: &'a [KeyHash],
    /// How much more than others a key fails.
    weights: Vec<f64>,
}

impl<'a> Traffic<'a> {
    fn new(model: &'a Model, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let hashes = &model.populations[random.below(POPULATIONS)];
        let is_correlated = model.scenario.is_correlated;
        let weight = |_| if is_correlated { -(1.0 - random.share()).ln() } else { 1.0 };
        let weights = (0..KEYS).map(weight).collect();
        Self { model, random, hashes, weights }
    }

    fn key(&mut self) -> usize {
        if !self.model.scenario.is_correlated {
            return self.random.below(KEYS);
        }
        // The lesser of two: the first tenth of the keys sends a fifth of the steps, the last a hundredth.
        self.random.below(KEYS).min(self.random.below(KEYS))
    }

    /// Exponential around 1 but for spikes, and higher for keys that fail more often where keys correlate; `None` where no
    /// gate watches it.
    fn watched_units(&mut self, key: usize, arm: Arm) -> Option<i64> {
        let (measure, watched) = (self.model.measure.as_ref()?, self.model.scenario.watched?);
        let shift = if arm == Arm::Canary { watched.shift } else { 0.0 };
        let spike = if watched.spikes > 0.0 && self.random.share() < watched.spikes { 100.0 } else { 0.0 };
        Some(measure.units(0.5 * self.weights[key] - 0.5 * (1.0 - self.random.share()).ln() + shift + spike))
    }

    fn minute(&mut self, percent: Percent, world: &mut World) {
        let scenario = self.model.scenario;
        let mut steps = 0;
        while steps < STEPS {
            let key = self.key();
            let (hash, arm) = (self.hashes[key], self.hashes[key].arm(percent));
            let units = self.watched_units(key, arm);
            let (rate, outcomes, table) = match arm {
                Arm::Champion => (scenario.champion_errors, &mut world.champion, &self.model.latencies[0]),
                Arm::Canary => (scenario.canary_errors, &mut world.canary, &self.model.latencies[1]),
            };
            let error = self.random.share() < rate * self.weights[key];
            let latency = Some(table[self.random.below(table.len())]);
            let alike = if scenario.is_correlated { 1 + self.random.below(2) } else { 1 };
            for _ in 0..alike {
                outcomes.add(hash.bucket(), Outcome { error, latency }).expect("room");
                if units.is_some() {
                    outcomes.add_measured(hash.bucket(), &[units]).expect("room");
                }
            }
            steps += alike;
        }
    }
}
