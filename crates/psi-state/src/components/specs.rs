//! Specs: what a field is, by the word of each origin. The greatest epoch holds, and in it the latest spec.

use std::collections::BTreeMap;

use bytes::Bytes;
use psi_replica::{Clock, Epoch, FieldName, Key, Lane, Origin, Scope, ScopeKind};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        Component, Direction, EntryLifetime,
        value::{ValueError, encoded, message},
    },
    proto,
    spec::Spec,
};

/// The field's engine, shape and parameters. Declares an epoch.
pub const SPEC: Lane = Lane(proto::Lane::Spec as u32);

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
        let ((epoch, ..), spec) = self.specs.last_key_value()?;
        let mut in_epoch = self.specs.iter().rev().take_while(|((other, ..), _)| other == epoch);
        in_epoch.any(|(_, other)| !other.is_alike(spec)).then_some(spec)
    }

    /// Puts the own origin's spec, in place of its older ones.
    pub(crate) fn put_own(&mut self, epoch: Epoch, origin: &Origin, spec: Spec) {
        self.specs.retain(|(other, _, writer), _| writer.as_ref() != Some(origin) || *other > epoch);
        self.specs.insert((epoch, spec.clock, Some(origin.clone())), spec);
    }
}

impl Component for Specs {
    type Value = Spec;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<Spec, ValueError> {
        let spec: Spec = message::<proto::SpecValue>(bytes)?.try_into()?;
        match &key.scope {
            Scope::Epoch(field, epoch) if !spec.belongs_in(field, *epoch) => Err(ValueError::Epoch(*epoch)),
            _ => Ok(spec),
        }
    }

    fn encode(spec: &Spec) -> Bytes {
        encoded(&spec.to_proto())
    }

    fn clock(spec: &Spec) -> Option<Clock> {
        Some(spec.clock)
    }

    fn change(&mut self, origin: &Origin, key: &Key, spec: &Spec, direction: Direction) {
        let Scope::Epoch(_, epoch) = key.scope else { return };
        let place = (epoch, spec.clock, Some(origin.clone()));
        match direction {
            Direction::Put => self.specs.insert(place, spec.clone()),
            Direction::Remove => self.specs.remove(&place),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, scope: &Scope) -> (Lane, u64, Spec) {
        (SPEC, 0, rng.spec_in(scope))
    }
}
