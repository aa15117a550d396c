//! Tasks that share a register, by a hash of their names. So registers do not grow with the number of tasks that ever
//! were: an ended task leaves its bucket, and nothing of it stays.

use std::collections::BTreeMap;

use prost::Message;
use sha2::{Digest, Sha256};

use super::{
    decided::DecidedChain,
    refusal::TransitionRefusal,
    snapshot::{SnapshotError, chain_message, read_chain},
    specs::SpecStore,
    state::BUCKET_BYTES_MAX,
};
use crate::{
    hash::TransitionHash,
    proto,
    transition::{Subject, Transition},
};

/// What numbers of buckets are hashes of.
const BUCKET_CONTEXT: &str = "psi-field v1 task: ";

/// The tasks of a process whose names have one hash. A majority decides each step of a bucket, which is one transition of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskBucket {
    tasks: BTreeMap<Subject, BucketTask>,
}

/// A task in its bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BucketTask {
    chain: DecidedChain,
    stage: TaskStage,
}

/// Whether a task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskStage {
    /// It does. No other that goes on in the bucket has its place.
    Live {
        /// The place.
        place: u16,
    },
    /// It has ended, and is kept for so long, by the clocks of transitions.
    Ended {
        /// Milliseconds since 1970.
        kept_until_ms: u64,
    },
}

impl TaskBucket {
    /// How many buckets the tasks of a process share.
    pub const COUNT: u16 = 32;

    /// The bucket of a task; `None` for a process, which has a register of its own.
    #[must_use]
    pub fn number_of(subject: &Subject) -> Option<u16> {
        let task = subject.task.as_ref()?;
        let names = format!("{BUCKET_CONTEXT}{}/{task}", subject.process);
        let first = Sha256::digest(names).first_chunk().copied().unwrap_or_default();
        Some(u16::from_le_bytes(first) % Self::COUNT)
    }

    /// Where a task stands; one without a step if the bucket has none of the name, or one that ended too long ago.
    #[must_use]
    pub fn chain(&self, subject: &Subject, now_ms: u64) -> DecidedChain {
        let known = self.tasks.get(subject).filter(|task| !task.is_expired(now_ms));
        known.map_or_else(|| DecidedChain::new(subject.clone()), |task| task.chain.clone())
    }

    /// All tasks that are kept at this time, by name.
    pub fn chains(&self, now_ms: u64) -> impl Iterator<Item = &DecidedChain> {
        self.tasks.values().filter(move |task| !task.is_expired(now_ms)).map(|task| &task.chain)
    }

    /// A number that no other task of the bucket has that goes on; `None` if this does not.
    #[must_use]
    pub fn place(&self, subject: &Subject) -> Option<u16> {
        match self.tasks.get(subject)?.stage {
            TaskStage::Live { place } => Some(place),
            TaskStage::Ended { .. } => None,
        }
    }

    /// The transition that led from an earlier bucket to this one; `None` if it was not exactly one.
    #[must_use]
    pub fn newest_since(&self, before: &Self) -> Option<TransitionHash> {
        let head = |bucket: &Self, subject| Some(bucket.tasks.get(subject)?.chain.state()?.head);
        let mut new = self.tasks.keys().filter(|subject| head(self, subject) != head(before, subject));
        let first = new.next()?;
        if new.next().is_some() { None } else { head(self, first) }
    }

