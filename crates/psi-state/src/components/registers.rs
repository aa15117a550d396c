//! Who votes, and which registers there are: what a majority needs to know before it can decide anything.
//!
//! Of the voters for new registers the last writer's hold. A register is known by its name and the voters that it began
//! with: of several that were registered under one name, the first by clock and origin counts. Decisions are made by the
//! voters (psi-quorum); what stands here is the latest that anyone knows, so that those who missed it learn it.

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
        moment::{Moment, author_of},
        value::{ValueError, author, author_message, encoded, message},
    },
    proto,
};

/// Who votes in new registers.
pub const VOTERS: Lane = Lane(proto::Lane::Voters as u32);
/// Registers, and their latest decisions.
pub const REGISTERS: Lane = Lane(proto::Lane::Registers as u32);

/// Most registers of a cluster. Of more that were registered at once, those of the least names count.
pub const REGISTERS_MAX: usize = 4_096;

const VOTERS_MAX: usize = 15;
const KEY_BYTES: usize = 32;
const NAME_BYTES_MAX: usize = 128;
const DECISION_BYTES_MAX: usize = 8 << 10;

/// A voter by its node and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VoterName {
    /// The node.
    pub node: String,
    /// The key of its store.
    pub key: Bytes,
}

/// A register as all origins make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterView {
    /// Its name.
    pub name: String,
    /// The keys that it began with.
    pub first_voters: Vec<Bytes>,
    /// The number of its latest decision; 0 for none.
    pub step: u64,
    /// The latest decision that anyone knows.
    pub decision: Bytes,
}

/// Voters and registers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistersView {
    /// Who votes in new registers; none where nobody said so.
    pub voters: Vec<VoterName>,
    /// By name.
    pub registers: Vec<RegisterView>,
}

/// An entry of either lane.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RegistersValue {
    Voters { voters: Vec<VoterName>, clock: Clock, author: Option<Origin> },
    Register { register: proto::RegisterValue, clock: Clock, author: Option<Origin> },
}

/// What origins said of one register.
#[derive(Clone, Debug, PartialEq)]
struct RegisterWord {
    /// When and by whom it was registered, and who votes first.
    registration: (Moment, Vec<Bytes>),
    /// Its number, and its bytes.
    decision: (u64, Bytes),
}

/// The fold: all that origins say, by writer and index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registers {
    voters: BTreeMap<(Origin, u64), (Moment, Vec<VoterName>)>,
    /// By name first.
    registers: BTreeMap<(String, Origin, u64), RegisterWord>,
}

impl Registers {
    /// Who votes in new registers.
    pub(crate) fn voters(&self) -> &[VoterName] {
        self.voters.values().max().map_or(&[], |(_, voters)| voters)
    }

    /// A register.
    pub(crate) fn register(&self, name: &str) -> Option<RegisterView> {
        self.merged(name).map(|merged| view_of(name, &merged))
    }

    /// Registers whose names begin so, by name.
    pub(crate) fn below(&self, prefix: &str) -> Vec<RegisterView> {
        let mut last = None;
        let names = self.registers.range((prefix.to_owned(), least_origin(), 0)..).map(|((name, ..), _)| name.as_str());
        let names = names.take_while(|name| name.starts_with(prefix));
        let names = names.filter(|name| last.replace(*name) != Some(*name));
        names.filter_map(|name| self.register(name)).collect()
    }

    /// When and by whom a register was registered.
    pub(crate) fn registration(&self, name: &str) -> Option<Moment> {
        self.merged(name).map(|merged| merged.registration.0)
    }

    /// How many names there are.
    pub(crate) fn count(&self) -> usize {
        self.names().count()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        let names = self.registers.keys().map(|(name, ..)| name.as_str());
        names.filter(move |name| last.replace(*name) != Some(*name))
    }

    /// The first registration of a name, and the latest decision.
    fn merged(&self, name: &str) -> Option<RegisterWord> {
        let of_name = self.registers.range((name.to_owned(), least_origin(), 0)..);
        let of_name = of_name.take_while(|((other, ..), _)| other == name).map(|(_, said)| said);
        of_name.fold(None, |merged: Option<RegisterWord>, said| {
            let Some(before) = merged else { return Some(said.clone()) };
            Some(RegisterWord {
                registration: before.registration.min(said.registration.clone()),
                decision: before.decision.max(said.decision.clone()),
            })
        })
    }
}

