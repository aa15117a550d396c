//! Whatever peers write, the fold is a function of the entries held: what is kept up to date entry by entry is what is
//! refolded, and what another replica folds that got the same at other times.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    Rng, WALL_MS, at, cases,
    craft::{Author, Courier},
    field, ready, report, shape,
};
use proptest::prelude::*;
use prost::Message;
use psi_engine::{Action, EngineKind, Parameters, guardian::Mode};
use psi_replica::{FieldName, Lane, Now, Version, proto};
use psi_state::{Replica, Setup, Shape, lanes, proto as values};
use psi_stats::{Moments, Scale, quantize};

fn name() -> FieldName {
    field("folded")
}

fn setup(latent: usize) -> Setup {
    let small = [("latent_dim", latent as f64), ("N", 2.0), ("C_w", 3.0), ("W_r", 1.0), ("pe_low", 0.0)];
    let shape = Shape { engine: EngineKind::Core.to_string(), seed: 7, ..shape(3) };
    Setup { guardian: Mode::Intervene, ..(shape, Parameters::default().with(small).unwrap()).into() }
}

/// Peers that write whatever can be read, with few clocks, so that many are the same or run backwards.
struct Liars {
    rng: Rng,
    epoch: u64,
    latent: usize,
    authors: Vec<Author>,
    /// What automatic interventions name.
    events: Vec<values::EventName>,
}

impl Liars {
    fn new(seed: u64, epoch: u64, latent: usize) -> Self {
        let authors = ["a", "liar", "z"].map(Author::new).to_vec();
        Self { rng: Rng(seed), epoch, latent, authors, events: Vec::new() }
    }

    /// Within two minutes, so that seconds leave the window; or one of few, so that they repeat.
    fn clock(&mut self) -> proto::Clock {
        let span = if self.rng.chance(50) { 4 } else { 120_000 };
        proto::Clock { wall_ms: WALL_MS - 60_000 + self.rng.below(span), counter: 0 }
    }

    fn vector(&mut self) -> values::VectorValue {
        let length = self.latent + usize::from(self.rng.chance(5));
        let size = if self.rng.chance(3) { 9e99 } else { 1.0 };
        let numbers = (0..length).map(|_| size * (self.rng.unit() - 0.5)).collect();
        values::VectorValue { clock: Some(self.clock()), numbers, salience: self.rng.unit() }
    }

    fn sums(&mut self, width: usize) -> Vec<u8> {
        let width = width + usize::from(self.rng.chance(5));
        let mut sums = Moments::new(width);
        for _ in 0..self.rng.below(4) {
            let numbers: Vec<f64> = (0..width).map(|_| self.rng.unit()).collect();
            sums.add(&quantize(&numbers, Scale::default()).unwrap()).unwrap();
        }
        sums.encode()
    }

    /// An index and a value of some lane.
    fn value(&mut self, who: usize, lane: Lane) -> (u64, Vec<u8>) {
        match lane {
            lanes::SPEC => (0, self.spec_value()),
            lanes::MOMENTS | lanes::WINDOWS | lanes::RECENT => self.steps_value(lane),
            lanes::INTERVENTIONS | lanes::ALARM | lanes::RETIRED | lanes::HISTORY => self.guardian_value(who, lane),
            _ => self.core_value(lane),
        }
    }

    fn spec_value(&mut self) -> Vec<u8> {
        let mut setup = setup(self.latent);
        let [w_r, c_w, n] = [self.rng.below(9), self.rng.below(6), self.rng.below(3)];
        let changes = [("W_r", 0.2 + 0.2 * w_r as f64), ("C_w", 1.0 + c_w as f64), ("N", 1.0 + n as f64)];
        setup.parameters = setup.parameters.with(changes).unwrap();
        let value = values::SpecValue {
            clock: Some(self.clock()),
            engine: setup.shape.engine,
            width: 3,
            seed: 7,
            parameters: setup.parameters.iter().map(|(_, value)| value).collect(),
            guardian: i32::from(self.rng.chance(50)),
            ..Default::default()
        };
        value.encode_to_vec()
    }

    /// What steps add up to.
    fn steps_value(&mut self, lane: Lane) -> (u64, Vec<u8>) {
        match lane {
            lanes::MOMENTS => (self.rng.below(2), values::MomentsValue { sums: self.sums(3).into() }.encode_to_vec()),
            lanes::WINDOWS => {
                let second = self.clock().wall_ms / 1000;
                (second % 64, values::WindowValue { second, sums: self.sums(8).into() }.encode_to_vec())
            }
            _ => {
                let (clock, metrics) = (Some(self.clock()), vec![self.rng.unit(); 8]);
                (
                    0,
                    values::RecentValue { clock, metrics, k: self.rng.below(300), ..Default::default() }
                        .encode_to_vec(),
                )
            }
        }
    }

