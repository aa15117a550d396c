//! The oracle against real replicas without faults between them: each must show what the oracle expects, at every
//! frontier that it passes through.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use std::{fs, path::Path};

use proptest::prelude::*;
use psi_engine::{Action, EngineKind, Parameters, guardian::Mode};
use psi_replica::{ClusterName, Config, FieldName, Frontier, LinkId, NodeId, Now, TickMs, Version, WallMs};
use psi_sim::{
    Rng,
    compare::{
        check_own_entries, compare, empty_oracle, oracle_action, oracle_clock, oracle_frontier, oracle_origin,
        oracle_spec, record_step, write_components,
    },
    oracle::{FieldWrite, Oracle, OracleAnswer, OracleFrontier, StepWrite},
};
use psi_state::{CurrentSpec, Replica, Setup, Shape, WriteError};
use psi_stats::Scale;

const LINK: LinkId = LinkId(1);
const FIELDS: [&str; 3] = ["default", "a", "b"];

/// What is done next, and on which replica.
#[derive(Clone, Debug)]
enum Act {
    Steps(usize, Vec<f64>),
    Intervene(Action),
    Create(usize, i32, bool),
    Reset(usize, i32, bool),
    /// Another retention and capacity, and a guardian that intervenes or doesn't.
    Change(bool),
    Drop,
    /// Once of each component that has writes of its own.
    Components(u64),
    /// Time passes for everybody, milliseconds.
    Wait(u64),
    /// At most so many frames go each way.
    Exchange(usize),
}

struct Pair {
    replicas: [Replica; 2],
    oracle: Oracle,
    noted: [Version; 2],
    /// Frontiers at which the replicas were checked last.
    seen: [Option<Frontier>; 2],
    wall_ms: u64,
    checked: usize,
    /// Whether each step is looked at closely.
    looks: bool,
    /// How far the clock of the second is ahead of the first's.
    skew_ms: u64,
}

impl Pair {
    fn new() -> Self {
        let now = Now { tick: TickMs(0), wall: WallMs(1_000_000) };
        let replicas = ["a", "b"].map(|name| {
            let config = Config::new(ClusterName::new("oracle").unwrap(), NodeId::new(name).unwrap());
            // Runs that end are the simulator's matter.
            let mut replica = Replica::new(Config { join_ms: 0, end_after_ms: 0, ..config }, now);
            replica.tick(now);
            replica.link_up(now, LINK);
            replica
        });
        Self {
            replicas,
            oracle: empty_oracle(),
            noted: [Version::ZERO; 2],
            seen: [None, None],
            wall_ms: 1_000_000,
            checked: 0,
            looks: true,
            skew_ms: 1_700,
        }
    }

    /// Clocks of the two differ by a second and more, as in life.
    fn now(&self, n: usize) -> Now {
        Now { tick: TickMs(self.wall_ms - 1_000_000), wall: WallMs(self.wall_ms + self.skew_ms * n as u64) }
    }

    fn act(&mut self, n: usize, field: &str, act: &Act) {
        let name = FieldName::new(field).unwrap();
        let result = match act {
            Act::Steps(size, numbers) => self.step(n, &name, *size, numbers),
            Act::Intervene(action) => self.intervene(n, &name, *action),
            Act::Create(width, exponent, core) => {
                self.reshape(n, |replica, now| replica.create_field(now, &name, setup(*width, *exponent, *core)))
            }
            Act::Reset(width, exponent, core) => {
                self.reshape(n, |replica, now| replica.reset_field(now, &name, setup(*width, *exponent, *core)))
            }
            Act::Change(intervenes) => self.reshape(n, |replica, now| {
                let held = replica.view(&name).map(|view| view.spec.spec.setup).unwrap_or_default();
                let changes = [("C_w", 2.0), ("W_r", held.parameters.dt() * if *intervenes { 2.0 } else { 9.0 })];
                let guardian = if *intervenes { Mode::Intervene } else { Mode::Watch };
                replica.change_field(
                    now,
                    &name,
                    Setup { parameters: held.parameters.with(changes).unwrap(), guardian, ..held },
                )
            }),
            Act::Drop => self.reshape(n, |replica, now| replica.drop_field(now, &name)),
            Act::Components(seed) => {
                let (now, rng) = (self.now(n), &mut Rng::new(*seed, "components"));
                write_components(&mut self.oracle, &mut self.replicas[n], now, &name, rng).unwrap();
                Ok(())
            }
            Act::Wait(ms) => {
                self.wall_ms += ms;
                Ok(())
            }
            Act::Exchange(frames) => {
                self.exchange(*frames);
                Ok(())
            }
        };
        drop(result);
        self.check();
    }

