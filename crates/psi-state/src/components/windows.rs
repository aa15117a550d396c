//! The metric window: exact moments of the step metrics, one bucket a second of hybrid time.

use bytes::Bytes;
use psi_engine::Metrics;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind, Version};
use psi_stats::{BUCKETS, Fixed, Moments, MomentsError, Scale, Window, WindowTotals, quantize};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink,
        dirty_slots::DirtySlots,
        facts::EpochFacts,
        value::{ValueError, at_index, encoded, message},
    },
    limits::METRICS,
    proto,
    spec::EpochShape,
};

/// Exact moments of the metrics, one entry a second.
pub const WINDOWS: Lane = Lane(proto::Lane::Windows as u32);

/// One second of an origin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) second: u64,
    pub(crate) sums: Moments,
}

/// A bucket that came or went: what is learned weighs origins by their recent steps.
#[derive(Clone, Debug)]
pub(crate) struct BucketMove {
    pub(crate) origin: Origin,
    pub(crate) second: u64,
    pub(crate) steps: u64,
    pub(crate) direction: Direction,
}

/// The fold: the buckets of the other origins, and the own ones.
#[derive(Clone, Debug)]
pub(crate) struct MetricWindows {
    others: WindowTotals,
    /// `None` until the own origin takes a step.
    own: Option<Window>,
    dirty: DirtySlots,
    /// Moves that nobody has looked at yet; `None` where nobody will.
    moves: Option<Vec<BucketMove>>,
}

impl MetricWindows {
    /// Takes in the metrics of an own step, as part of the write `version`.
    ///
    /// # Errors
    /// If the counts are full; nothing was changed then.
    pub(crate) fn absorb(&mut self, version: Version, second: u64, metrics: Metrics) -> Result<(), MomentsError> {
        let slot = self.own.get_or_insert_with(|| Window::new(METRICS)).record(second, &fixed(metrics))?;
        self.dirty.record(version, [(WINDOWS, slot)]);
        Ok(())
    }

    /// Buckets that came or went since this was asked last.
    pub(crate) fn take_moves(&mut self) -> Vec<BucketMove> {
        self.moves.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn record_move(&mut self, origin: &Origin, bucket: &Bucket, direction: Direction) {
        if let Some(moves) = &mut self.moves {
            let (second, steps) = (bucket.second, bucket.sums.count());
            moves.push(BucketMove { origin: origin.clone(), second, steps, direction });
        }
    }

    /// The metrics of the seconds up to the last. Fails exactly when all buckets taken together do, so that every
    /// replica sees the same.
    fn over(&self, last_second: u64) -> Result<Moments, MomentsError> {
        let mut joined = WindowTotals::new(METRICS);
        for (second, sums) in self.own.iter().flat_map(Window::buckets) {
            joined.add(second, sums)?;
        }
        let mut window = self.others.over(last_second)?;
        window.merge(&joined.over(last_second)?)?;
        Ok(window)
    }

    fn own_bucket(&self, index: u64) -> Option<Bucket> {
        self.own.as_ref()?.bucket(index).map(|(second, sums)| Bucket { second, sums: sums.clone() })
    }
}

impl Component for MetricWindows {
    type Value = Bucket;

    const SCOPE: ScopeKind = ScopeKind::Epoch;
    const LIFETIME: EntryLifetime = EntryLifetime::WithEpoch;

