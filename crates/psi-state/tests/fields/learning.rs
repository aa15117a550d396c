//! Engine `core` in a cluster: one node alone is the reference; nodes that hold the same answer the same, bit for bit;
//! what one learns the others know; and what is kept is bounded.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    Rng, at, cases,
    cluster::{Cluster, Faults},
    craft::{Author, Courier},
    field, input, ready, shape,
};
use ndarray::Array2;
use proptest::prelude::*;
use prost::Message;
use psi_engine::{
    Action, EngineKind, Metrics, Parameters,
    core::{CoreState, EPISODIC_CAPACITY, draw},
};
use psi_replica::{FieldName, Now, proto};
use psi_state::{Replica, Setup, Shape, lanes, proto as values};

fn core(width: usize, changes: &[(&str, f64)]) -> Setup {
    let shape = Shape { engine: EngineKind::Core.to_string(), seed: 7, ..shape(width) };
    (shape, Parameters::default().with(changes.iter().copied()).unwrap()).into()
}

/// A field so small that its windows and memories are soon full.
fn small() -> Setup {
    core(3, &[("latent_dim", 4.0), ("N", 2.0), ("C_w", 3.0), ("W_r", 1.0), ("pe_low", 0.0)])
}

fn name() -> FieldName {
    field("learns")
}

/// An input with numbers that tanh does not flatten.
fn mild(n: u64, width: usize) -> Vec<f64> {
    let mut rng = Rng(n);
    (0..width).map(|_| rng.unit() - 0.5).collect()
}

fn bits(metrics: Metrics) -> [u64; 8] {
    metrics.to_array().map(f64::to_bits)
}

/// All that shows what a replica has learned: a hash, the same refolded, and its answer to a vector.
fn learned(replica: &mut Replica, width: usize) -> (String, [u64; 8]) {
    replica.flush();
    let print = replica.learned_fingerprint(&name()).unwrap();
    assert_eq!(replica.learned_fingerprint_from_entries(&name()).unwrap(), print, "what was kept up to date, refolded");
    assert_eq!(replica.view_from_entries(&name()), replica.view(&name()));
    (format!("{print:?}"), bits(replica.score(&name(), &mild(1, width)).unwrap()))
}

fn assert_alike(cluster: &mut Cluster, width: usize) {
    cluster.assert_agreed();
    let all: Vec<_> = cluster.nodes.iter_mut().map(|node| learned(&mut node.replica, width)).collect();
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
}

#[test]
fn one_node_alone_is_the_reference() {
    const TOLERANCE: f64 = 1e-9;
    for (width, changes) in [(16, &[][..]), (5, &[("latent_dim", 9.0), ("N", 3.0), ("C_w", 4.0), ("dt", 0.7)])] {
        let mut replica = ready("n");
        let setup = core(width, changes);
        replica.create_field(at(0), &name(), setup.clone()).unwrap();
        let parameters = &setup.parameters;
        let mut reference = CoreState::new(setup.shape.seed, width, parameters.clone());
        for n in 1..=400 {
            if n % 150 == 0 {
                let action = if n % 300 == 0 { Action::Albedo } else { Action::Nigredo };
                replica.intervene(at(10 * n), &name(), action).unwrap();
                reference.intervene(action);
            }
            let noise = draw::rollout_noise(7, n, parameters.rollouts(), parameters.latent_dim());
            let input = mild(n % 70, width);
            let want = reference.step(&input, &noise).unwrap();
            let got = replica.step(at(10 * n), &name(), &input).unwrap();
            let pairs = got.metrics.to_array().into_iter().zip(want.metrics.to_array());
            let pairs = pairs.chain([(got.attention_gain, want.attention_gain), (got.time.unwrap(), want.t)]);
            for (number, (got, want)) in pairs.enumerate() {
                assert!((got - want).abs() < TOLERANCE, "step {n}, number {number}: {got}, not {want}");
            }
            assert_eq!(got.k, want.k);
        }
        let view = replica.view(&name()).unwrap().learned.unwrap();
        assert_eq!(
            (view.latents, view.working_memories, view.episodic_memories),
            (reference.latents().len(), reference.working().len(), reference.episodic().len())
        );
    }
}

