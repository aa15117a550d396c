//! Specs: what a field is, by the word of each origin. The greatest epoch holds, and in it the latest spec.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{Clock, Epoch, FieldName, Key, Lane, Origin, Scope, ScopeKind};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime,
        moment::author_of,
        value::{ValueError, at_index, author, author_message, encoded, message},
    },
    proto,
    spec::Spec,
};

/// The field's engine, shape and parameters. Declares an epoch.
pub const SPEC: Lane = Lane(proto::Lane::Spec as u32);

/// Where the base keeps a spec that fixes something else than the greatest of the same epoch.
const OTHER_SHAPE: u64 = 1;

/// A spec as an entry holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpecValue {
    pub(crate) spec: Spec,
    /// In the base, who wrote it.
    pub(crate) author: Option<Origin>,
}

impl From<Spec> for SpecValue {
    fn from(spec: Spec) -> Self {
        Self { spec, author: None }
    }
}

/// Where a spec stands in the order in which the greatest holds. The implicit spec of `default` is no origin's.
type SpecKey = (Epoch, Clock, Option<Origin>);

/// The specs of all origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs {
    specs: BTreeMap<SpecKey, Spec>,
}

impl Specs {
    /// What is known of a field before anybody wrote a spec: `default` has one then.
    pub(crate) fn of(field: &FieldName) -> Self {
        let implicit = field.is_default().then(|| ((Epoch::IMPLICIT, Clock::default(), None), Spec::implicit()));
        Self { specs: implicit.into_iter().collect() }
    }

    /// The spec that holds, and its epoch.
    pub(crate) fn winner(&self) -> Option<(Epoch, &Spec)> {
        self.specs.last_key_value().map(|((epoch, ..), spec)| (*epoch, spec))
    }

    /// Who wrote the spec that holds, and the spec; `None` for the implicit one.
    pub(crate) fn spec_author(&self) -> Option<(&Origin, &Spec)> {
        let ((.., writer), spec) = self.specs.last_key_value()?;
        Some((writer.as_ref()?, spec))
    }

    /// The spec that holds, if another one of its epoch fixes something else: two nodes gave the field different
    /// shapes in one millisecond, and the shapes drew the same bits.
    pub(crate) fn disputed(&self) -> Option<&Spec> {
        self.other_shape().and(self.winner()).map(|(_, spec)| spec)
    }

    /// The greatest spec of the epoch that holds, of those that fix something else than the one that holds.
    fn other_shape(&self) -> Option<(&SpecKey, &Spec)> {
        let ((epoch, ..), spec) = self.specs.last_key_value()?;
        let mut in_epoch = self.specs.iter().rev().take_while(|((other, ..), _)| other == epoch);
        in_epoch.find(|(_, other)| !other.is_alike(spec))
    }

    /// Whether an origin has a spec in an epoch.
    pub(crate) fn has(&self, epoch: Epoch, origin: &Origin) -> bool {
        let mut in_epoch = self.specs.keys().rev().take_while(|(other, ..)| *other >= epoch);
        in_epoch.any(|(other, _, writer)| *other == epoch && writer.as_ref() == Some(origin))
    }

    /// Writes the specs that the base keeps: the one that holds, and one that fixes something else.
    pub(crate) fn write_base(&self, base: &mut BaseSink<'_>) {
        for (index, spec) in [(0, self.specs.last_key_value()), (OTHER_SHAPE, self.other_shape())] {
            if let Some(((.., Some(author)), spec)) = spec {
                let value = SpecValue { spec: spec.clone(), author: Some(author.clone()) };
                base.put(SPEC, index, Self::encode(&value));
            }
        }
    }

    /// Puts the own origin's spec, in place of its older ones.
    pub(crate) fn put_own(&mut self, epoch: Epoch, origin: &Origin, spec: Spec) {
        self.specs.retain(|(other, _, writer), _| writer.as_ref() != Some(origin) || *other > epoch);
        self.specs.insert((epoch, spec.clock, Some(origin.clone())), spec);
    }
}

impl Component for Specs {
    type Value = SpecValue;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        OTHER_SHAPE
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<SpecValue, ValueError> {
        let mut value: proto::SpecValue = message(bytes)?;
        let author = author(value.author.take())?;
        if author.is_none() {
            at_index(key, 0)?;
        }
        let spec: Spec = value.try_into()?;
        match &key.scope {
            Scope::Epoch(field, epoch) if !spec.belongs_in(field, *epoch) => Err(ValueError::Epoch(*epoch)),
            _ => Ok(SpecValue { spec, author }),
        }
    }

    fn encode(SpecValue { spec, author }: &SpecValue) -> Bytes {
        encoded(&proto::SpecValue { author: author_message(author.as_ref()), ..spec.to_proto() })
    }

    fn clock(value: &SpecValue) -> Option<Clock> {
        Some(value.spec.clock)
    }

    fn change(&mut self, origin: &Origin, key: &Key, value: &SpecValue, direction: Direction) {
        let Scope::Epoch(_, epoch) = key.scope else { return };
        if key.index == OTHER_SHAPE && !origin.is_base() {
            return;
        }
        let SpecValue { spec, author } = value;
        let place = (epoch, spec.clock, Some(author_of(origin, author.as_ref()).clone()));
        match direction {
            Direction::Put => self.specs.insert(place, spec.clone()),
            Direction::Remove => self.specs.remove(&place),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, scope: &Scope) -> (Lane, u64, SpecValue) {
        let index = u64::from(rng.chance(20));
        let author = (index == OTHER_SHAPE || rng.chance(30)).then(|| rng.author(index));
        (SPEC, index, SpecValue { spec: rng.spec_in(scope), author })
    }
}
