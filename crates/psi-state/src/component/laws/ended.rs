//! What ended origins are held to: folded into the base they show as before, bit for bit.
//!
//! It does not matter which of them end together or in what order, nor what live origins write later. Whatever ended
//! origins hold, the base is bounded, and no live origin can write what only the base may.

use std::collections::BTreeMap;

use prost::Message;
use psi_replica::{Change, NodeId};

use super::*;
use crate::{proto, state::fold_ended};

/// What one origin holds.
pub(super) type Log = BTreeMap<Key, Bytes>;

pub(super) fn origin(name: &str) -> Origin {
    Origin { node: NodeId::new(name).expect("a name"), incarnation: 1 }
}

/// Whether only the base may hold an entry.
fn is_of_base(key: &Key) -> bool {
    components::lane_name(key.lane).starts_with("LANE_ENDED") || (key.lane == specs::SPEC && key.index > 0)
}

/// A log such as any origin could send: what it says may be impossible.
fn dishonest_log(rng: &mut SampleRng, count: u64) -> Log {
    let mut log = Log::new();
    for _ in 0..count {
        macro_rules! sampled {
            ($Component:ty) => {
                let (_, key, value) = entry::<$Component>(rng);
                log.insert(key, <$Component>::encode(&value));
            };
        }
        for_each_component!(sampled);
        sampled!(core::Core);
        sampled!(core::Core);
    }
    log
}

/// A log such as an origin could write that steps as it says: it has a spec, its latest step is its latest, and it counts
/// what one run can count.
fn honest_log(rng: &mut SampleRng, count: u64) -> Log {
    let mut log = dishonest_log(rng, count);
    log.retain(|key, _| !is_of_base(key));
    let spec = specs::SpecValue::from(rng.spec_in(&scope_of(ScopeKind::Epoch)));
    log.insert(key_of(specs::SPEC, 0), specs::Specs::encode(&spec));
    let recent =
        log.get(&key_of(recent::RECENT, 0)).map(|value| proto::RecentValue::decode(&value[..]).expect("a step"));
    let last_second = recent.and_then(|recent| recent.clock).map(|clock| clock.wall_ms / 1000);
    log.retain(|key, value| match key.lane {
        windows::WINDOWS => Some(proto::WindowValue::decode(&value[..]).expect("a bucket").second) <= last_second,
        drift::slots::SLOTS => {
            let number = proto::SlotValue::decode(&value[..]).expect("a slot").number;
            let level = usize::try_from(key.index / drift::levels::INDEXES).expect("a level");
            last_second.is_some_and(|last| number <= drift::levels::Span::of(level, last).number)
        }
        core::TALLY => proto::TallyValue::decode(&value[..]).expect("a tally").updates < 1 << 20,
        _ => true,
    });
    log
}

pub(super) fn key_of(lane: Lane, index: u64) -> Key {
    Key { scope: scope_of(ScopeKind::Epoch), lane, index }
}

pub(super) fn fold_into(base: &Log, ended: &[&(Origin, Log)]) -> Log {
    let ended: Vec<_> = ended.iter().map(|(origin, log)| (origin, log.iter().collect())).collect();
    fold_ended(base, &ended)
}

pub(super) fn put_log(folds: &mut Folds, origin: &Origin, log: &Log, direction: Direction) {
    log.iter().for_each(|(key, value)| folds.change(origin, key, value, direction));
}

pub(super) fn folded_logs<'a>(logs: impl IntoIterator<Item = (&'a Origin, &'a Log)>) -> Folds {
    let mut folds = Folds::new();
    logs.into_iter().for_each(|(origin, log)| put_log(&mut folds, origin, log, Direction::Put));
    folds
}

/// Some logs as they are, and others folded into the base.
pub(super) fn folded_with_base<'a>(base: &Log, logs: impl IntoIterator<Item = &'a (Origin, Log)>) -> Folds {
    let of_base = Origin::base();
    folded_logs(logs.into_iter().map(|(origin, log)| (origin, log)).chain([(&of_base, base)]))
}

/// The base is of entries that any replica takes, so it is as bounded as they are.
fn check_base(base: &Log) -> Result<(), TestCaseError> {
    for (key, value) in base {
        prop_assert!(components::check(key, value).is_ok(), "{:?}: {:?}", key, components::check(key, value));
        prop_assert!(value.len() <= VALUE_BYTES_MAX, "{} bytes of {:?}", value.len(), key);
    }
    let has_spec = |key: &Key| base.contains_key(&Key { lane: specs::SPEC, index: 0, ..key.clone() });
    let tombstone = base.keys().find(|key| key.lane == Lane::TOMBSTONE);
    prop_assert!(tombstone.is_none_or(has_spec), "a tombstone stands beside a spec");
    Ok(())
}

/// Honest logs of seven origins.
fn honest_logs(rng: &mut SampleRng) -> Vec<(Origin, Log)> {
    ["a", "b", "c", "d", "e", "f", "g"].map(|name| (origin(name), honest_log(rng, 4))).into()
}