/// The reference's episodic memory beyond its capacity, with its vectors spread over many seconds.
#[test]
fn one_node_alone_forgets_as_the_reference_does() {
    let mut replica = ready("n");
    let setup = small();
    replica.create_field(at(0), &name(), setup.clone()).unwrap();
    let mut reference = CoreState::new(7, 3, setup.parameters);
    for n in 1..=4_700 {
        let want = reference.step(&mild(n, 3), &draw::rollout_noise(7, n, 2, 4)).unwrap();
        let got = replica.step(at(2 * n), &name(), &mild(n, 3)).unwrap();
        let pairs = got.metrics.to_array().into_iter().zip(want.metrics.to_array());
        assert!(pairs.into_iter().all(|(got, want)| (got - want).abs() < 1e-9), "step {n}");
        if n % 500 == 0 {
            let held = replica.view(&name()).unwrap().learned.unwrap().episodic_memories;
            assert_eq!(held, reference.episodic().len(), "step {n}");
        }
    }
    assert!(reference.episodic().len() < EPISODIC_CAPACITY);
    let _checked = learned(&mut replica, 3);
}

#[derive(Clone, Debug)]
enum Deed {
    Step,
    Batch(u64),
    Intervene(Action),
    Change(f64),
    Reset,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        30 => Just(Deed::Step),
        4 => (1_u64..40).prop_map(Deed::Batch),
        1 => prop::sample::select(vec![Action::Nigredo, Action::Albedo]).prop_map(Deed::Intervene),
        1 => (1_u32..30).prop_map(|steps| Deed::Change(0.2 * f64::from(steps))),
        1 => Just(Deed::Reset),
    ]
}

