//! A label that people attach to a field: one line of text. The last writer wins, by clock and then by origin.
//!
//! It belongs to the field and not to an epoch, so it outlives resets. The label of a field that was dropped is there
//! again when the field is created again.

use std::collections::BTreeMap;

use bytes::Bytes;
#[cfg(test)]
use psi_replica::Scope;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::label::Label,
    component::{
        BaseSink, Component, Direction, EntryLifetime, LastingComponent,
        lasting_write::LastingWrite,
        moment::author_of,
        value::{ValueError, author, author_message, encoded, message},
    },
    proto,
};

/// The origin's latest label of the field.
pub(crate) const LABEL: Lane = Lane(proto::Lane::Label as u32);

/// What an origin writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabelValue {
    clock: Clock,
    label: Label,
    /// In the base, who wrote it.
    author: Option<Origin>,
}

/// The fold: the latest label of each origin, the own one among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    latest: BTreeMap<Origin, LabelValue>,
}

impl Labels {
    /// The label of the last writer, an empty one too.
    fn last(&self) -> Option<(&Origin, &LabelValue)> {
        self.latest.iter().max_by_key(|(origin, value)| (value.clock, *origin))
    }
}

impl Component for Labels {
    type Value = LabelValue;

    const SCOPE: ScopeKind = ScopeKind::Field;
    const LIFETIME: EntryLifetime = EntryLifetime::Overwritten;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<LabelValue, ValueError> {
        let proto::LabelValue { clock, text, author: writer } = message(bytes)?;
        let (clock, author) = (clock.ok_or(ValueError::NoClock)?.into(), author(writer)?);
        Ok(LabelValue { clock, label: Label::new(text)?, author })
    }

    fn encode(value: &LabelValue) -> Bytes {
        let LabelValue { clock, label, author } = value;
        let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
        encoded(&proto::LabelValue { clock, text: label.as_str().to_owned(), author })
    }

    fn clock(value: &LabelValue) -> Option<Clock> {
        Some(value.clock)
    }

    fn change(&mut self, origin: &Origin, _: &Key, value: &LabelValue, direction: Direction) {
        let author = author_of(origin, value.author.as_ref());
        match direction {
            Direction::Put => self.latest.insert(author.clone(), value.clone()),
            Direction::Remove => self.latest.remove(author),
        };
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &Scope) -> (Lane, u64, LabelValue) {
        let texts = ["", "pumps", "Ψ of hall 3", &"x".repeat(Label::BYTES_MAX)];
        let text = texts[usize::try_from(rng.below(4)).unwrap_or(0)];
        let author = rng.chance(30).then(|| rng.author(0));
        (LABEL, 0, LabelValue { clock: rng.clock(), label: Label::new(text).expect("one line"), author })
    }
}

impl LastingComponent for Labels {
    /// The label; `None` if nobody gave the field one, or the last writer took it away.
    type View = Option<Label>;

    fn view(&self) -> Option<Label> {
        self.last().map(|(_, value)| value.label.clone()).filter(|label| !label.as_str().is_empty())
    }

    /// The last writer's label, and who that was.
    fn write_base(&self, base: &mut BaseSink<'_>) {
        if let Some((author, value)) = self.last() {
            base.put(LABEL, 0, Self::encode(&LabelValue { author: Some(author.clone()), ..value.clone() }));
        }
    }
}

impl LastingWrite for Label {
    const LANE: Lane = LABEL;

    fn encode(self, clock: Clock) -> Bytes {
        Labels::encode(&LabelValue { clock, label: self, author: None })
    }
}