    fn step(&mut self, n: usize, field: &FieldName, size: usize, numbers: &[f64]) -> Result<(), WriteError> {
        let (now, replica) = (self.now(n), &mut self.replicas[n]);
        let width = replica.view(field).map_or(1, |view| view.spec.spec.setup.shape.width);
        let vector = |from: usize| numbers.iter().cycle().skip(from).take(width).copied().collect::<Vec<f64>>();
        let inputs: Vec<Vec<f64>> = (0..size).map(vector).collect();
        let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let seen = oracle_frontier(replica);
        for (step, input) in replica.step_batch(now, field, &slices)?.iter().zip(&inputs) {
            record_step(&mut self.oracle, &seen, field, step, input, self.looks).unwrap();
        }
        Ok(())
    }

    fn intervene(&mut self, n: usize, field: &FieldName, action: Action) -> Result<(), WriteError> {
        let (now, replica) = (self.now(n), &mut self.replicas[n]);
        let epoch = replica.view(field).map_or(0, |view| view.spec.epoch.0);
        let seen = oracle_frontier(replica);
        let done = replica.intervene(now, field, action)?;
        let write = FieldWrite::Interventions(oracle_action(action));
        let stamp = (oracle_origin(&done.origin), done.version.0, oracle_clock(done.clock));
        self.oracle.record(stamp, &seen, (field.as_str(), epoch), write).unwrap();
        Ok(())
    }

    fn reshape(
        &mut self,
        n: usize,
        ask: impl FnOnce(&mut Replica, Now) -> Result<CurrentSpec, WriteError>,
    ) -> Result<(), WriteError> {
        let now = self.now(n);
        let replica = &mut self.replicas[n];
        let spec = ask(replica, now)?;
        let write = FieldWrite::Specs(oracle_spec(&spec));
        replica.flush();
        let stamp = (oracle_origin(replica.origin().unwrap()), own_version(replica).0, oracle_clock(spec.spec.clock));
        let place = (spec.field.as_str(), spec.epoch.0);
        self.oracle.record(stamp, &oracle_frontier(replica), place, write).unwrap();
        Ok(())
    }

    fn exchange(&mut self, frames: usize) {
        for _ in 0..frames {
            for n in 0..2 {
                let (ours, theirs) = (self.now(n), self.now(1 - n));
                self.replicas[n].tick(ours);
                if let Some(frame) = self.replicas[n].poll_frame(ours, LINK) {
                    self.replicas[1 - n].handle_frame(theirs, LINK, frame).unwrap();
                    self.check();
                }
            }
        }
    }