/// Folds groups of origins into the base, one group after the other.
fn fold_groups(rng: &mut SampleRng, ended: &[&(Origin, Log)]) -> Log {
    let mut rest = shuffled(rng, ended);
    let mut base = Log::new();
    while !rest.is_empty() {
        let size = 1 + usize::try_from(rng.below(rest.len() as u64)).unwrap_or(0);
        let group: Vec<_> = rest.drain(..size).collect();
        base = fold_into(&base, &group);
    }
    base
}

/// One update that takes ended logs out and brings the base, in any order.
fn ending(rng: &mut SampleRng, ended: &[&(Origin, Log)], base: &Log) -> Vec<(Origin, Change)> {
    let gone = ended.iter().flat_map(|(origin, log)| {
        log.iter()
            .map(|(key, value)| (origin.clone(), Change { key: key.clone(), before: Some(value.clone()), after: None }))
    });
    let come = base
        .iter()
        .map(|(key, value)| (Origin::base(), Change { key: key.clone(), before: None, after: Some(value.clone()) }));
    let changes: Vec<_> = gone.chain(come).collect();
    shuffled(rng, &changes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn ended_origins_show_as_before_whatever_the_others_write_later(seed: u64) {
        let mut rng = SampleRng(seed);
        let logs = honest_logs(&mut rng);
        let (ended, mut live): (Vec<_>, Vec<_>) = logs.iter().cloned().partition(|_| rng.chance(60));
        let ended: Vec<_> = ended.iter().collect();
        let base = fold_groups(&mut rng, &ended);
        check_base(&base)?;
        let mut whole = folded_logs(logs.iter().map(|(origin, log)| (origin, log)));
        let mut with_base = folded_with_base(&base, &live);
        same(with_base.shown(), whole.shown())?;
        for (origin, log) in &mut live {
            let next = if rng.chance(20) { Log::new() } else { honest_log(&mut rng, 4) };
            for folds in [&mut whole, &mut with_base] {
                put_log(folds, origin, log, Direction::Remove);
                put_log(folds, origin, &next, Direction::Put);
            }
            *log = next;
            same(with_base.shown(), whole.shown())?;
        }
        let live: Vec<_> = live.iter().collect();
        let base = fold_into(&base, &live);
        check_base(&base)?;
        same(folded_with_base(&base, []).shown(), whole.shown())?;
    }

    #[test]
    fn it_does_not_matter_who_ends_with_whom(seed: u64) {
        let mut rng = SampleRng(seed);
        let logs = honest_logs(&mut rng);
        let ended: Vec<_> = logs.iter().collect();
        let at_once = fold_into(&Log::new(), &ended);
        prop_assert_eq!(&fold_groups(&mut rng, &ended), &at_once);
        prop_assert_eq!(&fold_into(&at_once, &[]), &at_once, "the base of a base is itself");
    }

    #[test]
    fn two_bases_that_never_met_come_to_what_one_would(seed: u64) {
        let mut rng = SampleRng(seed);
        let logs = honest_logs(&mut rng);
        let (ended, live): (Vec<_>, Vec<_>) = logs.iter().partition(|_| rng.chance(70));
        let (here, there): (Vec<_>, Vec<_>) = ended.iter().copied().partition(|_| rng.chance(50));
        let [base, former] = [here, there].map(|ended| fold_groups(&mut rng, &ended));
        let former = (Origin { incarnation: 7, ..Origin::base() }, former);
        let both = folded_with_base(&base, live.iter().copied().chain([&former]));
        same(both.shown(), folded_logs(logs.iter().map(|(origin, log)| (origin, log))).shown())?;
        let (one, two) = (fold_into(&base, &[&former]), fold_into(&Log::new(), &ended));
        let differ: Vec<_> = one.keys().chain(two.keys()).filter(|key| one.get(key) != two.get(key)).collect();
        prop_assert!(differ.is_empty(), "{:?}", differ);
    }

    #[test]
    fn an_update_that_ends_origins_moves_no_view(seed: u64) {
        let mut rng = SampleRng(seed);
        let logs = honest_logs(&mut rng);
        let folds = folded_logs(logs.iter().map(|(origin, log)| (origin, log)));
        let mut parts = folds.epoch;
        parts.settle();
        let mut held = Field::lawful(field(), folds.field, parts, (epoch(), spec()));
        let before = format!("{:?} {:?}", held.view(), held.learned_fingerprint());
        let ended: Vec<_> = logs.iter().filter(|_| rng.chance(60)).collect();
        let base = fold_into(&Log::new(), &ended);
        let changes = ending(&mut rng, &ended, &base);
        let changes: Vec<_> = changes.iter().map(|(origin, change)| (origin, change)).collect();
        held.change_lasting(&changes);
        held.change_parts(&changes);
        same(format!("{:?} {:?}", held.view(), held.learned_fingerprint()), before)?;
    }

    #[test]
    fn whatever_ended_origins_say_the_base_is_bounded(seed: u64) {
        let mut rng = SampleRng(seed);
        let mut base = Log::new();
        for number in 0..6 {
            let log = (origin(&format!("liar-{number}")), dishonest_log(&mut rng, 3));
            base = fold_into(&base, &[&log]);
            check_base(&base)?;
            let _ = folded_with_base(&base, []).shown();
        }
    }

    #[test]
    fn no_live_origin_writes_what_only_the_base_may(seed: u64) {
        let mut rng = SampleRng(seed);
        let before = folded(&entries(&mut rng, 2));
        let mut after = before.clone();
        let mut log = dishonest_log(&mut rng, 8);
        log.retain(|key, _| is_of_base(key));
        put_log(&mut after, &rng.origin(), &log, Direction::Put);
        same(after.shown(), before.shown())?;
    }
}

/// Every value that may name an author does: it speaks for its writer all the same.
#[test]
fn no_live_origin_speaks_for_another() {
    let (live, ended) = (origin("live"), origin("ended"));
    let mut rng = SampleRng(3);
    let mut folds = Folds::new();
    for _ in 0..300 {
        put_log(&mut folds, &live, &dishonest_log(&mut rng, 1), Direction::Put);
    }
    let base = fold_into(&Log::new(), &[]);
    assert!(base.is_empty());
    let (shown, name) = (format!("{folds:?}"), format!("{ended:?}"));
    assert!(!shown.contains(name.trim_end_matches('1')), "{name} is spoken for");
}

fn entry_in(epoch: Epoch, (lane, value): (Lane, Bytes)) -> (Key, Bytes) {
    (Key { scope: Scope::Epoch(field(), epoch), lane, index: 0 }, value)
}

/// A log of one epoch: its spec, a tombstone, and moments of some inputs.
fn log_in(epoch: Epoch, spec: Spec, steps_dropped: u64) -> Log {
    let mut rng = SampleRng(steps_dropped);
    let moments = std::iter::repeat_with(|| rng.moments(3)).find(|moments| !moments.is_empty()).expect("some");
    let values = [
        (specs::SPEC, specs::Specs::encode(&spec.into())),
        (tombstones::TOMBSTONE, tombstones::Tombstones::encode(&steps_dropped)),
        (moments::MOMENTS, moments::InputMoments::encode(&moments)),
    ];
    values.into_iter().map(|value| entry_in(epoch, value)).collect()
}

/// What is of older epochs goes, once an origin has ended that knew of a later one. What it discarded before stays.
#[test]
fn the_base_is_of_one_epoch() {
    let (first, second) = (epoch(), spec().epoch_after(epoch()));
    let later = Spec { clock: psi_replica::Clock { wall_ms: 1, counter: 0 }, ..spec() };
    let (old, new) = (log_in(first, spec(), 1), log_in(second, later, 20));
    let logs = [(origin("a"), old.clone()), (origin("b"), new), (origin("c"), old)];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let base = order.iter().fold(Log::new(), |base, one| fold_into(&base, &[&logs[*one]]));
        let lanes: Vec<_> = base.keys().map(|key| (key.scope.epoch(), key.lane)).collect();
        let kept = [tombstones::TOMBSTONE, specs::SPEC, moments::MOMENTS];
        assert_eq!(lanes, kept.map(|lane| (Some(second), lane)), "{order:?}");
        let dropped = &base[&Key { scope: Scope::Epoch(field(), second), lane: tombstones::TOMBSTONE, index: 0 }];
        assert_eq!(*dropped, tombstones::Tombstones::encode(&22), "{order:?}");
    }
}

