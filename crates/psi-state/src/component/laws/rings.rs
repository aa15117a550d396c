//! Origins whose rings are full: what the base leaves out of them shows nowhere.

use prost::Message;
use psi_engine::{RETENTION_MAX, WORKING_CAPACITY_MAX};
use psi_replica::proto::{Clock, Origin as OriginMessage};
use psi_stats::{Moments, Scale, quantize};

use super::{
    ended::{Log, fold_into, folded_logs, folded_with_base, key_of, origin, put_log},
    *,
};
use crate::{limits::METRICS, proto};

/// Some day in 2025.
const WALL_MS: u64 = 1_750_000_000_000;

/// Writes the log of an origin that has filled its rings.
struct RingLog {
    rng: SampleRng,
    log: Log,
    /// Its clocks lie before this.
    last_ms: u64,
}

impl RingLog {
    fn put(&mut self, lane: Lane, index: u64, value: &impl Message) {
        self.log.insert(key_of(lane, index), value.encode_to_vec().into());
    }

    /// Any moment of some ten minutes before the last one.
    fn clock(&mut self) -> Option<Clock> {
        Some(Clock { wall_ms: self.last_ms - self.rng.below(600_000), counter: 0 })
    }

    fn vector(&mut self) -> proto::VectorValue {
        let (clock, numbers) = (self.clock(), vec![self.rng.unit(), self.rng.unit()]);
        proto::VectorValue { clock, numbers, salience: self.rng.unit() }
    }

    fn write_guardian(&mut self) {
        for index in 0..25 {
            let samples = (0..8).map(|_| {
                let wall_ms = self.clock().map_or(0, |clock| clock.wall_ms);
                let [density, prediction_error, temporal_entropy] = [self.rng.unit(), self.rng.unit(), self.rng.unit()];
                proto::Sample { wall_ms, counter: 0, density, prediction_error, temporal_entropy }
            });
            let samples = samples.collect();
            self.put(guardian::HISTORY, index, &proto::HistoryValue { samples });
        }
        let (threat, clock) = (proto::Threat::LowDensity.into(), self.clock());
        self.put(guardian::ALARM, 0, &proto::AlarmValue { threat, clock, author: None, k: 0 });
    }

    /// Each ring full, and some no longer kept. Those of the guardian follow one of few. What nigredo dissolves is early.
    fn write_interventions(&mut self) {
        for index in 0..128 {
            let clock = self.clock();
            let is_early = clock.is_some_and(|clock| clock.wall_ms < WALL_MS + 10_000);
            let action = if is_early { proto::Action::Nigredo } else { proto::Action::Albedo };
            let named = Some(OriginMessage { node: "ring-1".to_owned(), incarnation: 1 });
            let follows = Some(Clock { wall_ms: WALL_MS + self.rng.below(99), counter: 0 });
            let automatic = (index >= 64).then(|| proto::AutomaticCause {
                threat: proto::Threat::LowDensity.into(),
                follows: Some(proto::EventName { clock: follows, origin: named }),
            });
            let k = self.rng.below(1000);
            let event = proto::InterventionValue { clock, sequence: index % 64, action: action.into(), k, automatic };
            self.put(interventions::INTERVENTIONS, index, &event);
        }
        let nigredo = Some(Clock { wall_ms: WALL_MS + self.rng.below(99), counter: 0 });
        self.put(interventions::RETIRED, 0, &proto::RetiredValue { counted: 5, nigredo, author: None });
    }

    fn write_learned(&mut self) {
        for index in 0..60 {
            let (latent, working) = (self.vector(), self.vector());
            self.put(core::LATENTS, index, &latent);
            self.put(core::WORKING, index, &working);
        }
        for index in 0..20 {
            let memories = (0..8).map(|_| self.vector()).collect();
            self.put(core::EPISODIC, index, &proto::MemoriesValue { memories });
        }
        let (updates, memories) = (1 + self.rng.below(99), 4000 + self.rng.below(999));
        self.put(core::TALLY, 0, &proto::TallyValue { updates, time_high: 0, time_low: 1, memories });
        let numbers = (0..4).map(|_| self.rng.bits().cast_signed() >> 17).collect();
        self.put(core::THETA, 0, &proto::ThetaValue { numbers });
    }

