//! Snapshots of a replica, and replicas from snapshots.

use super::Replica;
use crate::{
    PROTOCOL,
    config::Config,
    entry::{
        clock::Now,
        origin::{Origin, Version},
    },
    proto,
    state::State,
    store::snapshot::{CheckedOrigin, FrozenOrigin, Snapshot, SnapshotEncoder, SnapshotError},
};

impl<S: State> Replica<S> {
    /// Begins a snapshot; gives the encoder and the first part. Each origin follows by [`Replica::freeze`].
    #[must_use]
    pub fn begin_snapshot(&self) -> (SnapshotEncoder, Vec<u8>) {
        SnapshotEncoder::begin(&proto::SnapshotHeader {
            cluster: self.config.cluster.to_string(),
            node: self.config.node.to_string(),
            protocol: PROTOCOL,
            incarnation: self.local.incarnation(),
        })
    }

    /// What is held of one origin now, own writes that wait for a flush left out; `None` if nothing is.
    ///
    /// Takes time with the number of its entries, not with their size.
    #[must_use]
    pub fn freeze(&self, origin: &Origin) -> Option<FrozenOrigin> {
        let log = self.store.log(origin).filter(|log| log.version() > Version::ZERO)?;
        Some(FrozenOrigin::new(origin, log, self.config.frame_bytes))
    }

    /// The whole snapshot at once; what waits for a flush is left out.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let (mut encoder, mut bytes) = self.begin_snapshot();
        for mut origin in self.store.logs().filter_map(|(origin, _)| self.freeze(origin)) {
            while let Some(part) = encoder.origin_part(&mut origin) {
                bytes.extend(part);
            }
        }
        bytes.extend(encoder.end());
        bytes
    }

    /// A replica that has not joined yet, and holds what [`Snapshot::decode`] reads from `bytes`.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn restore(config: Config, now: Now, bytes: &[u8], state: S) -> Result<Self, SnapshotError> {
        let snapshot = Snapshot::decode::<S>(&config.cluster, bytes)?;
        Ok(Self::with_snapshot(config, now, snapshot, state))
    }

    /// A replica that has not joined yet, and holds what the snapshot does.
    ///
    /// It is a new run of its node: what earlier ones wrote are the entries of other origins, and the incarnation that
    /// it will mint is greater than theirs. Clocks are not judged: the node trusted them before, and so time goes on from them.
    #[must_use]
    pub fn with_snapshot(config: Config, now: Now, snapshot: Snapshot, state: S) -> Self {
        let mut replica = Self::new(config, now, state);
        if snapshot.node() == replica.config.node.as_str() {
            replica.local.record_incarnation(snapshot.incarnation());
        }
        for (origin, CheckedOrigin { update, latest }) in snapshot.into_origins() {
            replica.clock.observe(latest);
            replica.time.record_restored(latest);
            if origin.is_base() {
                replica.restore_base(&origin, update);
            } else if !replica.is_over(&origin) {
                replica.apply(&origin, update);
            }
        }
        replica
    }
}
