//! The parts of a snapshot, as they are written.

use psi_replica::{FrozenOrigin, Origin, SnapshotEncoder};

use crate::node::context::NodeContext;

/// The parts of a snapshot, frozen origin by origin: the replica's lock is held for one origin at a time, and no more
/// than one part is in memory.
pub(super) struct Parts<'a> {
    context: &'a NodeContext,
    encoder: Option<SnapshotEncoder>,
    first: Option<Vec<u8>>,
    origins: std::vec::IntoIter<Origin>,
    frozen: Option<FrozenOrigin>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(context: &'a NodeContext) -> Self {
        let (begun, origins) = context.read(|replica| {
            let origins: Vec<Origin> = replica.frontier().iter().map(|(origin, _)| origin.clone()).collect();
            (replica.begin_snapshot(), origins)
        });
        let (encoder, first) = begun;
        Self { context, encoder: Some(encoder), first: Some(first), origins: origins.into_iter(), frozen: None }
    }
}

impl Iterator for Parts<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let encoder = self.encoder.as_mut()?;
            if let Some(part) = self.frozen.as_mut().and_then(|origin| encoder.origin_part(origin)) {
                return Some(part);
            }
            match self.origins.next() {
                Some(origin) => self.frozen = self.context.read(|replica| replica.freeze(&origin)),
                None => return self.encoder.take().map(SnapshotEncoder::end),
            }
        }
    }
}