/// Two specs of different shapes that drew the same epoch.
fn rivals() -> [Spec; 2] {
    let mut seen = BTreeMap::new();
    (0..)
        .find_map(|seed| {
            let mut rival = spec();
            rival.setup.shape.seed = seed;
            rival.clock.wall_ms += seed;
            let before = seen.insert(rival.epoch_after(Epoch::IMPLICIT).shape_bits(), rival.clone())?;
            Some([before, rival])
        })
        .expect("there are but 2^20 such bits")
}

/// A field that has two shapes in one epoch is led out of it by the live, though nobody lives who wrote either.
#[test]
fn a_dispute_outlives_those_who_began_it() {
    let [first, second] = rivals();
    let epoch = second.epoch_after(Epoch::IMPLICIT);
    let logs = [first, second.clone()].map(|spec| log_in(epoch, spec, 0));
    let [first, last] = [(origin("a"), logs[0].clone()), (origin("b"), logs[1].clone())];
    for order in [[&first, &last], [&last, &first]] {
        let base = order.iter().fold(Log::new(), |base, log| fold_into(&base, &[log]));
        let mut specs = specs::Specs::of(&field());
        let live = log_in(epoch, second.clone(), 0);
        for (writer, log) in [(Origin::base(), &base), (origin("live"), &live)] {
            for (key, value) in log.iter().filter(|(key, _)| key.lane == specs::SPEC) {
                let value = specs::Specs::decode(key, value).expect("a spec");
                specs.change(&writer, key, &value, Direction::Put);
            }
        }
        assert_eq!(specs.disputed(), Some(&second));
    }
}
