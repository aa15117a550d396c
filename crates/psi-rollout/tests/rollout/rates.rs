//! How often rollouts are judged rightly, and how soon. 10,000 rollouts of each kind:
//!
//! ```sh
//! cargo test -p psi-rollout --test rollout -- --ignored --nocapture rates
//! ```
//!
//! `PSI_RATES_SEED` and `PSI_RATES_ROLLOUTS` change what is simulated; with `PSI_RATES_ONLY=novelty`, kinds that are called
//! so alone.

use psi_rollout::Status;

use crate::simulation::{End, GatedValue, Model, Scenario};

const HEALTHY: Scenario = Scenario {
    name: "healthy, 2 % errors",
    champion_errors: 0.02,
    canary_errors: 0.02,
    latency_factor: 1.0,
    watched: None,
    is_correlated: false,
};
const TWICE: Scenario = Scenario { name: "twice the errors", canary_errors: 0.04, ..HEALTHY };
const THRICE: Scenario = Scenario { name: "three times the errors", canary_errors: 0.06, ..HEALTHY };
const SLOW: Scenario = Scenario { name: "latency × 1.5", latency_factor: 1.5, ..HEALTHY };
/// A gate watches novelty, too; its standard deviation is five times the margin.
const USUAL: GatedValue = GatedValue { margin: 0.1, shift: 0.0, spikes: 0.0 };
const NOVEL: Scenario = Scenario { name: "healthy, novelty is watched", watched: Some(USUAL), ..HEALTHY };
const MORE_NOVEL: Scenario =
    Scenario { name: "novelty higher by the margin", watched: Some(GatedValue { shift: 0.1, ..USUAL }), ..HEALTHY };
const LESS_NOVEL: Scenario = Scenario {
    name: "novelty lower by the margin",
    watched: Some(GatedValue { margin: -0.1, shift: -0.1, ..USUAL }),
    ..HEALTHY
};
/// One step of two hundred is a hundred times as novel: a canary that has met none yet knows little.
const SPIKES: GatedValue = GatedValue { margin: -1.0, shift: 0.0, spikes: 0.005 };
const SPIKY: Scenario = Scenario { name: "healthy, rare novelty, may not fall", watched: Some(SPIKES), ..HEALTHY };
const MORE_SPIKY: Scenario = Scenario {
    name: "rare novelty, higher by the margin",
    watched: Some(GatedValue { margin: 1.0, shift: 1.0, ..SPIKES }),
    ..HEALTHY
};
const RARE: Scenario =
    Scenario { name: "healthy, 0.1 % errors", champion_errors: 0.001, canary_errors: 0.001, ..HEALTHY };

fn correlated(name: &'static str, scenario: Scenario) -> Scenario {
    Scenario { name, is_correlated: true, ..scenario }
}

/// How rollouts of one kind ended.
struct Rates {
    name: &'static str,
    rollouts: usize,
    rolled_back: Vec<u64>,
    promoted: Vec<u64>,
}

impl Rates {
    fn of(scenario: Scenario, rollouts: u64, seed: u64) -> Self {
        let model = Model::new(scenario);
        let ends: Vec<End> = (0..rollouts).map(|i| model.run(seed.wrapping_add(i << 20))).collect();
        let minutes = |status| {
            let mut minutes: Vec<_> = ends.iter().filter(|end| end.status == status).map(|end| end.minutes).collect();
            minutes.sort_unstable();
            minutes
        };
        let (rolled_back, promoted) = (minutes(Status::RolledBack), minutes(Status::Promoted));
        Self { name: scenario.name, rollouts: ends.len(), rolled_back, promoted }
    }

    /// The minute by which this share of all that were rolled back were.
    fn minute(&self, percent: usize) -> u64 {
        let minutes = &self.rolled_back;
        minutes.get((minutes.len() * percent / 100).min(minutes.len().saturating_sub(1))).copied().unwrap_or(0)
    }

    /// `healthy: 10000 rollouts, 12 rolled back, …`
    fn print(&self) {
        let (back, promoted) = (self.rolled_back.len(), self.promoted.len());
        let by = |minute| self.rolled_back.partition_point(|minutes| *minutes <= minute);
        println!(
            "{:38} of {:5}: rolled back {back:5}, promoted {promoted:5}, held {:3}; rolled back after {} / {} / {} min \
             (50 / 95 / 99 %), {} by 10 min, {} by 20, {} by 60; promoted after {} min (50 %)",
            self.name,
            self.rollouts,
            self.rollouts - back - promoted,
            self.minute(50),
            self.minute(95),
            self.minute(99),
            by(10),
            by(20),
            by(60),
            self.promoted.get(promoted / 2).copied().unwrap_or(0),
        );
    }
}

/// Each kind that matters, with the latest minute by which half of it must be rolled back; 0 for what must be promoted.
const GOALS: [(Scenario, u64); 9] = [
    (HEALTHY, 0),
    (TWICE, 20),
    (THRICE, 20),
    (SLOW, 20),
    (NOVEL, 0),
    (MORE_NOVEL, 20),
    (LESS_NOVEL, 20),
    (SPIKY, 0),
    (MORE_SPIKY, 720),
];

/// A number from the environment, or else this one.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn rollouts_of_each_kind_are_judged_rightly() {
    for (scenario, median_max) in GOALS {
        let rates = Rates::of(scenario, 125, 0x5eed_0001);
        rates.print();
        if median_max == 0 {
            assert!(rates.rolled_back.len() <= 2 && rates.promoted.len() >= 123, "{}", rates.name);
        } else {
            assert!(rates.rolled_back.len() >= 124, "{}", rates.name);
            assert!(rates.minute(50) <= median_max, "{}: {} min", rates.name, rates.minute(50));
        }
    }
}

#[test]
#[ignore = "takes minutes; run it by name, as the head of this file says"]
fn rates() {
    let (rollouts, seed) = (number("PSI_RATES_ROLLOUTS", 10_000), number("PSI_RATES_SEED", 2_026));
    println!("seed {seed}, looks each minute, 1,000 steps a minute, default plan");
    let only = std::env::var("PSI_RATES_ONLY").unwrap_or_default();
    let correlated = [
        correlated("healthy, correlated keys", HEALTHY),
        correlated("twice the errors, correlated keys", TWICE),
        correlated("three times the errors, correlated keys", THRICE),
        correlated("latency × 1.5, correlated keys", SLOW),
        correlated("healthy, novelty is watched, correlated keys", NOVEL),
        correlated("novelty higher, correlated keys", MORE_NOVEL),
    ];
    let all = GOALS.map(|(scenario, _)| scenario).into_iter().chain([RARE]).chain(correlated);
    for scenario in all.filter(|scenario| scenario.name.contains(&only)) {
        Rates::of(scenario, rollouts, seed).print();
    }
}