    fn last_index(_: Lane) -> u64 {
        BUCKETS - 1
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<Bucket, ValueError> {
        let proto::WindowValue { second, sums } = message(bytes)?;
        at_index(key, second % BUCKETS)?;
        let sums = Moments::decode(&sums)?;
        if sums.width() != METRICS {
            return Err(ValueError::Dimensions(sums.width()));
        }
        Ok(Bucket { second, sums })
    }

    fn encode(Bucket { second, sums }: &Bucket) -> Bytes {
        encode_bucket(*second, sums)
    }

    fn clock(bucket: &Bucket) -> Option<Clock> {
        Some(Clock { wall_ms: bucket.second.saturating_mul(1000), counter: 0 })
    }

    fn change(&mut self, origin: &Origin, _: &Key, bucket: &Bucket, direction: Direction) {
        let Bucket { second, sums } = bucket;
        let _ = match direction {
            Direction::Put => self.others.add(*second, sums),
            Direction::Remove => self.others.remove(*second, sums),
        };
        self.record_move(origin, bucket, direction);
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &psi_replica::Scope) -> (Lane, u64, Bucket) {
        let second = rng.clock().second();
        (WINDOWS, second % BUCKETS, Bucket { second, sums: rng.moments(METRICS) })
    }
}

impl EpochComponent for MetricWindows {
    /// Exact moments of the metrics over the 60 s up to the latest step's clock. A view depends on the accepted records
    /// alone, not on when it is read.
    type View = Moments;

    fn new(shape: &EpochShape) -> Self {
        Self {
            others: WindowTotals::new(METRICS),
            own: None,
            dirty: DirtySlots::default(),
            moves: shape.latent.map(|_| Vec::new()),
        }
    }

    fn restart(&mut self, shape: &EpochShape, _: Option<&Origin>) {
        let (own, dirty) = (self.own.clone(), self.dirty.clone());
        *self = Self { own, dirty, ..Self::new(shape) };
    }

    /// Beyond the count limit nothing can be read out, and nothing is better than wrong.
    fn view(&self, facts: &EpochFacts<'_>) -> Moments {
        facts.last_second.and_then(|second| self.over(second).ok()).unwrap_or_else(|| Moments::new(METRICS))
    }

    /// The sums of each second that a view may still look at: of the span that ends with the latest step. No honest origin
    /// has a bucket after its latest step.
    fn write_base(&self, facts: &EpochFacts<'_>, base: &mut BaseSink<'_>) {
        let Some(last_second) = facts.last_second else { return };
        for (second, sums) in self.others.seconds(last_second) {
            if let Some(sums) = sums.moments().ok().filter(|sums| !sums.is_empty()) {
                base.put(WINDOWS, second % BUCKETS, encode_bucket(second, &sums));
            }
        }
    }

    fn flush(&mut self, _: &Origin, sink: &mut FlushSink) {
        for ((lane, index), version) in self.dirty.take() {
            if let Some((second, sums)) = self.own.as_ref().and_then(|own| own.bucket(index)) {
                sink.push(lane, index, version, encode_bucket(second, sums));
            }
        }
    }

    fn forget_pending(&mut self) {
        self.dirty.clear();
    }

    fn merge_own(&mut self, mut copy: Self, local: &Origin, version: Version) {
        for (_, index) in copy.dirty.iter() {
            if let Some(bucket) = self.own_bucket(index) {
                self.record_move(local, &bucket, Direction::Remove);
            }
            if let Some(bucket) = copy.own_bucket(index) {
                self.record_move(local, &bucket, Direction::Put);
            }
        }
        copy.dirty.merge(version, &self.dirty);
        self.own = copy.own;
        self.dirty = copy.dirty;
    }
}

fn encode_bucket(second: u64, sums: &Moments) -> Bytes {
    encoded(&proto::WindowValue { second, sums: sums.encode().into() })
}

/// Metrics as the windows sum them. Every engine keeps its metrics finite and far below 2²⁴; should one ever not,
/// the number counts as the nearest that can be summed, so that a step is never half absorbed.
fn fixed(metrics: Metrics) -> Vec<Fixed> {
    const LARGEST: f64 = 16_777_215.0;
    let summable = metrics.to_array().map(|metric| if metric.is_nan() { 0.0 } else { metric.clamp(-LARGEST, LARGEST) });
    quantize(&summable, Scale::default()).expect("clamped to the range")
}
