//! Names of columns: they go with the field, to every node, through resets and restarts, and fit its width or don't show.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use psi_engine::Parameters;
use psi_state::{ColumnNames, Replica, WriteError};

use crate::common::{
    State, at,
    cluster::{Cluster, Faults},
    config,
    craft::populated,
    field, input, ready, shape,
};

fn names(names: &[&str]) -> ColumnNames {
    ColumnNames::new(names.iter().copied()).unwrap()
}

/// A replica whose field `f` has two columns, with names.
fn named() -> Replica {
    let mut replica = ready("n");
    replica.create_field(at(1), &field("f"), (shape(2), Parameters::default())).unwrap();
    replica.attach(at(2), &field("f"), names(&["temp", "pressure"])).unwrap();
    replica.flush();
    replica
}

fn shown(replica: &Replica) -> Option<ColumnNames> {
    replica.view(&field("f"))?.names
}

#[test]
fn each_step_and_view_has_the_names() {
    let mut replica = named();
    let step = replica.step(at(3), &field("f"), &input(1, 2)).unwrap();
    assert_eq!(step.names, Some(names(&["temp", "pressure"])));
    let mut batch = replica.begin_batch(at(4), &field("f"), &[&input(2, 2)]).unwrap();
    batch.run();
    assert_eq!(replica.finish_batch(at(5), batch).unwrap()[0].names, step.names);
    assert_eq!(shown(&replica), step.names);
    assert_eq!(replica.lasting_view(&field("f")).unwrap().names, step.names);
    replica.attach(at(6), &field("f"), ColumnNames::default()).unwrap();
    assert_eq!(replica.step(at(7), &field("f"), &input(1, 2)).unwrap().names, None, "they were taken away");
}

#[test]
fn names_of_another_number_are_refused_and_change_nothing() {
    let mut replica = populated("n");
    let before = State::of(&replica);
    for (given, says) in [
        (&["a", "b", "c"][..], "field `default` has 16 columns, and 3 names were given; give one for each, or none"),
        (&["a"], "field `default` has 16 columns, and 1 name was given"),
    ] {
        let error = replica.attach(at(20), &field("default"), names(given)).unwrap_err();
        assert!(matches!(error, WriteError::NamesNumber { .. }) && error.to_string().contains(says), "{error}");
    }
    assert!(!replica.flush());
    assert_eq!(State::of(&replica), before);
}

#[test]
fn names_outlive_resets_and_show_only_where_they_fit() {
    let mut replica = named();
    let reset = |replica: &mut Replica, tick: u64, width: usize| {
        replica.reset_field(at(tick), &field("f"), (shape(width), Parameters::default())).unwrap();
    };
    reset(&mut replica, 10, 2);
    assert_eq!(shown(&replica), Some(names(&["temp", "pressure"])));
    reset(&mut replica, 20, 3);
    assert_eq!(shown(&replica), None);
    assert_eq!(replica.lasting_view(&field("f")).unwrap().names, None);
    assert_eq!(replica.step(at(21), &field("f"), &input(1, 3)).unwrap().names, None);
    replica.drop_field(at(30), &field("f")).unwrap();
    replica.create_field(at(40), &field("f"), (shape(2), Parameters::default())).unwrap();
    assert_eq!(shown(&replica), Some(names(&["temp", "pressure"])), "they were kept");
}

#[test]
fn a_restart_and_a_joiner_have_the_names() {
    let replica = named();
    let restored = Replica::restore(config("n"), at(50), &replica.snapshot()).unwrap();
    assert_eq!(shown(&restored), Some(names(&["temp", "pressure"])));

    let mut cluster = Cluster::ready(3, 2, Faults::default());
    cluster.run(100);
    cluster.with(0, |replica, now| {
        replica.create_field(now, &field("f"), (shape(2), Parameters::default())).unwrap();
        replica.attach(now, &field("f"), names(&["of 0", "first"])).unwrap();
    });
    cluster.run(200);
    cluster.with(1, |replica, now| replica.attach(now, &field("f"), names(&["of 1", "last"])).unwrap());
    cluster.run(200);
    let late = cluster.start(config("late"));
    cluster.connect_all();
    cluster.quiet(2_000);
    cluster.assert_agreed();
    for n in [0, 1, late] {
        assert_eq!(shown(&cluster.nodes[n].replica), Some(names(&["of 1", "last"])), "{n}");
    }
}