fn act(replica: &mut Replica, now: Now, n: u64, deed: &Deed) {
    match deed {
        Deed::Step => drop(replica.step(now, &name(), &mild(n, 3)).unwrap()),
        Deed::Batch(length) => {
            let inputs: Vec<Vec<f64>> = (0..*length).map(|m| mild(n + 1000 * m, 3)).collect();
            let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            drop(replica.step_batch(now, &name(), &inputs).unwrap());
        }
        Deed::Intervene(action) => drop(replica.intervene(now, &name(), *action).unwrap()),
        Deed::Change(window) => {
            let mut setup = small();
            setup.parameters = setup.parameters.with([("W_r", *window)]).unwrap();
            // A node that has not heard of a reset may change what another has left; that is no error.
            drop(replica.change_field(now, &name(), setup));
        }
        Deed::Reset => drop(replica.reset_field(now, &name(), small()).unwrap()),
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn nodes_that_hold_the_same_answer_the_same(
        seed: u64,
        nodes in 2_usize..5,
        deeds in prop::collection::vec((prop_oneof![4 => 0..30_u64, 1 => 500..30_000_u64], 0_usize..5, deed()), 1..150),
    ) {
        let mut cluster = Cluster::ready(seed, nodes, Faults { delay_ms: 60, twice: 10, loss: 10, ordered: false });
        cluster.with(0, |replica, now| replica.create_field(now, &name(), small()).unwrap());
        cluster.quiet(10_000);
        for (n, (gap, who, deed)) in (0..).zip(&deeds) {
            cluster.run(*gap);
            cluster.with(who % nodes, |replica, now| act(replica, now, n, deed));
        }
        cluster.quiet(60_000);
        assert_alike(&mut cluster, 3);
    }
}

#[test]
fn what_one_learns_the_others_know() {
    let mut cluster = Cluster::ready(1, 3, Faults::default());
    cluster.with(0, |replica, now| replica.create_field(now, &name(), core(16, &[])).unwrap());
    cluster.quiet(1_000);
    let before = learned(&mut cluster.nodes[2].replica, 16);
    let error = |replica: &mut Replica, now| {
        replica.step(now, &name(), &mild(0, 16)).unwrap();
        replica.step(now, &name(), &mild(1, 16)).unwrap().metrics.prediction_error
    };
    let untaught = cluster.with(1, error);
    for n in 0..400 {
        cluster.run(10);
        cluster.with(0, |replica, now| replica.step(now, &name(), &mild(n % 2, 16)).unwrap());
    }
    cluster.quiet(1_000);
    assert_alike(&mut cluster, 16);
    assert_ne!(learned(&mut cluster.nodes[2].replica, 16), before);
    let taught = cluster.with(2, error);
    assert!(taught < untaught / 10.0, "a node that took no step: {untaught} before, {taught} after");
}

/// Mean prediction error over the last 500 steps of nodes that take turns; each step has seen the one before if
/// `in_turn`, and else whatever the network has brought by then.
fn error_of(inputs: &Array2<f64>, nodes: usize, in_turn: bool) -> f64 {
    const LAST: usize = 500;
    let mut replicas: Vec<Replica> = (0..nodes).map(|n| ready(&format!("n{n}"))).collect();
    let mut courier = Courier::default();
    replicas[0].create_field(at(0), &name(), core(inputs.ncols(), &[])).unwrap();
    let mut errors = Vec::new();
    for (n, input) in inputs.rows().into_iter().enumerate() {
        let now = at(20 * (n as u64 + 1));
        let (from, to) = ((n + nodes - 1) % nodes, n % nodes);
        if from != to && (in_turn || n % (10 * nodes) == 0) {
            for from in if in_turn { vec![from] } else { (0..nodes).collect() } {
                for to in if in_turn { vec![to] } else { (0..nodes).collect() } {
                    if from != to {
                        let mut source = std::mem::replace(&mut replicas[from], ready("moved"));
                        source.flush();
                        courier.sync(&mut source, &mut replicas[to], now);
                        replicas[from] = source;
                    }
                }
            }
        }
        let step = replicas[to].step(now, &name(), &input.to_vec()).unwrap();
        errors.push(step.metrics.prediction_error);
    }
    let last = &errors[errors.len() - LAST..];
    last.iter().sum::<f64>() / LAST as f64
}

/// Telemetry of a machine that built this program, 12 steps a second; recorded by `psi-field feed --host` and `record`.
fn host() -> Array2<f64> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/host.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let numbers: Vec<f64> =
        text.lines().flat_map(|line| line.split(',').map(|number| number.parse().unwrap())).collect();
    Array2::from_shape_vec((numbers.len() / 16, 16), numbers).unwrap()
}

/// The inputs of a trace, again and again.
fn repeated(name: &str, steps: usize) -> Array2<f64> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/data/core/{name}.npz"));
    let mut trace = ndarray_npy::NpzReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let inputs: Array2<f64> = trace.by_name("inputs").unwrap();
    let rows = inputs.nrows();
    Array2::from_shape_fn((steps, inputs.ncols()), |(step, column)| inputs[[step % rows, column]])
}

#[test]
fn three_that_take_turns_learn_as_one_does() {
    for (trace, inputs) in [("walk", repeated("walk", 3_000)), ("shocks", repeated("shocks", 3_000)), ("host", host())]
    {
        let (one, three) = (error_of(&inputs, 1, true), error_of(&inputs, 3, true));
        let apart = error_of(&inputs, 3, false);
        println!("{trace}: one {one:.4}, three in turn {three:.4}, three that meet every 0.6 s {apart:.4}");
        let ratio = three.max(0.001) / one.max(0.001);
        assert!((0.75..=1.25).contains(&ratio), "{trace}: {one} alone, {three} in turn");
    }
}

