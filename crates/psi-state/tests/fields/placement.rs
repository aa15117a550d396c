//! Which node takes a step can't be seen in the statistics: any dealing, any order of merging, the same bits.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    at, cases,
    cluster::{Cluster, Faults},
    field, input, ready,
};
use proptest::prelude::*;
use psi_engine::Action;
use psi_state::{FieldView, Replica};

#[derive(Clone, Debug)]
enum Deed {
    Step,
    Intervene(Action),
}

/// Deeds in the order of their moments: gap before it, who does it.
fn deeds(length: usize, kind: impl Strategy<Value = Deed>) -> impl Strategy<Value = Vec<(u64, usize, Deed)>> {
    let gap = prop_oneof![4 => 1..40_u64, 1 => 500..3_000_u64];
    prop::collection::vec((gap, 0..8_usize, kind), 1..length)
}

fn act(replica: &mut Replica, now: psi_replica::Now, n: usize, deed: &Deed) {
    let name = field("default");
    match deed {
        Deed::Step => drop(replica.step(now, &name, &input(n as u64, 16)).unwrap()),
        Deed::Intervene(action) => drop(replica.intervene(now, &name, *action).unwrap()),
    }
}

/// One node that does everything, and the nodes that share it.
fn alone_and_dealt(seed: u64, nodes: usize, deeds: &[(u64, usize, Deed)]) -> (FieldView, Vec<FieldView>) {
    let mut alone = ready("alone");
    let mut cluster = Cluster::ready(seed, nodes, Faults { delay_ms: 60, twice: 10, loss: 5, ordered: false });
    for (n, (gap, who, deed)) in deeds.iter().enumerate() {
        cluster.run(*gap);
        act(&mut alone, at(cluster.now), n, deed);
        cluster.with(who % nodes, |replica, now| act(replica, now, n, deed));
    }
    cluster.quiet(60_000);
    cluster.assert_agreed();
    let name = field("default");
    (alone.view(&name).unwrap(), cluster.nodes.iter().map(|node| node.replica.view(&name).unwrap()).collect())
}

fn bits(numbers: Option<Vec<f64>>) -> Option<Vec<u64>> {
    numbers.map(|numbers| numbers.into_iter().map(f64::to_bits).collect())
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn many_nodes_count_and_average_as_one(seed in any::<u64>(), nodes in 1..9_usize, deeds in deeds(80, Just(Deed::Step))) {
        let (alone, dealt) = alone_and_dealt(seed, nodes, &deeds);
        prop_assert_eq!(alone.moments.count, deeds.len() as u64);
        for view in dealt {
            prop_assert_eq!(view.moments.count, alone.moments.count);
            prop_assert_eq!(&view.moments, &alone.moments);
            prop_assert_eq!(bits(view.mean()), bits(alone.mean()));
            prop_assert_eq!(bits(view.variance()), bits(alone.variance()));
            prop_assert_eq!(bits(view.standard_deviation()), bits(alone.standard_deviation()));
            // No intervention, so the same metrics on any node; the clocks' seconds are those of the moments.
            prop_assert_eq!(&view.window, &alone.window);
            prop_assert_eq!(view.window_mean(), alone.window_mean());
            prop_assert_eq!(view.last.map(|last| last.metrics), alone.last.as_ref().map(|last| last.metrics));
        }
    }

    #[test]
    fn interventions_fold_in_clock_order_on_any_node(
        seed in any::<u64>(),
        nodes in 1..9_usize,
        // More than the 64 that each origin keeps.
        deeds in deeds(150, prop::sample::select(&Action::ALL[..]).prop_map(Deed::Intervene)),
    ) {
        let (alone, dealt) = alone_and_dealt(seed, nodes, &deeds);
        for view in dealt {
            prop_assert_eq!(view.interventions.noise.value().to_bits(), alone.interventions.noise.value().to_bits());
            prop_assert_eq!(view.interventions.counted, deeds.len() as u64);
        }
    }
}

/// A delta of one sample counts, and two means weigh by their counts.
#[test]
fn one_step_on_one_node_and_three_on_another_make_the_mean_of_four() {
    let mut cluster = Cluster::ready(1, 2, Faults::default());
    let name = field("default");
    for (node, x) in [(0, 1.0), (1, 2.0), (1, 4.0), (1, 9.0)] {
        cluster.with(node, |replica, now| replica.step(now, &name, &[x; 16]).unwrap());
    }
    cluster.run(1_000);
    for node in &cluster.nodes {
        let view = node.replica.view(&name).unwrap();
        assert_eq!((view.moments.count, view.mean()), (4, Some(vec![4.0; 16])));
        assert_eq!(view.variance(), Some(vec![38.0 / 3.0; 16]));
    }
}