/// Before every other, that of the base among them.
fn least_origin() -> Origin {
    Origin { incarnation: 0, ..Origin::base() }
}

fn view_of(name: &str, RegisterWord { registration, decision }: &RegisterWord) -> RegisterView {
    RegisterView {
        name: name.to_owned(),
        first_voters: registration.1.clone(),
        step: decision.0,
        decision: decision.1.clone(),
    }
}

fn bounded(got: usize, max: usize) -> Result<(), ValueError> {
    if got <= max { Ok(()) } else { Err(ValueError::TextLength { got, max }) }
}

impl Component for Registers {
    type Value = RegistersValue;

    const SCOPE: ScopeKind = ScopeKind::Cluster;
    const LIFETIME: EntryLifetime = EntryLifetime::Overwritten;

    fn last_index(lane: Lane) -> u64 {
        if lane == VOTERS { 0 } else { u64::MAX >> 1 }
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<RegistersValue, ValueError> {
        if key.lane == VOTERS {
            let proto::VotersValue { clock, voters, author: writer } = message(bytes)?;
            let (clock, author) = (clock.ok_or(ValueError::NoClock)?.into(), author(writer)?);
            bounded(voters.len(), VOTERS_MAX)?;
            let voter = |proto::VoterName { node, key }| {
                bounded(node.len(), NAME_BYTES_MAX)?;
                bounded(key.len(), KEY_BYTES)?;
                Ok(VoterName { node, key })
            };
            let voters = voters.into_iter().map(voter).collect::<Result<_, ValueError>>()?;
            return Ok(RegistersValue::Voters { voters, clock, author });
        }
        let mut register: proto::RegisterValue = message(bytes)?;
        bounded(register.name.len(), NAME_BYTES_MAX)?;
        bounded(register.first_voters.len(), VOTERS_MAX)?;
        register.first_voters.iter().try_for_each(|key| bounded(key.len(), KEY_BYTES))?;
        bounded(register.decision.len(), DECISION_BYTES_MAX)?;
        let (clock, author) =
            (register.clock.take().ok_or(ValueError::NoClock)?.into(), author(register.author.take())?);
        Ok(RegistersValue::Register { register, clock, author })
    }

    fn encode(value: &RegistersValue) -> Bytes {
        match value {
            RegistersValue::Voters { voters, clock, author } => {
                let voter =
                    |VoterName { node, key }: &VoterName| proto::VoterName { node: node.clone(), key: key.clone() };
                let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
                encoded(&proto::VotersValue { clock, voters: voters.iter().map(voter).collect(), author })
            }
            RegistersValue::Register { register, clock, author } => {
                let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
                encoded(&proto::RegisterValue { clock, author, ..register.clone() })
            }
        }
    }

    fn clock(value: &RegistersValue) -> Option<Clock> {
        let (RegistersValue::Voters { clock, .. } | RegistersValue::Register { clock, .. }) = value;
        Some(*clock)
    }

    fn change(&mut self, origin: &Origin, key: &Key, value: &RegistersValue, direction: Direction) {
        match (value, direction) {
            (RegistersValue::Voters { .. }, Direction::Remove) => {
                self.voters.remove(&(origin.clone(), key.index));
            }
            (RegistersValue::Voters { voters, clock, author }, Direction::Put) => {
                let author = author_of(origin, author.as_ref()).clone();
                self.voters.insert((origin.clone(), key.index), ((*clock, author), voters.clone()));
            }
            (RegistersValue::Register { register, .. }, Direction::Remove) => {
                self.registers.remove(&(register.name.clone(), origin.clone(), key.index));
            }
            // Of a register anyone may repeat who registered it: what counts is the earliest that anyone says.
            (RegistersValue::Register { register, clock, author }, Direction::Put) => {
                let proto::RegisterValue { name, first_voters, step, decision, clock: _, author: _ } = register.clone();
                let author = author_of(origin, author.as_ref()).clone();
                let said = RegisterWord { registration: ((*clock, author), first_voters), decision: (step, decision) };
                self.registers.insert((name, origin.clone(), key.index), said);
            }
        }
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &Scope) -> (Lane, u64, RegistersValue) {
        let (clock, author) = (rng.clock(), rng.chance(30).then(|| rng.author(0)));
        let mut key = || Bytes::from(vec![u8::try_from(rng.below(4)).unwrap_or(0); KEY_BYTES]);
        if clock.wall_ms % 2 == 0 {
            let voters =
                vec![VoterName { node: "a".to_owned(), key: key() }, VoterName { node: "b".to_owned(), key: key() }];
            return (VOTERS, 0, RegistersValue::Voters { voters, clock, author });
        }
        let first_voters = vec![key(), key()];
        let name = ["lease/a", "lease/b", "process/c"][usize::try_from(rng.below(3)).unwrap_or(0)].to_owned();
        let step = rng.below(3);
        let decision = Bytes::from(vec![1; usize::try_from(step).unwrap_or(0)]);
        let index = rng.below(REGISTERS_MAX as u64);
        let register = proto::RegisterValue { name, first_voters, step, decision, clock: None, author: None };
        (REGISTERS, index, RegistersValue::Register { register, clock, author })
    }
}

impl LastingComponent for Registers {
    type View = RegistersView;