#[test]
fn what_is_kept_does_not_grow_with_steps() {
    let mut replica = ready("n");
    replica.create_field(at(0), &name(), core(16, &[("pe_low", 0.0), ("pe_high", 1000.0)])).unwrap();
    let mut sizes = Vec::new();
    for n in 0..12_000 {
        replica.step(at(2 * n), &name(), &mild(n, 16)).unwrap();
        if n % 4_000 == 3_999 {
            replica.flush();
            sizes.push(replica.size());
        }
    }
    let (entries, bytes) = *sizes.last().unwrap();
    // Spec, moments, latest step, 24 seconds, 25 of samples, alarm, sums, transition, 15 latents, 32 working memories; and
    // of drift an anchor, 24 seconds, and what these come to.
    let of_drift = 1 + 24 + 3 + 1;
    assert!(entries <= 1 + 1 + 1 + 24 + 25 + 1 + 1 + 1 + 15 + 32 + of_drift + EPISODIC_CAPACITY / 8, "{sizes:?}");
    assert!(bytes < 5 << 18, "{sizes:?}: an origin of a field with the default parameters");
}

#[test]
fn values_that_no_node_writes_are_refused_or_count_for_nothing() {
    let taught = || {
        let mut replica = ready("n");
        let spec = replica.create_field(at(0), &name(), small()).unwrap();
        (0..20).for_each(|n| drop(replica.step(at(30 * n), &name(), &mild(n, 3)).unwrap()));
        (replica, spec)
    };
    let before = learned(&mut taught().0, 3);
    let clock = Some(proto::Clock { wall_ms: crate::common::WALL_MS, counter: 0 });
    let vector = |numbers: Vec<f64>, salience| values::VectorValue { clock, numbers, salience }.encode_to_vec();
    let memories = |count, numbers: Vec<f64>| {
        let memory = values::VectorValue { clock, numbers, salience: 0.0 };
        values::MemoriesValue { memories: vec![memory; count] }.encode_to_vec()
    };
    let theta = |numbers: Vec<i64>| values::ThetaValue { numbers }.encode_to_vec();
    let limit = 1_i64 << 62;
    for (what, lane, index, value, is_refused) in [
        ("numbers that are none", lanes::EPISODIC, 0, memories(8, vec![f64::NAN; 4]), true),
        ("numbers out of range", lanes::LATENTS, 0, vector(vec![1e101; 4], 0.0), true),
        ("a salience below 0", lanes::WORKING, 0, vector(vec![0.5; 4], -1.0), true),
        ("an index beyond the last", lanes::LATENTS, 4_096, vector(vec![0.5; 4], 0.0), true),
        ("no numbers", lanes::EPISODIC, 0, memories(1, Vec::new()), true),
        ("memories given up", lanes::EPISODIC, 0, Vec::new(), false),
        ("too many memories", lanes::EPISODIC, 0, memories(9, vec![0.5; 4]), true),
        ("an entry beyond the last", lanes::EPISODIC, 512, memories(8, vec![0.5; 4]), true),
        ("a transition out of range", lanes::THETA, 0, theta(vec![limit + 1; 16]), true),
        ("a transition of no numbers", lanes::THETA, 0, theta(Vec::new()), true),
        ("a transition of another size", lanes::THETA, 0, theta(vec![1; 9]), false),
        ("a part that the transition has not", lanes::THETA, 1, theta(vec![1; 16]), false),
        ("memories of another size", lanes::EPISODIC, 0, memories(8, vec![0.5; 5]), false),
        ("a latent of another size", lanes::LATENTS, 0, vector(vec![0.5; 3], 0.0), false),
        ("a working memory of another size", lanes::WORKING, 0, vector(vec![0.5; 3], 0.0), false),
        ("no samples", lanes::HISTORY, 0, Vec::new(), true),
        (
            "updates beyond all counts",
            lanes::TALLY,
            0,
            values::TallyValue { updates: u64::MAX, ..Default::default() }.encode_to_vec(),
            true,
        ),
    ] {
        let (mut replica, spec) = taught();
        let mut author = Author::new("liar");
        author.write(Author::key("learns", spec.epoch.0, lane.0, index), value);
        let said = Courier::default().bring(&mut replica, at(700), &author.frames(0));
        let is_held = replica.frontier().version(&author.origin).0 > 0;
        assert_eq!(is_held, !is_refused, "{what}: {said:?}");
        assert_eq!(learned(&mut replica, 3), before, "{what}");
    }
}

