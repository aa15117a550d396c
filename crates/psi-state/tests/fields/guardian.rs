//! The guardian in a cluster: one node alone is the reference; nodes that hold the same say the same; and however many
//! react to one threat, it is met once.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    Rng, at, cases,
    cluster::{Cluster, Faults},
    craft::Courier,
    field, ready, shape,
};
use proptest::prelude::*;
use psi_engine::{
    Action, EngineKind, Noise, Parameters,
    guardian::{COOLDOWN_STEPS, Mode, Threat, Watch},
};
use psi_replica::FieldName;
use psi_state::{Replica, Setup, Shape};

fn name() -> FieldName {
    field("guarded")
}

fn setup(engine: EngineKind, guardian: Mode) -> Setup {
    let small = [("latent_dim", 4.0), ("N", 2.0)];
    let shape = Shape { engine: engine.to_string(), ..shape(3) };
    Setup { guardian, ..(shape, Parameters::default().with(small).unwrap()).into() }
}

/// An input that is calm, or one in twenty times wild.
fn stream(n: u64) -> Vec<f64> {
    let mut rng = Rng(n);
    let size = if rng.chance(5) { 8.0 } else { 0.5 };
    (0..3).map(|_| size * (rng.unit() - 0.5)).collect()
}

#[test]
fn one_node_alone_is_the_reference() {
    for engine in [EngineKind::Synthetic, EngineKind::Core] {
        let mut replica = ready("n");
        replica.create_field(at(0), &name(), setup(engine, Mode::Intervene)).unwrap();
        let mut watch = Watch::default();
        let mut noise = Noise::ZERO;
        for n in 1..=1_200 {
            let step = replica.step(at(10 * n), &name(), &stream(n)).unwrap();
            let verdict = watch.observe(step.k, &step.metrics);
            assert_eq!(step.intervened.map(|(action, _)| action), verdict.intervention, "{engine}, step {n}");
            noise = verdict.intervention.map_or(noise, |action| noise.after(action));
            let view = replica.view(&name()).unwrap();
            assert_eq!(view.guardian.thresholds(), watch.thresholds(), "{engine}, step {n}");
            assert_eq!(view.guardian.flag, watch.flag(), "{engine}, step {n}");
            assert_eq!(
                (view.interventions.counted, view.guardian.last_step),
                (watch.interventions(), watch.last_step())
            );
            assert_eq!(view.interventions.noise, noise);
        }
        assert!(watch.interventions() > 3, "{engine}: {}", watch.interventions());
        let view = replica.view(&name()).unwrap();
        assert_eq!(view.guardian.statistics(), watch.statistics());
        assert_eq!((view.guardian.automatic, view.guardian.superseded), (view.interventions.counted, 0));
    }
}

/// Two nodes that know of each other, with a field that both have.
fn two(guardian: Mode) -> (Replica, Replica, Courier) {
    let (mut a, mut b, mut courier) = (ready("a"), ready("b"), Courier::default());
    a.create_field(at(0), &name(), setup(EngineKind::Synthetic, guardian)).unwrap();
    a.flush();
    courier.sync(&mut a, &mut b, at(1));
    (a, b, courier)
}

fn exchange(a: &mut Replica, b: &mut Replica, courier: &mut Courier, tick: u64) {
    a.flush();
    b.flush();
    courier.sync(a, b, at(tick));
    courier.sync(b, a, at(tick));
    assert_eq!(a.digest(), b.digest());
    assert_eq!(a.view(&name()), b.view(&name()));
    assert_eq!(a.view_from_entries(&name()), a.view(&name()));
}

const WILD: [f64; 3] = [0.0, 0.0, 9.0];
const CALM: [f64; 3] = [0.1, 0.0, 0.1];

#[test]
fn nodes_that_react_to_one_threat_intervene_once() {
    let (mut a, mut b, mut courier) = two(Mode::Intervene);
    let mut tick = 20;
    for round in 1..=3_u64 {
        // Neither has heard of the other's reaction yet.
        let acted = [&mut a, &mut b].map(|replica| replica.step(at(tick), &name(), &WILD).unwrap().intervened);
        assert_eq!(acted, [Some((Action::Nigredo, Threat::HighPredictionError)); 2], "round {round}");
        exchange(&mut a, &mut b, &mut courier, tick + 1);
        let view = a.view(&name()).unwrap();
        assert_eq!(
            (view.interventions.counted, view.guardian.automatic, view.guardian.superseded),
            (round, round, round)
        );
        // Nobody intervenes before the cooldown is over, on any node.
        for n in 2..COOLDOWN_STEPS {
            tick += 20;
            let replica = if n % 2 == 0 { &mut a } else { &mut b };
            assert_eq!(replica.step(at(tick), &name(), &CALM).unwrap().intervened, None, "step {n} of round {round}");
            if n % 10 == 0 {
                exchange(&mut a, &mut b, &mut courier, tick + 1);
            }
        }
        exchange(&mut a, &mut b, &mut courier, tick + 1);
        tick += 20;
    }
}

#[test]
fn a_guardian_that_watches_leaves_the_flag_up_until_people_act() {
    let (mut a, mut b, mut courier) = two(Mode::Watch);
    a.step(at(10), &name(), &WILD).unwrap();
    for n in 0..150 {
        assert_eq!(b.step(at(20 + n), &name(), &CALM).unwrap().intervened, None);
    }
    exchange(&mut a, &mut b, &mut courier, 200);
    let view = b.view(&name()).unwrap();
    assert_eq!((view.guardian.flag, view.interventions.counted), (Some(Threat::HighPredictionError), 0));
    b.intervene(at(300), &name(), Action::Albedo).unwrap();
    exchange(&mut a, &mut b, &mut courier, 301);
    let view = a.view(&name()).unwrap();
    assert_eq!((view.guardian.flag, view.interventions.counted, view.guardian.automatic), (None, 1, 0));
}

