//! Connections, and what the network does to the encoded frames on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use psi_replica::{NodeId, Origin};

use crate::plan::{Weather, rng::Rng};

/// Frames that may wait for a transport, as in the shell.
pub(crate) const OUTBOUND_FRAMES: usize = 2;
/// Frames that a transport takes on until the other side has read some.
pub(crate) const WINDOW_FRAMES: usize = 64;

/// One way of a connection.
#[derive(Debug, Default)]
pub(crate) struct Direction {
    /// Frames that the transport has not taken.
    pub(crate) waiting: VecDeque<Bytes>,
    /// Frames that it took and that have not arrived.
    pub(crate) on_wire: usize,
    /// The sender had no room when it was asked last.
    pub(crate) was_full: bool,
    /// When the latest frame arrives.
    latest_at: u64,
    /// Frames sent so far.
    sent: u64,
    /// Number of the latest frame that arrived.
    pub(crate) arrived: u64,
    pub(crate) clogged_until: u64,
    /// The transport takes a frame only every so often; 0 if at once.
    pub(crate) slow_ms: u64,
    pub(crate) drains: bool,
}

impl Direction {
    /// Whether the transport has room for another frame.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < OUTBOUND_FRAMES && self.on_wire < WINDOW_FRAMES
    }
}

/// A connection between two processes. The ends come up together and go down one after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Who dialled, and who was dialled.
    pub(crate) ends: [usize; 2],
    /// Whom the first end meant to dial.
    pub(crate) dialled: usize,
    /// Which node must introduce itself to each end, as far as that is known.
    pub(crate) expected: [Option<NodeId>; 2],
    pub(crate) up: [bool; 2],
    /// From each end to the other.
    pub(crate) directions: [Direction; 2],
    /// When each end last heard of the other, by the transport's pings.
    pub(crate) heard_at: [u64; 2],
    /// A damaged frame has come through, so what either end believes of the other may be anything.
    pub(crate) is_damaged: bool,
}

impl Connection {
    /// Nothing holds its frames up any more; what is on its way already comes when it comes.
    pub(crate) fn clear_up(&mut self) {
        for direction in &mut self.directions {
            direction.clogged_until = 0;
            direction.latest_at = 0;
            direction.slow_ms = direction.slow_ms.min(1);
        }
    }
}

/// What became of a frame.
pub(crate) enum Fate {
    Lost(&'static str),
    /// When each copy arrives.
    Arrives(Vec<(u64, FrameCopy)>),
}

/// A frame on its way.
#[derive(Debug)]
pub(crate) struct FrameCopy {
    /// Its number among those of this direction.
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
    /// When it was sent.
    pub(crate) sent_at: u64,
    /// Its bits were turned, or it was blown up.
    pub(crate) damaged: bool,
}

/// What is withheld: deltas of an origin, from machines, until a moment.
pub(crate) type Withheld = (Origin, BTreeSet<usize>, u64);

/// All connections, and which ways are closed.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) next_connection: u64,
    /// Ordered pairs of machines between which nothing comes through.
    pub(crate) closed: BTreeSet<(usize, usize)>,
    pub(crate) weather: Weather,
    /// Deltas that get lost.
    pub(crate) withheld: Vec<Withheld>,
    /// Machines among which nothing goes wrong.
    pub(crate) sheltered: BTreeSet<usize>,
}

impl Network {
    /// A new connection; its number is never used again.
    pub(crate) fn connect(
        &mut self,
        now: u64,
        ends: [usize; 2],
        dialled: usize,
        expected: [Option<NodeId>; 2],
        slow_ms: [u64; 2],
    ) -> u64 {
        self.next_connection += 1;
        let directions = slow_ms.map(|slow_ms| Direction { slow_ms, ..Direction::default() });
        let (up, heard_at) = ([true; 2], [now; 2]);
        let connection = Connection { ends, dialled, expected, up, directions, heard_at, is_damaged: false };
        self.connections.insert(self.next_connection, connection);
        self.next_connection
    }

    pub(crate) fn is_open(&self, from: usize, to: usize) -> bool {
        !self.closed.contains(&(from, to))
    }

    /// The weather between two machines.
    pub(crate) fn weather(&self, from: usize, to: usize) -> Weather {
        if self.sheltered.contains(&from) && self.sheltered.contains(&to) { Weather::FAIR } else { self.weather }
    }

    /// Sends a frame from one end of a connection between the given machines.
    pub(crate) fn carry(
        &mut self,
        now: u64,
        connection: u64,
        end: usize,
        machines: (usize, usize),
        bytes: &Bytes,
        rng: &mut Rng,
    ) -> Fate {
        if !self.is_open(machines.0, machines.1) {
            return Fate::Lost("cut");
        }
        let weather = self.weather(machines.0, machines.1);
        if rng.chance(weather.loss) {
            return Fate::Lost("lost");
        }
        let Some(connection) = self.connections.get_mut(&connection) else { return Fate::Lost("no link") };
        let direction = &mut connection.directions[end];
        direction.sent += 1;
        let copies = 1 + u64::from(rng.chance(weather.twice));
        let arrivals = (0..copies).map(|_| {
            let mut at = (now + 1 + rng.below(weather.delay_ms + 1)).max(direction.clogged_until);
            if weather.ordered {
                at = at.max(direction.latest_at);
            }
            direction.latest_at = direction.latest_at.max(at);
            direction.on_wire += 1;
            let (bytes, damaged) = damage(bytes, weather, rng);
            (at, FrameCopy { number: direction.sent, bytes, sent_at: now, damaged })
        });
        Fate::Arrives(arrivals.collect())
    }
}

/// Turns some bits of a frame or blows it up, now and then.
fn damage(bytes: &Bytes, weather: Weather, rng: &mut Rng) -> (Bytes, bool) {
    if weather.corrupt > 0 && rng.below(100_000) < weather.corrupt && !bytes.is_empty() {
        let mut turned = bytes.to_vec();
        for _ in 0..rng.between(1, 3) {
            let bit = rng.below(turned.len() as u64 * 8);
            if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| turned.get_mut(at)) {
                *byte ^= 1 << (bit % 8);
            }
        }
        return (turned.into(), true);
    }
    if weather.oversized > 0 && rng.below(100_000) < weather.oversized {
        return (oversized(bytes), true);
    }
    (bytes.clone(), false)
}

/// The same frame with an unknown field that takes it beyond the limit.
fn oversized(bytes: &Bytes) -> Bytes {
    let filling = vec![0; psi_replica::FRAME_ENCODED_MAX + 1 - bytes.len().min(psi_replica::FRAME_ENCODED_MAX)];
    let mut blown_up = bytes.to_vec();
    prost::encoding::bytes::encode(1000, &filling, &mut blown_up);
    blown_up.into()
}