/// Two entries of one origin with one clock: whatever a peer writes, what is kept up to date is what is refolded.
#[test]
fn a_peer_that_repeats_clocks_splits_nothing() {
    let mut replica = ready("n");
    let spec = replica.create_field(at(0), &name(), small()).unwrap();
    let mut author = Author::new("liar");
    let mut courier = Courier::default();
    let mut rng = Rng(3);
    for tick in 1..200 {
        let clock = Some(proto::Clock { wall_ms: crate::common::WALL_MS + rng.below(3), counter: 0 });
        for lane in [lanes::LATENTS, lanes::WORKING] {
            let numbers = vec![rng.unit(); 4 + usize::from(rng.chance(10))];
            let value = values::VectorValue { clock, numbers, salience: rng.unit() }.encode_to_vec();
            author.write(Author::key("learns", spec.epoch.0, lane.0, rng.below(4)), value);
        }
        let mut memory = || {
            let clock = Some(proto::Clock { wall_ms: crate::common::WALL_MS + rng.below(3), counter: 0 });
            let numbers = vec![rng.unit(); 4 + usize::from(rng.chance(10))];
            values::VectorValue { clock, numbers, salience: 0.0 }
        };
        let memories = vec![memory(), memory(), memory()];
        let value = values::MemoriesValue { memories }.encode_to_vec();
        author.write(Author::key("learns", spec.epoch.0, lanes::EPISODIC.0, rng.below(3)), value);
        let tally = values::TallyValue { updates: rng.below(5), memories: rng.below(9), ..Default::default() };
        author.write(Author::key("learns", spec.epoch.0, lanes::TALLY.0, 0), tally.encode_to_vec());
        let numbers = vec![rng.next().cast_signed() >> 2; if rng.chance(20) { 9 } else { 16 }];
        author.write(
            Author::key("learns", spec.epoch.0, lanes::THETA.0, 0),
            values::ThetaValue { numbers }.encode_to_vec(),
        );
        let samples = vec![values::Sample { wall_ms: crate::common::WALL_MS + rng.below(3), ..Default::default() }; 2];
        author.write(
            Author::key("learns", spec.epoch.0, lanes::HISTORY.0, rng.below(2)),
            values::HistoryValue { samples }.encode_to_vec(),
        );
        courier.bring(&mut replica, at(tick), &author.frames(0));
        if rng.chance(30) {
            replica.step(at(tick), &name(), &mild(tick, 3)).unwrap();
        }
        let _checked = learned(&mut replica, 3);
    }
}

#[test]
fn a_width_or_an_engine_changes_only_without_history() {
    let mut replica = ready("n");
    let first = replica.create_field(at(0), &name(), core(3, &[])).unwrap();
    let wider = replica.change_field(at(1), &name(), core(4, &[])).unwrap();
    assert!(wider.epoch > first.epoch, "nothing was counted yet");
    let slower = replica.change_field(at(2), &name(), core(4, &[("dt", 0.4)])).unwrap();
    assert_eq!(slower.epoch, wider.epoch, "parameters change in place");
    replica.step(at(3), &name(), &input(1, 4)).unwrap();
    let before = replica.view(&name());
    let synthetic = Setup { shape: shape(4), ..core(4, &[]) };
    for (setup, changed) in
        [(core(5, &[]), "width"), (core(4, &[("latent_dim", 8.0)]), "latent_dim"), (synthetic, "engine, seed")]
    {
        let error = replica.change_field(at(4), &name(), setup).unwrap_err().to_string();
        let want = format!(
            "field `learns` has history (steps counted: 1), and {changed} can't be changed then; reset it first, which drops them, or \
             make another field"
        );
        assert_eq!(error, want);
    }
    assert_eq!(replica.view(&name()), before);
    let kept = replica.change_field(at(5), &name(), core(4, &[("dt", 0.1)])).unwrap();
    assert_eq!(kept.epoch, slower.epoch);
    assert_eq!(replica.view(&name()).unwrap().moments.count, 1);
}
