//! A registry with components of each scope. That of the cluster no replica has: a notice for everybody. It is what a
//! component's file has to say, and a row.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "what a registry makes is for all to see, and not all of it is used here"
)]

use std::collections::BTreeMap;

use super::*;
use crate::oracle::words::{OracleAction, OracleAnswer, OracleClock, OracleFrontier, OracleOrigin};

/// What the rows are looked up in.
mod components {
    pub(super) use crate::oracle::components::{interventions, label, moments, specs};

    pub(super) mod notices {
        use crate::{
            oracle::{
                component::{Component, OwnRecords, Scope, Sights},
                known::Knowledge,
                records::Record,
            },
            report::markers::Marker,
        };

        /// Notices of the whole cluster: all are shown, in order.
        #[derive(Clone, Copy, Debug)]
        pub struct Notices;

        const SEVERAL: Marker = Marker::new("several notices");

        impl Component for Notices {
            const SCOPE: Scope = Scope::Cluster;
            const SIGHTS: &'static [Marker] = &[SEVERAL];
            type Write = String;
            type Record = String;
            type Expectation = Vec<String>;

            fn record(
                _: &Knowledge<'_>,
                _: &OwnRecords<'_, String>,
                new: &Record<String>,
                _: &mut Sights,
            ) -> Option<String> {
                Some(new.what.clone())
            }

            fn expect(_: &Knowledge<'_>, own: &OwnRecords<'_, String>, sights: &mut Sights) -> Vec<String> {
                let notices: Vec<String> = own.in_order().iter().map(|record| record.what.clone()).collect();
                if notices.len() > 1 {
                    sights.insert(SEVERAL);
                }
                notices
            }
        }
    }
}

registry! {
    cluster { notices: Notices, }
    field { label: Label, }
    epoch { specs: Specs, interventions: Interventions, moments: Moments, }
}

/// One field and the cluster, written to by two origins that see everything.
#[derive(Default)]
struct Pair {
    field: FieldLogs,
    cluster: ClusterLogs,
    versions: BTreeMap<OracleOrigin, u64>,
}

impl Pair {
    fn by(&mut self, name: &str, clock: OracleClock, epoch: u64) -> Record<()> {
        let origin = (name.to_owned(), 1);
        let version = self.versions.entry(origin.clone()).or_default();
        *version += 1;
        Record { version: *version, clock, number: usize::from(name == "b"), epoch, what: (), origin }
    }

    fn write(&mut self, name: &str, clock: OracleClock, epoch: u64, write: FieldWrite) {
        let by = self.by(name, clock, epoch);
        let horizon = self.horizon(&[]);
        self.field.record(&by, (&horizon, None), write, &mut Sights::new()).expect("what had to be");
    }

    fn notice(&mut self, name: &str, clock: OracleClock, text: &str) {
        let by = self.by(name, clock, 0);
        let horizon = self.horizon(&[]);
        self.cluster.record(&by, &horizon, ClusterWrite::Notices(text.to_owned()), &mut Sights::new());
    }

    /// What is covered: all, but of these origins only so much.
    fn horizon(&self, but: &[(&str, u64)]) -> Horizon {
        let numbers = BTreeMap::from([(("a".to_owned(), 1), 0), (("b".to_owned(), 1), 1)]);
        let mut frontier: OracleFrontier = self.versions.clone();
        frontier.extend(but.iter().map(|(name, version)| (((*name).to_owned(), 1), *version)));
        Horizon::of(&frontier, &numbers)
    }

    fn expect(&self, but: &[(&str, u64)]) -> Option<ExpectedField> {
        self.field.expect(&self.horizon(but), None)
    }
}

fn spec(epoch: u64, dropped: bool) -> FieldWrite {
    let spec = OracleSpec::implicit(BTreeMap::new());
    FieldWrite::Specs(OracleSpec { epoch, clock: (epoch, 0), dropped, width: 1, ..spec })
}

fn label(text: &str) -> FieldWrite {
    FieldWrite::Label(text.to_owned())
}

fn step() -> FieldWrite {
    let answer = OracleAnswer { metrics: [0.0; 8], k: 1, novelty: 0.0, attention_gain: 0.0 };
    FieldWrite::Step(StepWrite { input: vec![1.0], answer, intervened: None })
}

#[test]
fn what_belongs_to_a_field_outlives_its_epochs() {
    let mut pair = Pair::default();
    pair.write("a", (10, 0), 10, spec(10, false));
    pair.write("a", (11, 0), 10, label("pumps"));
    pair.write("a", (12, 0), 10, FieldWrite::Interventions(OracleAction::Nigredo));
    pair.write("a", (13, 0), 10, step());
    let before = pair.expect(&[]).expect("it exists");
    assert_eq!(
        (before.label.as_deref(), before.interventions.count, before.moments.count),
        (Some("pumps"), 1, 1),
        "all of one epoch"
    );
    pair.write("b", (20, 0), 20, spec(20, false));
    let reset = pair.expect(&[]).expect("it exists");
    assert_eq!((reset.label.as_deref(), reset.interventions.count, reset.moments.count), (Some("pumps"), 0, 0));
    pair.write("b", (30, 0), 30, spec(30, true));
    assert_eq!(pair.expect(&[]), None, "a field that was dropped shows nothing");
    pair.write("a", (40, 0), 40, spec(40, false));
    assert_eq!(pair.expect(&[]).and_then(|field| field.label).as_deref(), Some("pumps"), "it was kept");
}

#[test]
fn of_two_writers_the_last_wins_and_only_what_is_covered_counts() {
    let mut pair = Pair::default();
    pair.write("a", (10, 0), 10, spec(10, false));
    pair.write("b", (15, 0), 10, label("of b"));
    pair.write("a", (15, 0), 10, label("of a"));
    for (but, want) in [(&[][..], Some("of b")), (&[("b", 0)], Some("of a")), (&[("a", 1), ("b", 0)], None)] {
        assert_eq!(pair.expect(but).and_then(|field| field.label).as_deref(), want, "{but:?}");
    }
}

#[test]
fn what_belongs_to_the_cluster_needs_no_field() {
    let mut pair = Pair::default();
    pair.notice("b", (9, 0), "second");
    pair.notice("a", (8, 0), "first");
    assert_eq!(pair.expect(&[]), None);
    let ExpectedCluster { notices, sights } = pair.cluster.expect(&pair.horizon(&[]));
    assert_eq!(notices, ["first", "second"]);
    assert_eq!(sights.into_iter().map(Marker::name).collect::<Vec<_>>(), ["several notices"]);
    assert!(SIGHTS.concat().iter().any(|marker| marker.name() == "several notices"), "a sweep must have met it");
}