    /// Interventions, and what the guardian has seen.
    fn guardian_value(&mut self, who: usize, lane: Lane) -> (u64, Vec<u8>) {
        match lane {
            lanes::INTERVENTIONS => {
                let (sequence, clock) = (self.rng.below(200), self.clock());
                let follows = self.events.get(self.rng.below(12) as usize).cloned();
                let automatic = self.rng.chance(70).then_some(values::AutomaticCause { threat: 1, follows });
                let origin = Some((&self.authors[who].origin).into());
                self.events.insert(0, values::EventName { clock: Some(clock), origin });
                let (action, k) = (1 + i32::from(self.rng.chance(50)), self.rng.below(300));
                let value = values::InterventionValue { clock: Some(clock), sequence, action, k, automatic };
                (sequence % 64, value.encode_to_vec())
            }
            lanes::ALARM => {
                let (threat, clock) = (1 + self.rng.below(3) as i32, Some(self.clock()));
                (0, values::AlarmValue { threat, clock, author: None, k: 0 }.encode_to_vec())
            }
            lanes::RETIRED => {
                let nigredo = self.rng.chance(50).then_some(self.clock());
                (0, values::RetiredValue { counted: self.rng.below(3), nigredo, author: None }.encode_to_vec())
            }
            _ => {
                let sample = |rng: &mut Rng, wall_ms| {
                    let [density, prediction_error, temporal_entropy] = [rng.unit(), rng.unit(), rng.unit()];
                    values::Sample { wall_ms, counter: 0, density, prediction_error, temporal_entropy }
                };
                let count = 1 + self.rng.below(8);
                let clocks: Vec<_> = (0..count).map(|_| self.clock()).collect();
                let samples = clocks.iter().map(|clock| sample(&mut self.rng, clock.wall_ms)).collect();
                (self.rng.below(25), values::HistoryValue { samples }.encode_to_vec())
            }
        }
    }

    /// What engine `core` has learned.
    fn core_value(&mut self, lane: Lane) -> (u64, Vec<u8>) {
        match lane {
            lanes::TALLY => {
                let huge = if self.rng.chance(20) { (1 << 47) - 1 } else { 9 };
                let (updates, memories) = (self.rng.below(huge), self.rng.below(huge));
                let time_high = if self.rng.chance(5) { i64::MIN } else { 0 };
                (0, values::TallyValue { updates, time_high, time_low: self.rng.next(), memories }.encode_to_vec())
            }
            lanes::THETA => {
                let (index, whole) = (self.rng.below(3), (self.latent * self.latent) as u64);
                let length =
                    whole.saturating_sub(8_000 * index).clamp(1, 8_000) - u64::from(self.rng.chance(10) && whole > 1);
                let shift = if self.rng.chance(10) { 1 } else { 17 };
                let numbers = (0..length.max(1)).map(|_| (self.rng.next().cast_signed() >> 1) >> shift).collect();
                (index, values::ThetaValue { numbers }.encode_to_vec())
            }
            lanes::LATENTS | lanes::WORKING => (self.rng.below(6), self.vector().encode_to_vec()),
            _ => {
                let memories = (0..1 + self.rng.below(8)).map(|_| self.vector()).collect();
                (self.rng.below(4), values::MemoriesValue { memories }.encode_to_vec())
            }
        }
    }

    /// One of them writes some entries; the frames that bring them.
    fn write(&mut self) -> Vec<proto::Delta> {
        let who = self.rng.below(self.authors.len() as u64) as usize;
        for _ in 0..=self.rng.below(5) {
            let lanes = [
                lanes::SPEC,
                lanes::MOMENTS,
                lanes::WINDOWS,
                lanes::RECENT,
                lanes::INTERVENTIONS,
                lanes::ALARM,
                lanes::RETIRED,
                lanes::HISTORY,
                lanes::TALLY,
                lanes::THETA,
                lanes::LATENTS,
                lanes::WORKING,
                lanes::EPISODIC,
            ];
            let lane = lanes[self.rng.below(lanes.len() as u64) as usize];
            let (index, value) = self.value(who, lane);
            let key = Author::key("folded", self.epoch, lane.0, index);
            self.authors[who].write(key, value);
        }
        vec![self.authors[who].delta(0)]
    }
}

/// What is kept up to date is what is refolded.
fn check(replica: &mut Replica) {
    replica.flush();
    assert_eq!(replica.view_from_entries(&name()), replica.view(&name()));
    assert_eq!(replica.learned_fingerprint_from_entries(&name()), replica.learned_fingerprint(&name()));
}