    /// The bucket after a transition of one of its tasks. Tasks that ended long before it are left out.
    ///
    /// Where there is no room, tasks that ended are left out before their time: those first that have least of it left.
    ///
    /// # Errors
    /// [`TransitionRefusal`].
    pub fn follow(&self, transition: &Transition, specs: &SpecStore) -> Result<Self, TransitionRefusal> {
        let (subject, now_ms) = (&transition.subject, transition.clock.wall_ms);
        let mut tasks = self.tasks.clone();
        tasks.retain(|_, task| !task.is_expired(now_ms));
        let mut next = Self { tasks };
        let place = next.place(subject).unwrap_or_else(|| next.free_place());
        let mut chain = next.chain(subject, now_ms);
        chain.apply(chain.step().saturating_add(1), transition, specs)?;
        let spec = specs.get(&transition.spec).ok_or(TransitionRefusal::UnknownSpec(transition.spec))?;
        let stage = if chain.state().is_some_and(|state| state.end.is_some()) {
            chain.drop_baseline();
            TaskStage::Ended { kept_until_ms: now_ms.saturating_add(spec.retain_ms()) }
        } else {
            TaskStage::Live { place }
        };
        next.tasks.insert(subject.clone(), BucketTask { chain, stage });
        next.make_room(subject)?;
        Ok(next)
    }

    fn free_place(&self) -> u16 {
        let taken: Vec<_> = self.tasks.keys().filter_map(|subject| self.place(subject)).collect();
        (0..=u16::MAX).find(|place| !taken.contains(place)).unwrap_or(u16::MAX)
    }

    fn make_room(&mut self, subject: &Subject) -> Result<(), TransitionRefusal> {
        loop {
            let bytes = self.to_bytes().len();
            if bytes <= BUCKET_BYTES_MAX {
                return Ok(());
            }
            let ended = self.tasks.iter().filter(|(other, _)| *other != subject);
            let ended = ended.filter_map(|(other, task)| Some((task.stage.kept_until_ms()?, other.clone())));
            let Some((_, first)) = ended.min() else {
                return Err(TransitionRefusal::FullBucket { tasks: self.tasks.len(), bytes });
            };
            self.tasks.remove(&first);
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let tasks = self.tasks.values().map(|BucketTask { chain, stage }| {
            let stage = match *stage {
                TaskStage::Live { place } => proto::bucket_task::Stage::Place(place.into()),
                TaskStage::Ended { kept_until_ms } => proto::bucket_task::Stage::KeptUntilMs(kept_until_ms),
            };
            proto::BucketTask { chain: Some(chain_message(chain)), stage: Some(stage) }
        });
        proto::TaskBucket { tasks: tasks.collect() }.encode_to_vec()
    }

    /// Reads what [`TaskBucket::to_bytes`] writes. No bytes panic.
    ///
    /// # Errors
    /// The bytes are no bucket.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let is_short = bytes.len() <= BUCKET_BYTES_MAX;
        let message = is_short.then(|| proto::TaskBucket::decode(bytes).ok()).flatten();
        let tasks = message.and_then(|message| message.tasks.into_iter().map(read_task).collect::<Option<_>>());
        let bucket = tasks.map(|tasks| Self { tasks }).filter(|bucket| bucket.to_bytes() == bytes);
        bucket.ok_or(SnapshotError { bytes: bytes.len() })
    }
}

impl BucketTask {
    fn is_expired(&self, now_ms: u64) -> bool {
        self.stage.kept_until_ms().is_some_and(|until| until <= now_ms)
    }
}

impl TaskStage {
    fn kept_until_ms(self) -> Option<u64> {
        match self {
            Self::Live { .. } => None,
            Self::Ended { kept_until_ms } => Some(kept_until_ms),
        }
    }
}

/// A task as it was kept; `None` if it is none, or is said to go on and has ended, or the reverse.
fn read_task(message: proto::BucketTask) -> Option<(Subject, BucketTask)> {
    let chain = read_chain(message.chain?)?;
    let stage = match message.stage? {
        proto::bucket_task::Stage::Place(place) => TaskStage::Live { place: u16::try_from(place).ok()? },
        proto::bucket_task::Stage::KeptUntilMs(kept_until_ms) => TaskStage::Ended { kept_until_ms },
    };
    let has_ended = chain.state()?.end.is_some();
    let is_whole = has_ended == stage.kept_until_ms().is_some() && chain.subject().task.is_some();
    is_whole.then(|| (chain.subject().clone(), BucketTask { chain, stage }))
}
