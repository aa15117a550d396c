//! The laws that every registered component is held to, written once.
//!
//! Remove undoes put; any order and a refold give the same; encoding is canonical; every index and size is bounded; a
//! hostile value changes nothing. Values come from each component's own `sample`; folds are compared by their views.
//! What ended origins are held to is in `laws/ended.rs` and `laws/rings.rs`.

mod ended;
mod rings;

use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use psi_engine::Parameters;
use psi_replica::{Epoch, FieldName, Key, Lane, Origin, Scope, ScopeKind, VALUE_BYTES_MAX};

use crate::{
    component::{Component, Direction, sample::SampleRng},
    components::{self, *},
    field::Field,
    spec::{EpochShape, Setup, Spec},
};

fn field() -> FieldName {
    FieldName::new("lawful").expect("a name")
}

/// The spec of the field that the laws are tried in: engine `core`, so that every component folds.
fn spec() -> Spec {
    let mut rng = SampleRng(0);
    loop {
        let spec = Spec { setup: rng.setup(), dropped: false, clock: rng.clock() };
        if spec.setup.latent().is_some() {
            return spec;
        }
    }
}

fn epoch() -> Epoch {
    spec().epoch_after(Epoch::IMPLICIT)
}

fn scope_of(kind: ScopeKind) -> Scope {
    match kind {
        ScopeKind::Cluster => Scope::Cluster,
        ScopeKind::Field => Scope::Field(field()),
        ScopeKind::Epoch => Scope::Epoch(field(), epoch()),
    }
}

/// An entry of a component, with its origin, which may be the base.
fn entry<C: Component>(rng: &mut SampleRng) -> (Origin, Key, C::Value) {
    let scope = scope_of(C::SCOPE);
    let (lane, index, value) = C::sample(rng, &scope);
    let origin = if rng.chance(25) { Origin::base() } else { rng.origin() };
    (origin, Key { scope, lane, index }, value)
}

/// All folds of one field and of the cluster, as one thing to compare.
#[derive(Clone, Debug)]
struct Folds {
    cluster: ClusterParts,
    field: FieldParts,
    epoch: EpochParts,
}

impl Folds {
    fn new() -> Self {
        let shape = EpochShape::from(&spec().setup);
        let (cluster, field) = (ClusterParts::default(), FieldParts::new(&field()));
        Self { cluster, field, epoch: EpochParts::new(&shape) }
    }

    fn change(&mut self, origin: &Origin, key: &Key, bytes: &Bytes, direction: Direction) {
        match LASTING_LANES.iter().find(|(lanes, _)| lanes.contains(&key.lane)).map(|(_, group)| group) {
            Some(Group::Cluster) => self.cluster.change(origin, key, bytes, direction),
            Some(Group::Lasting) => self.field.change(origin, key, bytes, direction),
            _ => self.epoch.change(origin, key, bytes, direction),
        }
    }

    /// What all of them show, with the bits of every number; names of columns too that the field has no columns for.
    fn shown(&self) -> String {
        self.shown_with(spec().setup.parameters)
    }

    /// The same where other parameters hold.
    fn shown_with(&self, parameters: Parameters) -> String {
        let mut parts = self.epoch.clone();
        parts.settle();
        let Spec { setup, dropped, clock } = spec();
        let spec = Spec { setup: Setup { parameters, ..setup }, dropped, clock };
        let mut lawful = Field::lawful(field(), self.field.clone(), parts, (epoch(), spec));
        let learned = lawful.learned_fingerprint();
        let (cluster, lasting, winner) = (self.cluster.view(), self.field.view(), self.field.specs.winner());
        format!("{cluster:?} {lasting:?} {:?} {learned:?} {winner:?}", lawful.view())
    }
}

/// Where the folds of a lane live.
enum Group {
    Cluster,
    Lasting,
}

/// Lanes whose folds are not those of an epoch.
static LASTING_LANES: std::sync::LazyLock<Vec<(&[Lane], Group)>> = std::sync::LazyLock::new(|| {
    let lasting = |component: &&components::ComponentInfo| component.lasts;
    let group = |component: &components::ComponentInfo| match component.scope {
        ScopeKind::Cluster => (component.lanes, Group::Cluster),
        _ => (component.lanes, Group::Lasting),
    };
    COMPONENTS.iter().filter(lasting).map(group).collect()
});