/// Brings each what the other holds, until both hold the same. What either takes in makes it give up memories and move its
/// time on, by which seconds are over that it counted inputs in. What it writes for that makes the other write nothing.
fn exchange(courier: &mut Courier, one: &mut Replica, other: &mut Replica, now: Now) {
    let given_up_or_counted = [lanes::EPISODIC, lanes::SLOTS];
    take_in(courier, one, other, now, &given_up_or_counted);
    take_in(courier, other, one, now, &given_up_or_counted);
    take_in(courier, one, other, now, &[]);
    take_in(courier, other, one, now, &[]);
}

/// Brings all that `source` holds to `target`, which then writes entries of these lanes at most.
fn take_in(courier: &mut Courier, source: &mut Replica, target: &mut Replica, now: Now, lanes: &[Lane]) {
    target.flush();
    let before = target.version();
    courier.sync(source, target, now);
    check(target);
    let own = target.origin().unwrap().clone();
    let written: Vec<_> = target.entries(&own).filter(|entry| entry.version > before).map(|entry| entry.key).collect();
    assert!(written.iter().all(|key| lanes.contains(&key.lane)), "{written:?} were written for what was taken in");
    assert_eq!(target.version() > before, !written.is_empty());
}

fn vectors(rng: &mut Rng, length: u64) -> Vec<Vec<f64>> {
    let mut vector = || {
        let size = if rng.chance(20) { 9.0 } else { 1.0 };
        (0..3).map(|_| size * (rng.unit() - 0.5)).collect()
    };
    (0..length).map(|_| vector()).collect()
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn whatever_peers_write_the_fold_is_a_function_of_the_entries(
        seed: u64, rounds in 20_usize..120, is_large in prop::bool::weighted(0.1),
    ) {
        let latent = if is_large { 95 } else { 4 };
        let (mut replica, mut other, mut courier) = (ready("n"), ready("other"), Courier::default());
        let epoch = replica.create_field(at(0), &name(), setup(latent)).unwrap().epoch;
        courier.sync(&mut replica, &mut other, at(1));
        let mut liars = Liars::new(seed, epoch.0, latent);
        let mut rng = Rng(!seed);
        let mut tick = 10;
        for _ in 0..rounds {
            tick += if rng.chance(10) { rng.below(70_000) } else { rng.below(40) };
            let replica_or_other = if rng.chance(80) { &mut replica } else { &mut other };
            let length = 1 + rng.below(30);
            let inputs = vectors(&mut rng, length);
            let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            let reports: Vec<_> = (0..length).map(|n| report(tick % 1_000 + n)).collect();
            match rng.below(6) {
                0 => drop(replica_or_other.step_batch_with_outcomes(at(tick), &name(), &inputs, &reports).unwrap()),
                1 => drop(replica_or_other.step_with_outcome(at(tick), &name(), inputs[0], reports[0].as_ref()).unwrap()),
                2 => {
                    let begun = replica_or_other.begin_batch_with_outcomes(at(tick), &name(), &inputs, &reports);
                    let mut batch = begun.unwrap();
                    batch.run();
                    courier.bring(replica_or_other, at(tick), &liars.write());
                    // Alone for half a minute, it goes on as another run.
                    let finished = replica_or_other.finish_batch(at(tick), batch);
                    prop_assert!(matches!(finished, Ok(_) | Err(psi_state::WriteError::Overtaken(_))));
                }
                3 if rng.chance(50) => {
                    let action = if rng.chance(50) { Action::Nigredo } else { Action::Albedo };
                    drop(replica_or_other.intervene(at(tick), &name(), action).unwrap());
                }
                4 if rng.chance(20) => {
                    courier.sync(&mut replica, &mut other, at(tick));
                    courier.sync(&mut other, &mut replica, at(tick));
                }
                _ => drop(courier.bring(replica_or_other, at(tick), &liars.write())),
            }
            check(&mut replica);
        }
        exchange(&mut courier, &mut replica, &mut other, at(tick));
        prop_assert_eq!(replica.digest(), other.digest());
        prop_assert_eq!(replica.view(&name()), other.view(&name()));
        prop_assert_eq!(replica.learned_fingerprint(&name()), other.learned_fingerprint(&name()));
        let input = [0.1, -0.2, 0.3];
        let [one, two] = [&mut replica, &mut other].map(|replica| replica.score(&name(), &input).unwrap());
        prop_assert_eq!(one.to_array().map(f64::to_bits), two.to_array().map(f64::to_bits));
        prop_assert!(one.to_array().iter().all(|metric| metric.is_finite()));
        let mut fresh = ready("fresh");
        courier.sync(&mut replica, &mut fresh, at(tick));
        prop_assert!(replica.frontier().iter().all(|(origin, version)| fresh.frontier().version(origin) == version));
        prop_assert!(fresh.frontier().version(&liars.authors[0].origin) >= Version::ZERO);
        check(&mut fresh);
        prop_assert_eq!(fresh.view(&name()), replica.view(&name()));
    }
}