    /// A latest step, and one of a second.
    fn write_steps(&mut self, second: u64) {
        let mut moments = Moments::new(METRICS);
        moments.add(&quantize(&[0.5; METRICS], Scale::default()).expect("small")).expect("few");
        let sums = moments.encode().into();
        self.put(windows::WINDOWS, second % 64, &proto::WindowValue { second, sums });
        let clock = Some(Clock { wall_ms: self.last_ms, counter: 0 });
        self.put(recent::RECENT, 0, &proto::RecentValue { clock, metrics: vec![0.5; METRICS], ..Default::default() });
    }

    fn new(number: u64, last_ms: u64) -> Self {
        let mut log = Self { rng: SampleRng(number), log: Log::new(), last_ms };
        let spec = specs::SpecValue::from(log.rng.spec_in(&scope_of(ScopeKind::Epoch)));
        log.log.insert(key_of(specs::SPEC, 0), specs::Specs::encode(&spec));
        log
    }

    fn of(self, number: u64) -> (Origin, Log) {
        (origin(&format!("ring-{number}")), self.log)
    }
}

/// An origin with full rings; the last step of each is 1.5 s after that of the one before.
fn full(number: u64) -> (Origin, Log) {
    let last_ms = WALL_MS + 600_000 + number * 1500;
    let mut log = RingLog::new(number, last_ms);
    log.write_guardian();
    log.write_interventions();
    log.write_learned();
    log.write_steps(last_ms / 1000 - number % 4);
    log.of(number)
}

/// Parameters that look as far back as any may.
fn farsighted() -> Parameters {
    let longest = [("dt", 0.1), ("W_r", 102.4), ("C_w", 1024.0)];
    let parameters = spec().setup.parameters.with(longest).expect("good parameters");
    assert_eq!((parameters.retention(), parameters.working_capacity()), (RETENTION_MAX, WORKING_CAPACITY_MAX));
    parameters
}

fn pairs(logs: &[(Origin, Log)]) -> impl Iterator<Item = (&Origin, &Log)> {
    logs.iter().map(|(origin, log)| (origin, log))
}

/// 40 origins: 5,120 interventions, 8,000 samples, 2,400 latents and working memories, 6,400 memories.
#[test]
fn what_the_base_leaves_out_of_full_rings_shows_nowhere() {
    let logs: Vec<_> = (0..40).map(full).collect();
    let mut whole = folded_logs(pairs(&logs));
    let mut base = Log::new();
    for (number, log) in logs.iter().enumerate() {
        base = fold_into(&base, &[log]);
        if number % 8 == 7 {
            let with_base = folded_with_base(&base, &logs[number + 1..]);
            assert!(with_base.shown_with(farsighted()) == whole.shown_with(farsighted()), "after {number}");
        }
    }
    let all: Vec<_> = logs.iter().collect();
    assert_eq!(fold_into(&Log::new(), &all), base);
    // What live origins take back lets what is older show again.
    let (ended, live) = logs.split_at(34);
    let ended: Vec<_> = ended.iter().collect();
    let mut with_base = folded_with_base(&fold_into(&Log::new(), &ended), live);
    for (origin, log) in live {
        for folds in [&mut whole, &mut with_base] {
            put_log(folds, origin, log, Direction::Remove);
        }
        assert!(with_base.shown_with(farsighted()) == whole.shown_with(farsighted()), "without {origin}");
    }
}

/// One transition alone counts as its origin has it: a weighted mean would round it.
#[test]
fn the_one_transition_that_was_learned_is_exact_in_the_base_too() {
    let learned = |number, updates| {
        let mut log = RingLog::new(number, WALL_MS);
        log.put(core::TALLY, 0, &proto::TallyValue { updates, time_high: 0, time_low: 1, memories: 0 });
        let numbers = (0..4).map(|_| log.rng.bits().cast_signed() >> 2).collect();
        log.put(core::THETA, 0, &proto::ThetaValue { numbers });
        log.write_steps(WALL_MS / 1000);
        log.of(number)
    };
    let mut later = RingLog::new(1, WALL_MS + 100_000);
    later.write_steps(WALL_MS / 1000 + 100);
    let later = later.of(1);
    for number in 2..20 {
        let one = learned(number, 1_000_003);
        let whole = folded_logs(pairs(&[one.clone(), later.clone()]));
        let base = fold_into(&Log::new(), &[&one, &later]);
        assert!(base.contains_key(&key_of(core::ENDED_THETA_SUM, 0)));
        assert_eq!(folded_with_base(&base, []).shown(), whole.shown());
        // And no longer alone.
        let two = learned(number + 100, 7);
        let whole = folded_logs(pairs(&[one, later.clone(), two.clone()]));
        assert_eq!(folded_with_base(&fold_into(&base, &[&two]), []).shown(), whole.shown());
    }
}