type AnyEntry = (Origin, Key, Bytes);

/// Entries of all components, one a key and origin: an origin holds one value a key.
fn entries(rng: &mut SampleRng, count: u64) -> Vec<AnyEntry> {
    let mut entries: Vec<AnyEntry> = Vec::new();
    for _ in 0..count {
        macro_rules! sampled {
            ($Component:ty) => {
                let (origin, key, value) = entry::<$Component>(rng);
                if !entries.iter().any(|(writer, held, _)| (writer, held) == (&origin, &key)) {
                    entries.push((origin, key, <$Component>::encode(&value)));
                }
            };
        }
        for_each_component!(sampled);
    }
    entries
}

fn shuffled<T: Clone>(rng: &mut SampleRng, items: &[T]) -> Vec<T> {
    let mut keyed: Vec<(u64, T)> = items.iter().map(|item| (rng.bits(), item.clone())).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, item)| item).collect()
}

fn folded(entries: &[AnyEntry]) -> Folds {
    let mut folds = Folds::new();
    entries.iter().for_each(|(origin, key, bytes)| folds.change(origin, key, bytes, Direction::Put));
    folds
}

fn check_encoding<C: Component>(rng: &mut SampleRng) {
    let (_, key, value) = entry::<C>(rng);
    let bytes = C::encode(&value);
    let decoded = C::decode(&key, &bytes).unwrap_or_else(|error| panic!("{key:?}: {value:?} is refused: {error}"));
    assert_eq!(decoded, value, "decoding gives back what was encoded");
    assert_eq!(C::encode(&decoded), bytes, "one value has one encoding");
    assert!(bytes.len() <= VALUE_BYTES_MAX, "{} bytes of {key:?}", bytes.len());
}

/// An entry beyond the last index of its lane, and one of another scope, are refused.
fn check_bounds<C: Component>(rng: &mut SampleRng) {
    let (_, key, value) = entry::<C>(rng);
    let bytes = C::encode(&value);
    assert!(components::check(&key, &bytes).is_ok(), "{key:?}");
    for index in [C::last_index(key.lane) + 1, u64::MAX] {
        assert!(components::check(&Key { index, ..key.clone() }, &bytes).is_err(), "index {index} of {key:?}");
    }
    for scope in [ScopeKind::Cluster, ScopeKind::Field, ScopeKind::Epoch].map(scope_of) {
        let is_own = scope.kind() == C::SCOPE;
        assert_eq!(components::check(&Key { scope, ..key.clone() }, &bytes).is_ok(), is_own, "{key:?}");
    }
}

/// A value that holds a clock stands for one, so that one far ahead is noticed.
fn check_clock<C: Component>(rng: &mut SampleRng) {
    let (_, key, value) = entry::<C>(rng);
    let holds_clock = format!("{value:?}").contains("wall_ms");
    assert!(!holds_clock || C::clock(&value).is_some(), "{key:?} stands for no clock: {value:?}");
}

/// Something of a component shows: a fold that ignores its values would pass every other law. Now and then what shows is
/// what showed before, so it is tried more than once.
fn check_shows<C: Component>(rng: &mut SampleRng) {
    let shows = (0..8).any(|_| {
        let before = folded(&entries(rng, 3));
        let mut after = before.clone();
        for _ in 0..256 {
            let (origin, key, value) = entry::<C>(rng);
            after.change(&origin, &key, &C::encode(&value), Direction::Put);
        }
        after.shown() != before.shown()
    });
    assert!(shows, "nothing of {} shows", std::any::type_name::<C>());
}