    fn view(&self) -> RegistersView {
        let registers = self.names().take(REGISTERS_MAX);
        let registers = registers.filter_map(|name| self.register(name)).collect();
        RegistersView { voters: self.voters().to_vec(), registers }
    }

    /// The last word on voters; and of each name, the first registration and the latest decision.
    fn write_base(&self, base: &mut BaseSink<'_>) {
        if let Some(((clock, author), voters)) = self.voters.values().max().cloned() {
            let value = RegistersValue::Voters { voters, clock, author: Some(author) };
            base.put(VOTERS, 0, Self::encode(&value));
        }
        for (index, name) in (0..).zip(self.names().take(REGISTERS_MAX)) {
            let Some(RegisterWord { registration: ((clock, author), first_voters), decision }) = self.merged(name)
            else {
                continue;
            };
            let value = encode_register(name, (clock, Some(author)), first_voters, decision);
            base.put(REGISTERS, index, value);
        }
    }
}

/// The value of an entry. `author` is absent where the origin itself registered it.
pub(crate) fn encode_register(
    name: &str,
    (clock, author): (Clock, Option<Origin>),
    first_voters: Vec<Bytes>,
    (step, decision): (u64, Bytes),
) -> Bytes {
    let register =
        proto::RegisterValue { name: name.to_owned(), first_voters, step, decision, clock: None, author: None };
    Registers::encode(&RegistersValue::Register { register, clock, author })
}

#[cfg(test)]
mod tests {
    use psi_replica::NodeId;

    use super::*;

    #[test]
    fn registers_are_listed_by_what_their_names_begin_with() {
        let origin = |incarnation| Origin { node: NodeId::new("n").expect("a name"), incarnation };
        let mut registers = Registers::default();
        for (run, name, step) in [
            (1, "process/a", 2),
            (2, "process/a", 3),
            (1, "process/a/t", 1),
            (1, "process/ab", 1),
            (1, "lease/process/a", 1),
        ] {
            let register = proto::RegisterValue { name: name.to_owned(), step, ..proto::RegisterValue::default() };
            let value = RegistersValue::Register { register, clock: Clock { wall_ms: run, counter: 0 }, author: None };
            let key = Key { scope: Scope::Cluster, lane: REGISTERS, index: step + run };
            registers.change(&origin(run), &key, &value, Direction::Put);
        }
        let listed = |prefix: &str| -> Vec<_> {
            registers.below(prefix).into_iter().map(|view| (view.name, view.step)).collect()
        };
        let of = |name: &str, step| (name.to_owned(), step);
        assert_eq!(listed("process/"), [of("process/a", 3), of("process/a/t", 1), of("process/ab", 1)]);
        assert_eq!(listed("process/a/"), [of("process/a/t", 1)]);
        assert_eq!(listed("processes"), []);
    }
}
