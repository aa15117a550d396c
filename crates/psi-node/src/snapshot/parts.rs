//! The parts of a snapshot, as they are written.

use psi_replica::{Digest, FrozenOrigin, Origin, SnapshotEncoder};
use psi_state::Replica;

use super::store::TornSnapshot;
use crate::node::context::NodeContext;

/// The parts of a snapshot, frozen origin by origin: the replica's lock is held for one origin at a time, and no more
/// than one part is in memory.
///
/// Origins may move meanwhile, each by itself. But when runs end, the base takes over what they wrote, and a snapshot of
/// the base from before with the runs from after would hold neither. Such a snapshot is torn, and never used.
pub(super) struct Parts<'a> {
    context: &'a NodeContext,
    encoder: Option<SnapshotEncoder>,
    first: Option<Vec<u8>>,
    base: BasePosition,
    origins: std::vec::IntoIter<Origin>,
    frozen: Option<FrozenOrigin>,
}

/// What the bases hold, those that gave way and are not folded yet among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BasePosition(Digest);

impl BasePosition {
    pub(super) fn of(replica: &Replica) -> Self {
        Self(replica.bases_digest())
    }
}

impl<'a> Parts<'a> {
    pub(super) fn of(context: &'a NodeContext) -> Self {
        let (begun, base, origins) = context.read(|replica| {
            // The frontier names ended runs, which have no log any more, and leaves out the base.
            let origins: Vec<Origin> = replica.store().logs().map(|(origin, _)| origin.clone()).collect();
            (replica.begin_snapshot(), BasePosition::of(replica), origins)
        });
        let (encoder, first) = begun;
        Self { context, encoder: Some(encoder), first: Some(first), base, origins: origins.into_iter(), frozen: None }
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Vec<u8>, TornSnapshot>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        loop {
            let encoder = self.encoder.as_mut()?;
            if let Some(part) = self.frozen.as_mut().and_then(|origin| encoder.origin_part(origin)) {
                return Some(Ok(part));
            }
            let Some(origin) = self.origins.next() else {
                return self.encoder.take().map(|encoder| Ok(encoder.end()));
            };
            let base = self.base;
            let frozen =
                self.context.read(|replica| (BasePosition::of(replica) == base).then(|| replica.freeze(&origin)));
            match frozen {
                Some(frozen) => self.frozen = frozen,
                None => {
                    self.encoder = None;
                    return Some(Err(TornSnapshot));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use psi_replica::{FieldName, NodeId, StopCause};

    use super::*;
    use crate::{
        node::identity::Identity,
        settings::{Addresses, Settings},
    };

    /// A node that ends runs, alone in its cluster, after a run before it that closed.
    fn restarted() -> NodeContext {
        let context = |snapshot| {
            let settings = Settings { replication: false, ..Settings::new(NodeId::new("n").expect("a name")) };
            let nowhere = settings.grpc.listen;
            NodeContext::new(
                settings,
                Identity::without_key(),
                Addresses { grpc: nowhere, http: nowhere, gossip: nowhere },
                (snapshot, crate::governance::ledger::store::LedgerStore::in_memory()),
            )
        };
        let before = context(None);
        let bytes = before.write(|replica, now| {
            replica.tick(now);
            replica.step(now, &FieldName::default_field(), &[0.5; 16]).expect("it is ready");
            replica.stop_writing(StopCause::Requested);
            replica.close(now);
            replica.snapshot()
        });
        let cluster = before.settings.cluster;
        context(Some(Replica::decode_snapshot(&cluster, &bytes).expect("it is whole")))
    }

    /// Lets time pass on the replica's clock until its runs have ended.
    fn fold(context: &NodeContext) {
        context.write(|replica, now| {
            for second in 1..=60 {
                let later = |ms: u64| ms + second * 1000;
                let tick = psi_replica::TickMs(later(now.tick.0));
                replica.tick(psi_replica::Now { tick, wall: psi_replica::WallMs(later(now.wall.0)) });
            }
            assert_eq!(replica.end_status().checkpoint, 1, "{:?}", replica.end_status());
        });
    }

    #[test]
    fn a_snapshot_that_runs_ended_under_is_torn_and_the_next_one_has_the_base() {
        let context = restarted();
        let mut torn = Parts::of(&context);
        assert!(torn.next().is_some_and(|part| part.is_ok()), "the header");
        fold(&context);
        assert_eq!(torn.next(), Some(Err(TornSnapshot)));
        assert_eq!(torn.next(), None);
        let bytes: Vec<u8> = Parts::of(&context).flat_map(|part| part.expect("nothing ends meanwhile")).collect();
        let cluster = context.settings.cluster.clone();
        let config = psi_replica::Config::new(cluster.clone(), context.settings.node.clone());
        let snapshot = Replica::decode_snapshot(&cluster, &bytes).expect("it is whole");
        let restored = Replica::with_snapshot(config, context.now(), snapshot);
        let status = restored.end_status();
        assert_eq!((status.checkpoint, status.ended), (1, 1));
        assert_eq!(restored.view(&FieldName::default_field()).expect("it is there").moments.count, 1);
        assert_eq!(restored.digest(), context.read(|replica| replica.digest()));
    }
}