/// Damaged bytes that are refused change nothing, should they be folded all the same; those that are accepted can be
/// taken out again.
fn check_hostile<C: Component>(rng: &mut SampleRng, folds: &Folds) {
    let (_, key, value) = entry::<C>(rng);
    let origin = rng.origin();
    let mut bytes = C::encode(&value).to_vec();
    for _ in 0..=rng.below(4) {
        let at = usize::try_from(rng.below(bytes.len().max(1) as u64)).unwrap_or(0);
        match rng.below(3) {
            0 => bytes.truncate(at),
            1 => bytes.push(u8::try_from(rng.below(256)).unwrap_or(0)),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
        }
    }
    let bytes = Bytes::from(bytes);
    if components::check(&key, &bytes).is_err() {
        let mut after = folds.clone();
        after.change(&origin, &key, &bytes, Direction::Put);
        assert_eq!(after.shown(), folds.shown(), "a refused value of {key:?} was folded");
    } else {
        let stranger = Origin { incarnation: 9, ..origin };
        let mut after = folds.clone();
        after.change(&stranger, &key, &bytes, Direction::Put);
        after.change(&stranger, &key, &bytes, Direction::Remove);
        assert_eq!(after.shown(), folds.shown(), "a damaged value of {key:?} stays");
    }
}

/// Two views are the same to the last bit.
fn same<T: Debug + PartialEq>(left: T, right: T) -> Result<(), TestCaseError> {
    prop_assert_eq!(left, right);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn remove_undoes_put(seed: u64) {
        let mut rng = SampleRng(seed);
        let (kept, gone) = (entries(&mut rng, 3), entries(&mut rng, 3));
        let taken = |(origin, key, _): &AnyEntry| kept.iter().any(|(writer, held, _)| (writer, held) == (origin, key));
        let gone: Vec<AnyEntry> = gone.into_iter().filter(|entry| !taken(entry)).collect();
        let before = folded(&kept);
        let mut after = folded(&shuffled(&mut rng, &[kept.clone(), gone.clone()].concat()));
        for (origin, key, bytes) in shuffled(&mut rng, &gone) {
            after.change(&origin, &key, &bytes, Direction::Remove);
        }
        same(after.shown(), before.shown())?;
    }

    #[test]
    fn any_order_gives_the_same(seed: u64) {
        let mut rng = SampleRng(seed);
        let entries = entries(&mut rng, 4);
        let shuffled = shuffled(&mut rng, &entries);
        same(folded(&shuffled).shown(), folded(&entries).shown())?;
    }

    #[test]
    fn encoding_is_canonical_and_decoding_its_inverse(seed: u64) {
        let mut rng = SampleRng(seed);
        macro_rules! check { ($Component:ty) => { check_encoding::<$Component>(&mut rng); }; }
        for_each_component!(check);
    }

    #[test]
    fn every_index_and_scope_is_bounded(seed: u64) {
        let mut rng = SampleRng(seed);
        macro_rules! check { ($Component:ty) => { check_bounds::<$Component>(&mut rng); }; }
        for_each_component!(check);
    }

    #[test]
    fn a_value_with_a_clock_stands_for_one(seed: u64) {
        let mut rng = SampleRng(seed);
        macro_rules! check { ($Component:ty) => { check_clock::<$Component>(&mut rng); }; }
        for_each_component!(check);
    }

    #[test]
    fn a_hostile_value_changes_nothing(seed: u64) {
        let mut rng = SampleRng(seed);
        let folds = folded(&entries(&mut rng, 2));
        macro_rules! check { ($Component:ty) => { check_hostile::<$Component>(&mut rng, &folds); }; }
        for_each_component!(check);
    }
}

#[test]
fn something_of_every_component_shows() {
    let mut rng = SampleRng(2);
    macro_rules! check {
        ($Component:ty) => {
            check_shows::<$Component>(&mut rng);
        };
    }
    for_each_component!(check);
}

#[test]
fn each_lane_belongs_to_one_component_and_ends_as_its_scope_does() {
    let mut lanes: Vec<Lane> = COMPONENTS.iter().flat_map(|component| component.lanes).copied().collect();
    let count = lanes.len();
    lanes.sort_unstable();
    lanes.dedup();
    assert_eq!(lanes.len(), count, "a lane has two owners");
    for component in COMPONENTS {
        let with_epoch = component.lifetime == crate::component::EntryLifetime::WithEpoch;
        assert_eq!(with_epoch, component.scope == ScopeKind::Epoch, "{}", component.name);
    }
}
