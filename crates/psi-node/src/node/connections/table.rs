//! Which connections are open, and which one gives way to a new one when there are too many.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;

/// The connections of a node, of all its ports together.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    connections_max: usize,
    started: Instant,
    open: Mutex<OpenConnections>,
}

/// How many connections there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionCensus {
    /// Open, without a call that arrived whole.
    pub(crate) quiet: usize,
    /// Open, with one.
    pub(crate) busy: usize,
    /// Closed for a new one, since the node started.
    pub(crate) evicted: u64,
    /// Closed at once, since the node started.
    pub(crate) turned_away: u64,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    evicted: u64,
    turned_away: u64,
    by_number: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    activity: Arc<Activity>,
    evicted: CancellationToken,
}

/// A connection's place in the table; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    table: Arc<ConnectionTable>,
    number: u64,
    pub(crate) activity: Arc<Activity>,
    /// Cancelled when the connection has to give way.
    pub(crate) evicted: CancellationToken,
}

/// What a connection does.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The address at the other end.
    pub(crate) peer: SocketAddr,
    started: Instant,
    /// Calls in progress, open streams among them.
    calls: AtomicUsize,
    /// Those of them whose request has not arrived whole.
    receiving: AtomicUsize,
    /// When a call last began or ended, or the connection was opened, milliseconds since the table was made.
    latest_ms: AtomicU64,
}

/// A call in progress; ended when dropped.
#[derive(Debug)]
pub(crate) struct CallInProgress(Arc<Activity>);

/// A call whose request arrives bit by bit; it has arrived when this is dropped.
#[derive(Debug)]
pub(crate) struct CallArrival(Arc<Activity>);

impl ConnectionTable {
    pub(crate) fn new(connections_max: usize) -> Self {
        Self { connections_max, started: Instant::now(), open: Mutex::default() }
    }

    /// A place for a new connection. If all are taken, a quiet connection gives way; `None` if none is quiet.
    pub(crate) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.by_number.len() >= self.connections_max && !open.evict() {
            open.turned_away += 1;
            return None;
        }
        let number = open.next;
        open.next += 1;
        let activity = Arc::new(Activity {
            peer,
            started: self.started,
            calls: AtomicUsize::new(0),
            receiving: AtomicUsize::new(0),
            latest_ms: AtomicU64::new(0),
        });
        activity.touch();
        let evicted = CancellationToken::new();
        open.by_number.insert(number, Entry { activity: activity.clone(), evicted: evicted.clone() });
        Some(Place { table: self.clone(), number, activity, evicted })
    }

    /// Has a quiet connection give way, if there is one: the system has no room for another.
    pub(crate) fn evict(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).evict()
    }

    pub(crate) fn census(&self) -> ConnectionCensus {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = open.by_number.values().filter(|entry| entry.activity.is_quiet()).count();
        let (evicted, turned_away) = (open.evicted, open.turned_away);
        ConnectionCensus { quiet, busy: open.by_number.len() - quiet, evicted, turned_away }
    }
}

impl OpenConnections {
    /// Closes the connection that has been quiet for longest. One with a call that arrived whole is never closed.
    fn evict(&mut self) -> bool {
        let quiet = self.by_number.iter().filter(|(_, entry)| entry.activity.is_quiet());
        let Some((&number, _)) = quiet.min_by_key(|(_, entry)| entry.activity.latest_ms()) else { return false };
        if let Some(entry) = self.by_number.remove(&number) {
            entry.evicted.cancel();
            self.evicted += 1;
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.table.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.by_number.remove(&self.number);
    }
}

impl Activity {
    /// A call begins.
    pub(crate) fn begin(self: &Arc<Self>) -> CallInProgress {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.touch();
        CallInProgress(self.clone())
    }

    /// The request of a call is not here yet, or not whole.
    pub(crate) fn await_arrival(self: &Arc<Self>) -> CallArrival {
        self.receiving.fetch_add(1, Ordering::Relaxed);
        CallArrival(self.clone())
    }

    fn touch(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.latest_ms.store(ms, Ordering::Relaxed);
    }

    fn is_quiet(&self) -> bool {
        self.calls.load(Ordering::Relaxed) <= self.receiving.load(Ordering::Relaxed)
    }

    fn latest_ms(&self) -> u64 {
        self.latest_ms.load(Ordering::Relaxed)
    }
}

impl Drop for CallInProgress {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

impl Drop for CallArrival {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

    fn table(connections_max: usize) -> Arc<ConnectionTable> {
        Arc::new(ConnectionTable::new(connections_max))
    }

    fn at(place: &Place, ms: u64) {
        place.activity.latest_ms.store(ms, Ordering::Relaxed);
    }

    #[test]
    fn the_connection_that_was_quiet_for_longest_gives_way() {
        let table = table(3);
        let places: Vec<Place> = (0..3).filter_map(|_| table.admit(PEER)).collect();
        for (place, ms) in places.iter().zip([5, 3, 9]) {
            drop(place.activity.begin());
            at(place, ms);
        }
        let fourth = table.admit(PEER).expect("room is made");
        let evicted: Vec<bool> = places.iter().map(|place| place.evicted.is_cancelled()).collect();
        assert_eq!((evicted, fourth.evicted.is_cancelled()), (vec![false, true, false], false));
        assert_eq!(table.census(), ConnectionCensus { quiet: 3, evicted: 1, ..ConnectionCensus::default() });
    }

    #[test]
    fn a_call_that_arrived_keeps_its_connection_and_one_that_has_not_does_not() {
        let table = table(1);
        let first = table.admit(PEER).expect("room");
        let call = first.activity.begin();
        assert!(table.admit(PEER).is_none(), "it is being answered");
        assert_eq!(table.census(), ConnectionCensus { busy: 1, turned_away: 1, ..ConnectionCensus::default() });
        let arrival = first.activity.await_arrival();
        assert!(first.activity.is_quiet());
        drop(arrival);
        assert!(table.admit(PEER).is_none(), "it has arrived");
        drop(call);
        assert!(table.admit(PEER).is_some() && first.evicted.is_cancelled());
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let table = table(1);
        let first = table.admit(PEER).expect("room");
        drop(first.activity.begin());
        let second = table.admit(PEER).expect("the first gave way");
        drop(first);
        assert_eq!(table.census().quiet, 1);
        drop(second);
        assert_eq!(table.census().quiet, 0);
    }
}