/// Of more origins than the base keeps one by one it keeps the latest, in whatever order they end.
#[test]
fn learners_are_bounded_and_the_latest_are_kept() {
    let stepped = |number| {
        let mut log = RingLog::new(number, WALL_MS + 59_000);
        log.write_learned();
        log.write_steps(WALL_MS / 1000 + number % 50);
        log.of(number)
    };
    let logs: Vec<_> = (0..70).map(stepped).collect();
    let all: Vec<_> = logs.iter().collect();
    let at_once = fold_into(&Log::new(), &all);
    let one_by_one = all.iter().rev().fold(Log::new(), |base, log| fold_into(&base, &[log]));
    assert_eq!(one_by_one, at_once);
    assert_eq!(at_once.keys().filter(|key| key.lane == core::ENDED_LEARNERS).count(), 64);
}

/// Values as large as any: the longest names, the greatest numbers, full entries.
#[test]
fn no_entry_of_the_base_is_too_large() {
    let author = Some(OriginMessage { node: "x".repeat(64), incarnation: u64::MAX });
    let clock = Some(Clock { wall_ms: u64::MAX, counter: u32::MAX });
    let vectors = |numbers: usize, count: usize| {
        let vector = proto::VectorValue { clock, numbers: vec![1.0; numbers], salience: 0.0 };
        let vector = proto::EndedVector { author: author.clone(), slot: 4095, vector: Some(vector) };
        proto::EndedVectorsValue { vectors: vec![vector; count] }.encode_to_vec()
    };
    let follows = Some(proto::EventName { clock, origin: author.clone() });
    let automatic = Some(proto::AutomaticCause { threat: proto::Threat::LowDensity.into(), follows });
    let action = proto::Action::Albedo.into();
    let event = Some(proto::InterventionValue { clock, sequence: 63, action, k: u64::MAX, automatic });
    let event = proto::EndedEvent { author: author.clone(), event };
    let sample = proto::Sample {
        wall_ms: u64::MAX,
        counter: u32::MAX,
        density: 1.0,
        prediction_error: 1.0,
        temporal_entropy: 1.0,
    };
    let sample = proto::EndedSample { author: author.clone(), slot: 199, sample: Some(sample) };
    let recent = vec![proto::RecentSteps { second: u64::MAX, steps: u64::MAX }; 64];
    let theta = Some(proto::ThetaValue { numbers: vec![-1; 8000] });
    let (high, low, huge) = (vec![-1; 4000], vec![1; 4000], u64::MAX);
    for (lane, bytes) in [
        (interventions::ENDED_EVENTS, proto::EndedEventsValue { events: vec![event; 128] }.encode_to_vec()),
        (guardian::ENDED_HISTORY, proto::EndedHistoryValue { samples: vec![sample; 200] }.encode_to_vec()),
        (core::ENDED_LATENTS, vectors(128, 32)),
        (core::ENDED_WORKING, vectors(0, 256)),
        (core::ENDED_EPISODIC, vectors(128, 32)),
        (core::ENDED_LEARNERS, proto::LearnerValue { author: author.clone(), updates: huge, recent }.encode_to_vec()),
        (core::ENDED_THETA, proto::EndedThetaValue { author: author.clone(), theta }.encode_to_vec()),
        (core::ENDED_THETA_SUM, proto::ThetaSumValue { high, low, updates: huge, transitions: huge }.encode_to_vec()),
    ] {
        assert!(bytes.len() <= VALUE_BYTES_MAX, "{} bytes in {}", bytes.len(), components::lane_name(lane));
        let checked = components::check(&key_of(lane, 0), &bytes.into());
        assert!(checked.is_ok(), "{}: {checked:?}", components::lane_name(lane));
    }
}