    fn check(&mut self) {
        for n in 0..2 {
            let replica = &mut self.replicas[n];
            replica.flush();
            let me = replica.origin().unwrap().clone();
            check_own_entries(&mut self.oracle, replica, &me, self.noted[n]).unwrap();
            self.noted[n] = own_version(replica);
        }
        for (n, replica) in self.replicas.iter().enumerate() {
            if self.seen[n].as_ref() == Some(replica.frontier()) {
                continue;
            }
            self.seen[n] = Some(replica.frontier().clone());
            let expected = self.oracle.expect(&oracle_frontier(replica));
            if let Err(difference) = compare(&expected, replica) {
                panic!("{} at {:?}: {difference}", replica.origin().unwrap(), replica.frontier());
            }
            self.checked += 1;
        }
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            self.wall_ms += 50;
            self.exchange(20);
        }
        assert_eq!(self.replicas[0].frontier(), self.replicas[1].frontier());
        self.check();
        for field in FIELDS {
            let field = FieldName::new(field).unwrap();
            let prints = self.replicas.each_mut().map(|replica| replica.learned_fingerprint(&field));
            assert_eq!(prints[0], prints[1], "{field}");
            assert_eq!(prints[0], self.replicas[0].learned_fingerprint_from_entries(&field), "{field}");
        }
    }
}

fn own_version(replica: &Replica) -> Version {
    replica.origin().map_or(Version::ZERO, |me| replica.frontier().version(me))
}

/// A field that may learn, with a guardian that intervenes.
fn setup(width: usize, exponent: i32, core: bool) -> Setup {
    let engine = if core { EngineKind::Core } else { EngineKind::Synthetic };
    let shape = Shape { engine: engine.to_string(), width, scale: Scale::new(exponent).unwrap(), ..Shape::default() };
    let small = [("latent_dim", 3.0), ("N", 2.0), ("C_w", 3.0), ("W_r", 1.0)];
    let parameters = Parameters::default().with(small).unwrap();
    Setup { shape, parameters, guardian: Mode::Intervene }
}

/// Sizes from below the least that can be kept to the greatest that is taken, and numbers that are ties.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        -3.0..3.0_f64,
        (-1.0..1.0_f64).prop_map(|n| n * 262_143.0),
        (-1.0..1.0_f64).prop_map(|n| n * 1e-16),
        (-9_i32..9).prop_map(|n| f64::from(n) * 2f64.powi(-57)),
        Just(-0.0),
        Just(1e-300),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let action = prop_oneof![Just(Action::Nigredo), Just(Action::Albedo)];
    let width = prop_oneof![Just(1_usize), Just(2), Just(16), Just(513)];
    let exponent = prop_oneof![Just(0), Just(-6), Just(9)];
    prop_oneof![
        6 => (1_usize..4, prop::collection::vec(number(), 1..6)).prop_map(|(size, numbers)| Act::Steps(size, numbers)),
        3 => action.prop_map(Act::Intervene),
        1 => (width.clone(), exponent.clone(), any::<bool>()).prop_map(|(w, e, core)| Act::Create(w, e, core)),
        1 => (width, exponent, any::<bool>()).prop_map(|(w, e, core)| Act::Reset(w, e, core)),
        1 => any::<bool>().prop_map(Act::Change),
        1 => Just(Act::Drop),
        1 => any::<u64>().prop_map(Act::Components),
        2 => prop_oneof![Just(1), Just(700), Just(61_000)].prop_map(Act::Wait),
        3 => (1_usize..12).prop_map(Act::Exchange),
    ]
}

fn run(acts: &[(usize, usize, Act)]) -> Pair {
    let mut pair = Pair::new();
    for (n, field, act) in acts {
        pair.act(*n, FIELDS[*field], act);
    }
    pair.settle();
    pair
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn replicas_show_what_the_oracle_expects(acts in prop::collection::vec((0_usize..2, 0_usize..3, act()), 1..60)) {
        let pair = run(&acts);
        prop_assert!(pair.checked >= 2);
    }
}

#[test]
fn a_hundred_interventions_fold_as_the_last_64_do() {
    let mut pair = Pair::new();
    for i in 0..200 {
        let action = if i % 3 == 0 { Action::Nigredo } else { Action::Albedo };
        pair.act(i % 2, "default", &Act::Intervene(action));
        pair.act(0, "default", &Act::Wait(1));
    }
    pair.settle();
}

