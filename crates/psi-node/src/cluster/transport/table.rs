//! How many runs of nodes gossip may know. Strangers can invent names without end, and each costs memory here and room
//! in every digest that this node sends.

use std::collections::HashMap;

use super::datagram::{COUNTERS_BYTES, MEMBERS_MAX};

/// What the runs may take in a digest, in bytes: it must fit a datagram even if none of it can be compressed, and leave
/// room for facts.
const DIGEST_BYTES_MAX: usize = 48 * 1024;

/// The ids of runs that chitchat knows or is about to learn, encoded as it encodes them.
#[derive(Debug, Default)]
pub(super) struct MemberTable {
    /// Each with the latest round in which chitchat knew it, or it was admitted.
    rounds: HashMap<Box<[u8]>, u64>,
    digest_bytes: usize,
    round: u64,
}

impl MemberTable {
    pub(super) fn contains(&self, id: &[u8]) -> bool {
        self.rounds.contains_key(id)
    }

    /// Takes an id up, unless there is no room. The last quarter is for ids that members name.
    pub(super) fn admit(&mut self, id: &[u8], from_member: bool) -> bool {
        if let Some(round) = self.rounds.get_mut(id) {
            *round = self.round;
            return true;
        }
        let (numerator, denominator) = if from_member { (1, 1) } else { (3, 4) };
        let bytes = self.digest_bytes + id.len() + COUNTERS_BYTES;
        let has_room = self.rounds.len() < MEMBERS_MAX * numerator / denominator
            && bytes <= DIGEST_BYTES_MAX * numerator / denominator;
        if has_room {
            self.rounds.insert(id.into(), self.round);
            self.digest_bytes = bytes;
        }
        has_room
    }

    /// Begins another round: these are the ids that chitchat knows. Others are forgotten, unless they were admitted in
    /// the round before: chitchat may not have got there.
    pub(super) fn begin_round(&mut self, known: impl Iterator<Item = Vec<u8>>) {
        let before = self.round;
        self.round += 1;
        for id in known {
            self.rounds.insert(id.into(), self.round);
        }
        self.rounds.retain(|_, round| *round >= before);
        self.digest_bytes = self.rounds.keys().map(|id| id.len() + COUNTERS_BYTES).sum();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rounds.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize, length: usize) -> Vec<u8> {
        let mut id = vec![b'x'; length];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    }

    #[test]
    fn a_million_ids_of_strangers_take_no_more_room_than_the_table_has() {
        for (length, from_member, want) in [(24, false, 768), (24, true, 1024), (81, false, 351), (81, true, 468)] {
            let mut table = MemberTable::default();
            let admitted = (0..1_000_000).filter(|number| table.admit(&id(*number, length), from_member)).count();
            assert_eq!((admitted, table.len()), (want, want), "{length} {from_member}");
        }
    }

    #[test]
    fn strangers_leave_room_for_what_members_name() {
        let mut table = MemberTable::default();
        for number in 0..10_000 {
            table.admit(&id(number, 24), false);
        }
        assert!(!table.admit(&id(20_000, 24), false));
        assert!(table.admit(&id(20_000, 24), true));
        assert!(table.admit(&id(20_000, 24), false), "it is known by now");
    }

    #[test]
    fn an_id_is_forgotten_once_chitchat_has_forgotten_it() {
        let mut table = MemberTable::default();
        table.admit(&id(1, 24), false);
        table.admit(&id(2, 24), false);
        table.begin_round([id(1, 24)].into_iter());
        assert!(table.contains(&id(2, 24)), "chitchat may learn it now");
        table.begin_round([id(1, 24)].into_iter());
        assert!(table.contains(&id(1, 24)) && !table.contains(&id(2, 24)));
        table.begin_round(std::iter::empty());
        table.begin_round(std::iter::empty());
        assert_eq!((table.len(), table.digest_bytes), (0, 0));
    }
}
