//! Names that people give the columns of a field. The last writer wins, by clock and then by origin.
//!
//! They belong to the field and not to an epoch, so they outlive resets. A reset or another field of the same name may
//! have another width. Names of another number are not shown then, and are there again once they fit.

use std::collections::BTreeMap;

use bytes::Bytes;
#[cfg(test)]
use psi_replica::Scope;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, LastingComponent,
        lasting_write::LastingWrite,
        moment::author_of,
        names::ColumnNames,
        value::{ValueError, author, author_message, encoded, message},
    },
    proto,
};

/// The origin's latest names of the field's columns.
pub(crate) const NAMES: Lane = Lane(proto::Lane::Names as u32);

/// What an origin writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamesValue {
    clock: Clock,
    names: ColumnNames,
    /// In the base, who wrote it.
    author: Option<Origin>,
}

/// The fold: the latest names of each origin, the own ones among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    latest: BTreeMap<Origin, NamesValue>,
    /// Those of the last writer: every step shows them.
    current: Option<ColumnNames>,
}

impl Names {
    /// The names of the last writer, none too.
    fn last(&self) -> Option<(&Origin, &NamesValue)> {
        self.latest.iter().max_by_key(|(origin, value)| (value.clock, *origin))
    }

    /// The names, if there is one for each of so many columns.
    pub(crate) fn of_width(&self, width: usize) -> Option<ColumnNames> {
        self.current.as_ref().filter(|names| names.len() == width).cloned()
    }
}

impl Component for Names {
    type Value = NamesValue;

    const SCOPE: ScopeKind = ScopeKind::Field;
    const LIFETIME: EntryLifetime = EntryLifetime::Overwritten;

    fn last_index(_: Lane) -> u64 {
        0
    }

    fn decode(_: &Key, bytes: &Bytes) -> Result<NamesValue, ValueError> {
        let proto::NamesValue { clock, names, author: writer } = message(bytes)?;
        let (clock, author) = (clock.ok_or(ValueError::NoClock)?.into(), author(writer)?);
        Ok(NamesValue { clock, names: ColumnNames::new(names)?, author })
    }

    fn encode(value: &NamesValue) -> Bytes {
        let NamesValue { clock, names, author } = value;
        let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
        encoded(&proto::NamesValue { clock, names: names.iter().map(str::to_owned).collect(), author })
    }

    fn clock(value: &NamesValue) -> Option<Clock> {
        Some(value.clock)
    }

    fn change(&mut self, origin: &Origin, _: &Key, value: &NamesValue, direction: Direction) {
        let author = author_of(origin, value.author.as_ref());
        match direction {
            Direction::Put => self.latest.insert(author.clone(), value.clone()),
            Direction::Remove => self.latest.remove(author),
        };
        self.current = self.last().map(|(_, value)| value.names.clone()).filter(|names| !names.is_empty());
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &Scope) -> (Lane, u64, NamesValue) {
        let longest = (0..256).map(|column| format!("{column:064}"));
        let names = match rng.below(4) {
            0 => ColumnNames::default(),
            1 => ColumnNames::new(longest).expect("as long as they may be"),
            turn => ColumnNames::new((0..turn).map(|column| format!("Ψ of hall {column}"))).expect("short"),
        };
        let author = rng.chance(30).then(|| rng.author(0));
        (NAMES, 0, NamesValue { clock: rng.clock(), names, author })
    }
}

impl LastingComponent for Names {
    /// The names, whatever the field's width; `None` if nobody gave any, or the last writer took them away.
    type View = Option<ColumnNames>;

    fn view(&self) -> Option<ColumnNames> {
        self.current.clone()
    }

    /// The last writer's names, and who that was.
    fn write_base(&self, base: &mut BaseSink<'_>) {
        if let Some((author, value)) = self.last() {
            base.put(NAMES, 0, Self::encode(&NamesValue { author: Some(author.clone()), ..value.clone() }));
        }
    }
}

impl LastingWrite for ColumnNames {
    const LANE: Lane = NAMES;

    fn columns(&self) -> Option<usize> {
        Some(self.len()).filter(|columns| *columns > 0)
    }

    fn encode(self, clock: Clock) -> Bytes {
        Names::encode(&NamesValue { clock, names: self, author: None })
    }
}
