//! What of the gossip that arrives gets to chitchat: what satisfies `datagram.rs`, and what there is room for.
//!
//! A datagram that breaks a rule is dropped. One that names more than there is room for is cut: members tell each other
//! of all they know, and what a stranger says to one of them must not silence it.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus::{IntCounter, IntCounterVec};
use psi_replica::ClusterName;
use psi_security::seal::Refusal as SealRefusal;
use tokio::time::Instant;
use tracing::warn;

use super::{
    datagram::{Datagram, MEMBERS_MAX},
    error::DatagramError,
    table::MemberTable,
};
use crate::{cluster::facts, node::log_limit::LogLimit};

/// Names of facts that this version does not publish, as a later one may.
const OTHER_FACTS_MAX: usize = 16;
/// Addresses of members that are remembered.
const SOURCES_MAX: usize = 1024;
/// Of what belongs to other clusters, one datagram in this time gets to chitchat, which answers.
const OTHER_CLUSTER: Duration = Duration::from_secs(1);
/// What a linked member's clock may have moved by since it was shown.
const CLOCKS_APART_MS: u64 = 60_000;
/// More than a UDP datagram can have.
const DATAGRAM_MAX: usize = 65_507;

/// The gate of one gossip loop.
pub(crate) struct Gate {
    cluster: ClusterName,
    state: Mutex<GateState>,
    /// By the index of a reason.
    drops: [(IntCounter, LogLimit); DatagramError::REASONS.len()],
}

#[derive(Default)]
struct GateState {
    table: MemberTable,
    /// Addresses at which a linked member gossips, and when it was seen linked last.
    sources: HashMap<SocketAddr, Instant>,
    /// How far linked members' wall clocks are ahead of this machine's, milliseconds.
    clocks: Vec<i64>,
    other_facts: BTreeSet<Box<[u8]>>,
    /// When something of another cluster got to chitchat last.
    other_cluster: Option<Instant>,
}

impl Gate {
    /// A gate for members of a cluster. `drops` counts by reason.
    pub(crate) fn new(cluster: ClusterName, drops: &IntCounterVec) -> Self {
        let drops = DatagramError::REASONS.map(|reason| (drops.with_label_values(&[reason]), LogLimit::default()));
        Self { cluster, state: Mutex::default(), drops }
    }

    /// What chitchat is to get of a datagram, if anything.
    pub(super) fn admit<'a>(&self, bytes: &'a [u8], from: SocketAddr) -> Option<Cow<'a, [u8]>> {
        match self.check(bytes, from, Instant::now()) {
            Ok((admitted, None)) => Some(admitted),
            Ok((admitted, Some(cut))) => {
                self.record(from, &cut, "cut gossip to what there is room for");
                Some(admitted)
            }
            Err(error) => {
                self.record(from, &error, "dropped gossip");
                None
            }
        }
    }

    /// Likewise, with why something was left out.
    fn check<'a>(
        &self,
        bytes: &'a [u8],
        from: SocketAddr,
        now: Instant,
    ) -> Result<(Cow<'a, [u8]>, Option<DatagramError>), DatagramError> {
        let datagram = Datagram::parse(bytes)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_foreign = datagram.cluster.is_some_and(|cluster| cluster != self.cluster.as_str());
        if is_foreign || datagram.is_rejection() {
            let due = state.other_cluster.is_none_or(|before| now.duration_since(before) >= OTHER_CLUSTER);
            if !due {
                return Err(DatagramError::OtherCluster);
            }
            state.other_cluster = Some(now);
            // Its members are none of this cluster.
            return Ok((Cow::Borrowed(bytes), None));
        }
        let from_member = state.sources.contains_key(&canonical(from));
        let no_id = datagram.ids().filter(|id| !state.table.admit(id, from_member)).count();
        let no_key = datagram.keys().filter(|key| !state.admit_key(key)).count();
        let cut = match (no_id, no_key) {
            (0, 0) => return Ok((Cow::Borrowed(bytes), None)),
            (0, _) => DatagramError::FactsFull { limit: OTHER_FACTS_MAX },
            _ => DatagramError::MembersFull { limit: MEMBERS_MAX },
        };
        let filtered = datagram.filtered(|id| state.table.contains(id), |key| state.knows_key(key));
        // It is no longer than before, unless zstd packs worse here than there.
        if filtered.len() > DATAGRAM_MAX { Err(cut) } else { Ok((Cow::Owned(filtered), Some(cut))) }
    }

    /// Counts a payload that chitchat did not decode.
    pub(super) fn record_undecodable(&self, from: SocketAddr) {
        self.record(from, &DatagramError::Undecodable, "dropped gossip");
    }

    /// Counts a datagram that was not sealed by a key of this cluster, or not just now. It is not looked into.
    pub(super) fn record_unopened(&self, from: SocketAddr, refusal: SealRefusal) {
        self.record(from, &DatagramError::Sealed(refusal), "dropped gossip");
    }

    fn record(&self, from: SocketAddr, error: &DatagramError, what: &str) {
        let (counter, limit) = &self.drops[error.index()];
        counter.inc();
        if let Some(count) = limit.record() {
            let reason = DatagramError::REASONS[error.index()];
            warn!(%from, reason, count, "{what}: {error}");
        }
    }

    /// Whether a linked member's wall clock is ahead of this machine's by about so much.
    pub(super) fn knows_clock(&self, ahead_ms: i64) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clocks.iter().any(|clock| clock.abs_diff(ahead_ms) <= CLOCKS_APART_MS)
    }

    /// Takes over which runs chitchat knows, at which addresses linked members gossip, and how far their clocks are
    /// ahead. Such an address counts for the grace after its last link.
    pub(crate) fn update(
        &self,
        known: impl Iterator<Item = Vec<u8>>,
        linked: impl Iterator<Item = SocketAddr>,
        clocks: Vec<i64>,
        grace: Duration,
    ) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.table.begin_round(known);
        state.clocks = clocks;
        state.sources.retain(|_, seen| now.duration_since(*seen) < grace);
        for source in linked.map(canonical) {
            if state.sources.len() < SOURCES_MAX || state.sources.contains_key(&source) {
                state.sources.insert(source, now);
            }
        }
    }
}

impl GateState {
    fn knows_key(&self, key: &[u8]) -> bool {
        facts::KEYS.iter().any(|known| known.as_bytes() == key) || self.other_facts.contains(key)
    }

    fn admit_key(&mut self, key: &[u8]) -> bool {
        let is_known = self.knows_key(key);
        let has_room = self.other_facts.len() < OTHER_FACTS_MAX;
        if !is_known && has_room {
            self.other_facts.insert(key.into());
        }
        is_known || has_room
    }
}

/// An IPv4 address as such, also where a socket of IPv6 received it.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}