#[test]
fn a_guardian_that_is_told_to_intervene_acts_on_a_flag_that_another_node_raised() {
    let (mut a, mut b, mut courier) = two(Mode::Watch);
    a.step(at(10), &name(), &WILD).unwrap();
    exchange(&mut a, &mut b, &mut courier, 20);
    let told = b.change_field(at(30), &name(), setup(EngineKind::Synthetic, Mode::Intervene)).unwrap();
    assert_eq!(told.spec.setup.guardian, Mode::Intervene);
    let step = b.step(at(40), &name(), &CALM).unwrap();
    assert_eq!(step.intervened, Some((Action::Nigredo, Threat::HighPredictionError)));
}

#[test]
fn the_history_takes_sixteen_steps_of_an_origin_in_twenty_milliseconds() {
    let mut replica = ready("n");
    replica.create_field(at(0), &name(), setup(EngineKind::Synthetic, Mode::Watch)).unwrap();
    let history = |replica: &Replica| replica.view(&name()).unwrap().guardian.history.len();
    let inputs = vec![&CALM[..]; 1_000];
    replica.step_batch(at(20), &name(), &inputs).unwrap();
    assert_eq!(history(&replica), 16);
    replica.step_batch(at(40), &name(), &inputs[..10]).unwrap();
    assert_eq!(history(&replica), 26);
    for n in 3..100 {
        replica.step_batch(at(20 * n), &name(), &inputs).unwrap();
    }
    assert_eq!(history(&replica), 200);
    replica.flush();
    assert_eq!(replica.view_from_entries(&name()), replica.view(&name()));
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn nodes_with_equal_frontiers_report_the_same(
        seed: u64,
        nodes in 2_usize..5,
        is_core: bool,
        steps in prop::collection::vec((0..30_u64, 0_usize..5, 0..40_u8), 100..400),
    ) {
        let engine = if is_core { EngineKind::Core } else { EngineKind::Synthetic };
        let mut cluster = Cluster::ready(seed, nodes, Faults { delay_ms: 100, twice: 10, loss: 10, ordered: false });
        cluster.with(0, |replica, now| replica.create_field(now, &name(), setup(engine, Mode::Intervene)).unwrap());
        cluster.quiet(10_000);
        let mut by_hand = 0;
        for (n, (gap, who, what)) in (0..).zip(&steps) {
            cluster.run(*gap);
            cluster.with(who % nodes, |replica, now| match what {
                0 => {
                    by_hand += 1;
                    drop(replica.intervene(now, &name(), Action::Albedo).unwrap());
                }
                _ => drop(replica.step(now, &name(), &stream(n)).unwrap()),
            });
        }
        cluster.quiet(60_000);
        cluster.assert_agreed();
        let views: Vec<_> = cluster.nodes.iter().map(|node| node.replica.view(&name()).unwrap()).collect();
        for (view, node) in views.iter().zip(&cluster.nodes) {
            prop_assert_eq!(view, &views[0]);
            prop_assert_eq!(&node.replica.view_from_entries(&name()).unwrap(), view);
            prop_assert_eq!(view.guardian.thresholds(), views[0].guardian.thresholds());
            prop_assert_eq!(view.interventions.counted, by_hand + view.guardian.automatic, "those by hand always count");
        }
    }
}

#[test]
fn a_red_flag_names_its_step_and_is_acknowledged_on_every_node() {
    let mut cluster = Cluster::ready(5, 3, Faults::default());
    cluster.with(0, |replica, now| {
        replica.create_field(now, &name(), setup(EngineKind::Synthetic, Mode::Watch)).unwrap();
    });
    cluster.run(1_000);
    let mut raised = None;
    for n in 0..400 {
        cluster.run(30);
        let who = n as usize % 3;
        let step = cluster.with(who, |replica, now| replica.step(now, &name(), &stream(n)).unwrap());
        raised = step.threat.map(|threat| (threat, step.k)).or(raised);
    }
    cluster.quiet(1_000);
    let raised = raised.expect("one in twenty inputs is wild");
    for node in &cluster.nodes {
        let guardian = node.replica.view(&name()).unwrap().guardian;
        assert_eq!((guardian.flag, guardian.flag_step), (Some(raised.0), Some(raised.1)));
        assert!(guardian.threat_share().is_some_and(|share| share > 0.0 && share < 0.5), "{guardian:?}");
    }
    let noise = cluster.nodes[0].replica.view(&name()).unwrap().interventions;
    cluster.with(1, |replica, now| drop(replica.acknowledge(now, &name()).unwrap()));
    cluster.quiet(1_000);
    cluster.assert_agreed();
    for node in &cluster.nodes {
        let view = node.replica.view(&name()).unwrap();
        assert_eq!((view.guardian.flag, view.guardian.flag_step), (None, None));
        assert_eq!(view.interventions, noise, "nothing else has changed");
        assert_eq!(node.replica.view_from_entries(&name()).unwrap().guardian, view.guardian);
    }
    // The next threat raises it again.
    let threat = (400..800).find_map(|n| {
        cluster.run(30);
        cluster.with(2, |replica, now| replica.step(now, &name(), &stream(n)).unwrap().threat)
    });
    cluster.quiet(1_000);
    assert_eq!(cluster.nodes[0].replica.view(&name()).unwrap().guardian.flag, threat);
}
