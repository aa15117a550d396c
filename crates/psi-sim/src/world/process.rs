//! Machines, and the processes that run on them one after the other, or by mistake at once.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_replica::{ClusterName, Config, NodeId, Now, Origin, TickMs, Version, WallMs};
use psi_security::node_key::NodePublicKey;
use psi_state::Replica;

use super::{
    identity::{Identity, KeyRing},
    snapshots::disk::Disk,
};
use crate::{
    checks::time::sample::TimeSample,
    plan::{DAY_MS, StrangerKind, WALL_MS},
};

/// What outlives a process.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: NodeId,
    /// What it is called in traces.
    pub(crate) label: Arc<str>,
    /// Its wall clock minus the true one.
    pub(crate) skew_ms: i64,
    /// Further error of its clock, in runs where clocks jump.
    pub(crate) jump_ms: i64,
    /// Its clock has jumped at some time.
    pub(crate) has_jumped: bool,
    pub(crate) is_seed: bool,
    /// Processes started so far.
    pub(crate) runs: u64,
    /// It left for good.
    pub(crate) left: bool,
    /// It runs the next version of the program.
    pub(crate) is_later: bool,
    pub(crate) disk: Disk,
    /// Its disk is neither lost nor old nor damaged from now on.
    pub(crate) keeps_disk: bool,
    /// Its key file.
    pub(crate) keys: KeyRing,
    /// Why it is none of the cluster's.
    pub(crate) stranger: Option<StrangerKind>,
    /// The operator has given it up: it is to be shut out.
    pub(crate) is_given_up: bool,
}

impl Machine {
    /// A machine without disk and keys, with a clock that is right.
    pub(crate) fn new(name: NodeId, label: Arc<str>, is_seed: bool) -> Self {
        Self {
            name,
            label,
            skew_ms: 0,
            jump_ms: 0,
            has_jumped: false,
            is_seed,
            runs: 0,
            left: false,
            is_later: false,
            disk: Disk::default(),
            keeps_disk: false,
            keys: KeyRing::default(),
            stranger: None,
            is_given_up: false,
        }
    }

    /// The key that it votes with, once it has one.
    pub(crate) fn voter_key(&self) -> Option<NodePublicKey> {
        self.disk.votes.as_ref().map(|votes| votes.key)
    }

    /// Who a process is that starts here.
    pub(super) fn identity(&self) -> Identity {
        // A stranger has a certificate of its own name, whatever it says it is.
        let is_misnamed = self.stranger == Some(StrangerKind::Misnamed);
        let certified = NodeId::new(&self.label).ok().filter(|_| is_misnamed).unwrap_or_else(|| self.name.clone());
        Identity { ring: self.keys.clone(), certified, trusts_all: self.stranger.is_some() }
    }
}

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// Stopped as by SIGSTOP: what comes in waits.
    Paused,
    /// Ended; nothing of it is left but what others hold.
    Gone,
}

/// Input that arrived while a process was paused.
#[derive(Debug)]
pub(crate) enum QueuedInput {
    Frame { connection: u64, bytes: Bytes, damaged: bool },
    Hangup { connection: u64 },
}

/// What a process believes of another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belief {
    pub(crate) heard_at: u64,
    pub(crate) live: bool,
}

/// A process's effort to keep a link to another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dial {
    pub(crate) tries: u32,
    pub(crate) connection: Option<u64>,
    pub(crate) is_due: bool,
}

