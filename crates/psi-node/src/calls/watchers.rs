//! Watchers of the steps that this node accepts.
//!
//! Each watched field has a ring of its latest steps. Watchers read it at their own pace, and one that is slower than
//! the ring misses steps. So a step never waits for a watcher, and a field without watchers costs one look at a
//! counter.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use psi_replica::{Clock, Epoch, FieldName};
use psi_state::Step;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Steps in a ring, at most and at least: a whole batch, or what a client reads in one go.
const STEPS_MAX: usize = 8192;
const STEPS_MIN: usize = 64;

/// Bytes of the inputs in a ring, about.
const BYTES_MAX: usize = 16 << 20;

/// An accepted step, as its watchers see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WatchedStep {
    pub(crate) epoch: Epoch,
    pub(crate) k: u64,
    pub(crate) clock: Clock,
    /// As the engine scored it.
    pub(crate) input: Vec<f64>,
}

/// The rings of a node.
#[derive(Default)]
pub(crate) struct Watchers {
    /// How many there are.
    count: AtomicUsize,
    rings: Mutex<HashMap<FieldName, Sender<Arc<WatchedStep>>>>,
}

impl Watchers {
    /// The steps of a field of this width from now on.
    pub(crate) fn watch(&self, field: &FieldName, width: usize) -> Receiver<Arc<WatchedStep>> {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.retain(|_, ring| ring.receiver_count() > 0);
        let steps = (BYTES_MAX / (width * size_of::<f64>()).max(1)).clamp(STEPS_MIN, STEPS_MAX);
        let receiver = rings.entry(field.clone()).or_insert_with(|| broadcast::Sender::new(steps)).subscribe();
        self.count.store(rings.len(), Ordering::Relaxed);
        receiver
    }

    /// Sends accepted steps and their inputs to the watchers. The caller holds the replica's lock, which keeps the
    /// order.
    pub(crate) fn publish<'a>(
        &self,
        field: &FieldName,
        steps: &[Step],
        inputs: impl IntoIterator<Item = &'a Vec<f64>>,
    ) {
        // A new watcher looks at the replica after this, so it misses nothing.
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ring) = rings.get(field) else { return };
        let sent = steps.iter().zip(inputs).try_for_each(|(step, input)| {
            let Step {
                epoch,
                engine: _,
                metrics: _,
                k,
                clock,
                origin: _,
                version: _,
                novelty: _,
                attention_gain: _,
                time: _,
                names: _,
                farthest: _,
                unusual: _,
                threat: _,
                intervened: _,
                drift: _,
            } = *step;
            ring.send(Arc::new(WatchedStep { epoch, k, clock, input: input.clone() })).map(|_| ())
        });
        if sent.is_err() {
            rings.remove(field);
            self.count.store(rings.len(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use psi_engine::{EngineKind, Metrics};
    use psi_replica::{NodeId, Origin, Version};
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;

    fn field(name: &str) -> FieldName {
        FieldName::new(name).expect("a name")
    }

    fn step(k: u64) -> Step {
        Step {
            epoch: Epoch(1),
            engine: EngineKind::Synthetic,
            metrics: Metrics::from_array([0.0; 8]),
            k,
            clock: Clock::default(),
            origin: Origin { node: NodeId::new("n").expect("a name"), incarnation: 1 },
            version: Version::ZERO,
            novelty: 0.0,
            attention_gain: 0.0,
            time: None,
            names: None,
            farthest: [None; 3],
            unusual: false,
            threat: None,
            intervened: None,
            drift: Arc::default(),
        }
    }

    fn accept(watchers: &Watchers, name: &str, k: u64) {
        watchers.publish(&field(name), &[step(k)], &[vec![k as f64]]);
    }

    fn rings(watchers: &Watchers) -> (usize, usize) {
        (watchers.count.load(Ordering::Relaxed), watchers.rings.lock().unwrap().len())
    }

    #[test]
    fn watchers_see_the_steps_of_their_field_in_order() {
        let watchers = Watchers::default();
        let mut seen = [watchers.watch(&field("a"), 1), watchers.watch(&field("a"), 1)];
        accept(&watchers, "b", 1);
        let steps = [step(1), step(2)];
        watchers.publish(&field("a"), &steps, &[vec![0.5], vec![1.5]]);
        for receiver in &mut seen {
            for (k, number) in [(1, 0.5), (2, 1.5)] {
                let accepted = receiver.try_recv().unwrap();
                assert_eq!((accepted.k, accepted.input.as_slice()), (k, [number].as_slice()));
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        }
    }

    #[test]
    fn a_slow_watcher_misses_steps_and_learns_how_many() {
        let watchers = Watchers::default();
        let mut slow = watchers.watch(&field("a"), 1);
        let total = STEPS_MAX as u64 + 10;
        (1..=total).for_each(|k| accept(&watchers, "a", k));
        assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(10)));
        assert_eq!(slow.try_recv().unwrap().k, 11);
        assert_eq!(slow.len() as u64, total - 11);
    }

    #[test]
    fn a_ring_is_gone_after_its_last_watcher() {
        let watchers = Watchers::default();
        accept(&watchers, "a", 1);
        assert_eq!(rings(&watchers), (0, 0));
        drop(watchers.watch(&field("a"), 1));
        let kept = watchers.watch(&field("b"), 4096);
        assert_eq!(rings(&watchers), (1, 1));
        drop(kept);
        accept(&watchers, "a", 2);
        assert_eq!(rings(&watchers), (1, 1));
        accept(&watchers, "b", 1);
        assert_eq!(rings(&watchers), (0, 0));
    }
}
