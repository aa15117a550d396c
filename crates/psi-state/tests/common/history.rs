//! Histories: what clients ask of a cluster and what befalls its network, as proptest makes and shrinks them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use psi_engine::{Action, Parameters};
use psi_replica::{FieldName, Origin};
use psi_state::Replica;

use super::{
    cluster::{Cluster, Faults},
    field, input, report, shape,
};

#[derive(Clone, Debug)]
pub enum Op {
    Step { node: usize, field: usize },
    Batch { node: usize, field: usize, size: usize },
    Intervene { node: usize, field: usize, nigredo: bool },
    Create { node: usize, field: usize, width: usize },
    Reset { node: usize, field: usize, width: usize },
    Drop { node: usize, field: usize },
    Flush { node: usize },
    Cut { a: usize, b: usize },
    Mend { a: usize, b: usize },
    Break { a: usize, b: usize },
    Wait { ms: u64 },
}

/// Widths on both sides of one moments entry, and the default's.
const WIDTHS: [usize; 7] = [1, 1, 3, 3, 3, 16, 515];
const FIELDS: [&str; 3] = ["default", "a", "b"];

pub fn field_at(n: usize) -> FieldName {
    field(FIELDS[n % FIELDS.len()])
}

pub fn op(nodes: usize) -> impl Strategy<Value = Op> {
    let n = || 0..nodes;
    let f = || 0..FIELDS.len();
    let width = || prop::sample::select(&WIDTHS[..]);
    prop_oneof![
        10 => (n(), f()).prop_map(|(node, field)| Op::Step { node, field }),
        4 => (n(), f(), 1..5_usize).prop_map(|(node, field, size)| Op::Batch { node, field, size }),
        3 => (n(), f(), any::<bool>()).prop_map(|(node, field, nigredo)| Op::Intervene { node, field, nigredo }),
        3 => (n(), 1..FIELDS.len(), width()).prop_map(|(node, field, width)| Op::Create { node, field, width }),
        2 => (n(), f(), width()).prop_map(|(node, field, width)| Op::Reset { node, field, width }),
        1 => (n(), 1..FIELDS.len()).prop_map(|(node, field)| Op::Drop { node, field }),
        2 => n().prop_map(|node| Op::Flush { node }),
        1 => (n(), n()).prop_map(|(a, b)| Op::Cut { a, b }),
        2 => (n(), n()).prop_map(|(a, b)| Op::Mend { a, b }),
        1 => (n(), n()).prop_map(|(a, b)| Op::Break { a, b }),
        8 => prop_oneof![0..4_u64, 5..40_u64, 50..400_u64, 900..5_000_u64].prop_map(|ms| Op::Wait { ms }),
    ]
}

pub fn history(nodes: usize, length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(nodes), length)
}

pub fn faults() -> impl Strategy<Value = Faults> {
    (prop_oneof![Just(0), 1..31_u64], prop_oneof![Just(0), 1..30_u64], 0..80_u64, any::<bool>())
        .prop_map(|(loss, twice, delay_ms, ordered)| Faults { loss, twice, delay_ms, ordered })
}

/// Steps that were accepted, by who took them.
#[derive(Debug, Default)]
pub struct AcceptedSteps(pub BTreeMap<(FieldName, Origin), u64>);

impl AcceptedSteps {
    pub fn of(&self, name: &FieldName) -> u64 {
        self.0.iter().filter(|((field, _), _)| field == name).map(|(_, steps)| steps).sum()
    }
}

pub fn play(cluster: &mut Cluster, ops: &[Op]) -> AcceptedSteps {
    let mut accepted = AcceptedSteps::default();
    for (n, op) in ops.iter().enumerate() {
        play_one(cluster, n as u64, op, &mut accepted);
    }
    accepted
}

fn play_one(cluster: &mut Cluster, n: u64, op: &Op, accepted: &mut AcceptedSteps) {
    match *op {
        Op::Step { node, field } => step(cluster, node, field, n, 1, accepted),
        Op::Batch { node, field, size } => step(cluster, node, field, n, size, accepted),
        Op::Intervene { node, field, nigredo } => {
            let action = if nigredo { Action::Nigredo } else { Action::Albedo };
            // A field that does not exist refuses; so below.
            let _ = cluster.with(node, |replica, now| replica.intervene(now, &field_at(field), action));
        }
        Op::Create { node, field, width } => {
            let _ = cluster.with(node, |replica, now| {
                replica.create_field(now, &field_at(field), (shape(width), Parameters::default()))
            });
        }
        Op::Reset { node, field, width } => {
            let _ = cluster.with(node, |replica, now| {
                replica.reset_field(now, &field_at(field), (shape(width), Parameters::default()))
            });
        }
        Op::Drop { node, field } => {
            let _ = cluster.with(node, |replica, now| replica.drop_field(now, &field_at(field)));
        }
        Op::Flush { node } => {
            cluster.with(node, |replica, _| replica.flush());
        }
        Op::Cut { a, b } => cluster.set_cut(a, b, true),
        Op::Mend { a, b } => cluster.set_cut(a, b, false),
        Op::Break { a, b } => {
            cluster.disconnect(a, b);
            if a != b {
                cluster.connect(a, b);
            }
        }
        Op::Wait { ms } => cluster.run(ms),
    }
}

fn step(cluster: &mut Cluster, node: usize, field: usize, n: u64, size: usize, accepted: &mut AcceptedSteps) {
    let name = field_at(field);
    let Some(view) = cluster.nodes[node].replica.view(&name) else { return };
    let width = view.spec.spec.setup.shape.width;
    let inputs: Vec<Vec<f64>> = (0..size as u64).map(|i| input(n * 16 + i, width)).collect();
    let slices: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
    let reports: Vec<_> = (0..size as u64).map(|i| report(n * 16 + i)).collect();
    let write = |replica: &mut Replica, now| replica.step_batch_with_outcomes(now, &name, &slices, &reports);
    let steps = cluster.with(node, write).expect("a ready node steps");
    assert_eq!(steps.last().unwrap().k, view.moments.count + size as u64);
    let origin = cluster.origin(node);
    *accepted.0.entry((name, origin)).or_default() += steps.len() as u64;
}