/// One run of a node's program.
#[derive(Debug)]
pub(crate) struct Process {
    /// Index of its machine.
    pub(crate) machine: usize,
    /// `n1#2` is the second run on `n1`.
    pub(crate) label: Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) identity: Identity,
    pub(crate) replica: Replica,
    pub(crate) state: State,
    pub(crate) started: u64,
    /// When it is to be woken, in virtual time.
    pub(crate) wake: Option<u64>,
    pub(crate) held: Vec<QueuedInput>,
    /// Connections that stand at this end, and which end it is.
    pub(crate) links: BTreeMap<u64, usize>,
    /// The connection that stands for each run of a peer that has introduced itself: a newer replaces an older.
    pub(crate) peers: BTreeMap<(NodeId, u64), u64>,
    pub(crate) beliefs: BTreeMap<usize, Belief>,
    pub(crate) dials: BTreeMap<usize, Dial>,
    /// It hands over and ends by then.
    pub(crate) ends_at: Option<u64>,
    /// Versions seen by the checks, of each origin.
    pub(crate) seen: BTreeMap<Origin, Version>,
    /// Hash of the frontier at the last check, whether something waited for a flush, and the base's number.
    pub(crate) checked: Option<([u8; 32], bool, Version)>,
    /// Its time at the last check.
    pub(crate) time_sample: Option<TimeSample>,
    /// The version up to which its own entries were checked.
    pub(crate) own_checked: Version,
    /// When it wrote its latest snapshot.
    pub(crate) saved_at: u64,
    /// How often it has voted, or its base has moved, when that was looked at last.
    pub(crate) end_moves: u64,
    /// The latest version that it wrote for a client.
    pub(crate) written: Version,
    /// What `Event::Ready` told.
    pub(crate) origin: Option<Origin>,
    pub(crate) superseded: bool,
    /// The member that it catches up with.
    pub(crate) catches_up_with: Option<String>,
}

impl Process {
    pub(crate) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Alive, and to stay so.
    pub(crate) fn is_staying(&self) -> bool {
        self.state != State::Gone && self.ends_at.is_none()
    }

    /// Told to end, and not gone yet. One that only seems dead has no time to end by.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.state != State::Gone && self.ends_at.is_some_and(|by| by != u64::MAX)
    }

    /// The moment as this process sees it.
    pub(crate) fn now(&self, now: u64, machine: &Machine) -> Now {
        moment(self.started, now, machine)
    }

    /// Whether every peer is known to hold all that it wrote.
    pub(crate) fn has_handed_over(&self) -> bool {
        let is_linked = self.replica.links().any(|(_, link)| link.peer.is_some());
        self.replica.origin().is_none() || is_linked && self.replica.has_handed_over()
    }
}

/// The moment as a process sees it that started on a machine.
pub(crate) fn moment(started: u64, now: u64, machine: &Machine) -> Now {
    let wall = WALL_MS + now;
    let error = machine.skew_ms + machine.jump_ms;
    Now { tick: TickMs(now.saturating_sub(started)), wall: WallMs(wall.saturating_add_signed(error)) }
}

/// A message field of a number that no message has yet: 2000, three bytes.
#[cfg(feature = "testing")]
const UNKNOWN_FIELD: [u8; 6] = [0x82, 0x7d, 0x03, 0x01, 0x02, 0x03];

/// What a replica of the simulated cluster is told.
pub(crate) fn config(machine: &Machine, frame_bytes: usize, end_after_ms: u64) -> Config {
    Config {
        // Strangers end nothing by themselves, so a base that one holds is not its own.
        end_after_ms: if machine.stranger.is_some() { DAY_MS } else { end_after_ms },
        is_seed: machine.is_seed,
        join_ms: 2_000,
        delta_bytes_max: DELTA_BYTES_MAX,
        frame_bytes,
        // Distinct among the runs of a machine, as a clock that counts microseconds has them.
        microsecond: u16::try_from(machine.runs % 1000).unwrap_or(0),
        #[cfg(feature = "testing")]
        extension: machine.is_later.then(|| psi_replica::Extension {
            protocol_max: psi_replica::PROTOCOL + 1,
            value_fields: Bytes::from_static(&UNKNOWN_FIELD),
        }),
        ..Config::new(cluster(), machine.name.clone())
    }
}

/// Most bytes of deltas that may have arrived in part on one link.
pub(crate) const DELTA_BYTES_MAX: usize = 8 << 20;

/// The cluster's name.
pub(crate) fn cluster() -> ClusterName {
    ClusterName::new("sim").expect("a name of letters")
}