/// Those that were taken first give way, though they lie on both nodes.
#[test]
fn the_oldest_of_more_than_4096_memories_go() {
    let mut pair = Pair::new();
    // The clock of one that lags stands still for a while when it hears of a later one.
    (pair.looks, pair.skew_ms) = (false, 0);
    let name = FieldName::new("a").unwrap();
    let memorable = [("latent_dim", 2.0), ("N", 1.0), ("C_w", 2.0), ("W_r", 0.2), ("pe_low", 0.0), ("pe_high", 9.0)];
    let Setup { shape, parameters, .. } = setup(1, 0, true);
    let parameters = parameters.with(memorable).unwrap();
    pair.reshape(0, |replica, now| replica.create_field(now, &name, (shape, parameters))).unwrap();
    pair.exchange(10);
    let held = |pair: &Pair| pair.replicas[0].view(&name).unwrap().learned.unwrap().episodic_memories;
    let mut most = 0;
    for round in 0..145_u32 {
        // As many as are kept of two nodes in 20 ms.
        pair.wall_ms += 20;
        for n in 0..2 {
            let numbers: Vec<f64> = (0..16).map(|i| f64::from((round * 37 + i * 11) % 101) / 50.0 - 1.0).collect();
            let inputs: Vec<&[f64]> = numbers.chunks(1).collect();
            let (now, seen) = (pair.now(n), oracle_frontier(&pair.replicas[n]));
            let steps = pair.replicas[n].step_batch(now, &name, &inputs).unwrap();
            for (step, input) in steps.iter().zip(inputs) {
                record_step(&mut pair.oracle, &seen, &name, step, input, false).unwrap();
            }
        }
        if round % 10 == 0 {
            pair.exchange(6);
        }
        most = held(&pair).max(most);
    }
    pair.settle();
    assert!(most > 4000 && held(&pair) < most, "{most}, then {}", held(&pair));
}

#[test]
fn a_step_that_a_replica_lost_is_missed() {
    let mut pair = Pair::new();
    pair.act(0, "default", &Act::Steps(1, vec![0.5]));
    let origin = pair.replicas[0].origin().cloned().unwrap();
    let clock = (9_000_000, 0);
    let answer = OracleAnswer { metrics: [0.5; 8], k: 2, novelty: 0.0, attention_gain: 0.0 };
    let lost = FieldWrite::Step(StepWrite { input: vec![1.0; 16], answer, intervened: None });
    pair.oracle.record((oracle_origin(&origin), 1, clock), &OracleFrontier::new(), ("default", 0), lost).unwrap();
    let expected = pair.oracle.expect(&oracle_frontier(&pair.replicas[0]));
    assert_eq!(compare(&expected, &pair.replicas[0]), Err("`default`: count must be 2, is 1".to_owned()));
}

/// What is shared with the code under test would be wrong in both at once.
#[test]
fn the_oracle_shares_nothing_with_the_code_under_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![root.join("oracle.rs")];
    let mut folders = vec![root.join("oracle")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!line.contains("psi_"), "{}: {line}", file.display());
            // What touches real replicas is no way round.
            let is_shared =
                |room: &str| line.contains(&format!("crate::{room}")) || line.contains(&format!(" {room}::"));
            assert!(!["compare", "world", "faults"].iter().any(|room| is_shared(room)), "{}: {line}", file.display());
        }
    }
}

/// Two nodes react to one threat, and the one whose intervention counts makes so many more that it is not kept.
#[test]
fn one_that_does_not_count_never_does() {
    let mut pair = Pair::new();
    pair.act(0, "a", &Act::Create(2, 0, false));
    pair.exchange(10);
    for n in 0..2 {
        pair.act(n, "a", &Act::Steps(1, vec![262_143.0, 0.0]));
    }
    let of = |n: usize| pair.replicas[n].view(&FieldName::new("a").unwrap()).unwrap().guardian.automatic;
    assert_eq!([of(0), of(1)], [1, 1], "both intervened");
    for _ in 0..70 {
        pair.act(0, "a", &Act::Intervene(Action::Albedo));
    }
    pair.settle();
}
